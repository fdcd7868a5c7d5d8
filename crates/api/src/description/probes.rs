//! What whoever watches the process asks, and this description.

use http::Method;
use serde_json::json;

use super::Chapter;
use super::operation::Operation;
use super::schema::{named, object, word};
use crate::health::METRICS_TYPE;

pub(super) fn chapter() -> Chapter {
    let probe = object(
        "That all is well.",
        [("status", word(["ok"], "The answer."))],
    );
    let role = "What the process does: it serves clients, runs batches, or both.";
    let readiness = object(
        "That it can do its work, and which that is.",
        [
            ("status", word(["ready"], "The answer.")),
            ("role", word(["all", "api", "worker"], role)),
        ],
    );
    let get = |path, id, summary| Operation::new(Method::GET, path, id, summary);
    Chapter {
        tag: "Operation",
        about: "For what watches the process.",
        operations: vec![
            get("/health", "health", "Whether the process answers.")
                .public()
                .answers("It does.", &named("Probe")),
            get("/ready", "ready", "Whether it can do its work.")
                .public()
                .answers("It can.", &named("Readiness")),
            get(
                "/metrics",
                "metrics",
                "Metrics. On a server with keys one of the role `metrics` or `admin` is needed, \
                 except from its own machine.",
            )
            .sometimes_public()
            .answers_with(
                200,
                "The metrics.",
                METRICS_TYPE,
                &json!({"type": "string"}),
            ),
            get("/openapi.json", "openapi", "This description.").answers(
                "An OpenAPI 3.1 document.",
                &json!({"type": "object", "required": ["openapi", "info", "paths"]}),
            ),
        ],
        schemas: vec![("Probe", probe), ("Readiness", readiness)],
    }
}
