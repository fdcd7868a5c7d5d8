//! What whoever runs the server may ask.

use http::Method;
use overnight_store::status::UpstreamHealth;
use serde_json::Value;

use super::Chapter;
use super::operation::Operation;
use super::schema::{count, flag, kind, list, named, object, or_null, text, time, word};

pub(super) fn chapter() -> Chapter {
    let upstreams = object(
        "Every upstream, as every worker sees it.",
        [
            ("object", kind("list")),
            ("data", list(&named("Upstream"), "The upstreams.")),
        ],
    );
    Chapter {
        tag: "Administration",
        about: "For whoever runs the server. With keys, one of the role `admin` is needed.",
        operations: vec![
            Operation::new(
                Method::GET,
                "/admin/upstreams",
                "listUpstreams",
                "How each upstream is.",
            )
            .answers("All upstreams.", &named("UpstreamList")),
        ],
        schemas: vec![("Upstream", upstream()), ("UpstreamList", upstreams)],
    }
}

fn upstream() -> Value {
    let health = UpstreamHealth::ALL.map(UpstreamHealth::as_str);
    let models = list(
        &text("A model."),
        "What it serves, by the names that lines use.",
    );
    object(
        "An upstream, as one worker sees it.",
        [
            ("object", kind("upstream")),
            ("name", text("Its name.")),
            ("url", text("Its address, without credentials.")),
            ("worker", text("Who says so.")),
            ("health", word(health, "Whether lines are sent to it.")),
            ("reason", or_null(text("Why not, as a sentence."))),
            ("models", models),
            ("any_model", flag("It has no list, and takes every model.")),
            ("in_flight", count("Requests that are with it.")),
            ("limit", count("How many it may have at once.")),
            ("updated_at", time("When this was true.")),
        ],
    )
}
