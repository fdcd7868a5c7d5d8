//! What is done with batches beside creating and cancelling them.

use http::Method;
use overnight_core::batch::Status;
use overnight_store::status::{LimitedBy, UpstreamHealth};
use serde_json::{Value, json};

use super::Chapter;
use super::batches::of_one;
use super::operation::Operation;
use super::schema::{count, flag, kind, list, named, object, or_null, request, text, time, word};
use crate::batches::{CHILDREN_MAX, OVERRIDE_KEY_CHARS_MAX, OVERRIDES_MAX};

/// What may be asked of one batch.
pub(super) fn operations() -> Vec<Operation> {
    let steer = |path, id, summary| {
        of_one(Method::POST, path, id, summary)
            .answers("The batch.", &named("Batch"))
            .refuses([409])
    };
    vec![
        of_one(
            Method::DELETE,
            "/v1/batches/{id}",
            "deleteBatch",
            "Deletes a batch that has ended, and its result files. Not part of OpenAI's API.",
        )
        .answers("That it is gone.", &named("DeletedBatch"))
        .refuses([409]),
        steer(
            "/v1/batches/{id}/pause",
            "pauseBatch",
            "Sends nothing more of a batch; lines in flight may end. Not part of OpenAI's API.",
        ),
        steer(
            "/v1/batches/{id}/resume",
            "resumeBatch",
            "Lets a paused batch go on. Not part of OpenAI's API.",
        ),
        steer(
            "/v1/batches/{id}/retry",
            "retryBatch",
            "Makes a new batch of the failed lines of one that has ended. Not part of OpenAI's API.",
        )
        .takes("IdempotencyKey")
        .optional_body("application/json", &named("RetryBatch"))
        .with_header(
            200,
            "idempotent-replayed",
            &json!({"$ref": "#/components/headers/Replayed"}),
        )
        .refuses([413]),
        of_one(
            Method::GET,
            "/v1/batches/{id}/verify",
            "verifyBatch",
            "Checks that every line is there once, and that the results are what was written. Not \
             part of OpenAI's API.",
        )
        .answers("What was found.", &named("BatchVerification")),
    ]
}

/// The shapes of requests and answers.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("BatchDryRun", dry_run()),
        ("BatchVerification", verification()),
        ("DeletedBatch", deleted()),
        ("Latency", latency()),
        ("RetryBatch", retry()),
        ("TokenRates", token_rates()),
    ]
}

/// How everything is getting on.
pub(super) fn chapter() -> Chapter {
    let batch = json!({
        "type": "string",
        "pattern": "^batch",
        "description": "Only this batch, and no upstreams.",
    });
    let overview = Operation::new(
        Method::GET,
        "/v1/overview",
        "overview",
        "How everything is getting on at a glance. Not part of OpenAI's API.",
    );
    let events = Operation::new(
        Method::GET,
        "/v1/events",
        "events",
        "Streams batches that change, at most once a second each, and to operators the upstreams, as \
         server-sent events. Not part of OpenAI's API.",
    );
    Chapter {
        tag: "Overview",
        about: "What the server is doing.",
        operations: vec![
            overview.answers("At a glance.", &named("Overview")),
            events
                .in_query("batch", &batch)
                .answers_with(
                    200,
                    "Events named `batch`, with a batch and its progress, and `upstreams`, with a \
                     list of them.",
                    "text/event-stream",
                    &json!({"type": "string"}),
                )
                .refuses([400, 404]),
        ],
        schemas: vec![("Overview", at_a_glance())],
    }
}

fn at_a_glance() -> Value {
    let counts = |words: Vec<&'static str>, about: &str| {
        let numbers: serde_json::Map<String, Value> = words
            .iter()
            .map(|word| ((*word).to_owned(), count("How many.")))
            .collect();
        json!({
            "type": "object",
            "description": about,
            "required": words,
            "properties": numbers,
        })
    };
    let statuses = Status::ALL.map(Status::as_str).to_vec();
    let health = UpstreamHealth::ALL.map(UpstreamHealth::as_str).to_vec();
    object(
        "How everything is getting on.",
        [
            ("object", kind("overview")),
            (
                "batches",
                counts(statuses, "The project's batches by status."),
            ),
            (
                "lines_per_second",
                rate("Lines of the project's batches a second."),
            ),
            ("tokens_per_second", named("TokenRates")),
            ("in_flight", count("Requests that are with upstreams.")),
            ("limit", count("How many they may have at once.")),
            ("upstreams", counts(health, "The upstreams by health.")),
            ("version", text("That of the server.")),
        ],
    )
}

/// A rate a second.
pub(super) fn rate(about: &str) -> Value {
    json!({"type": "number", "minimum": 0, "description": about})
}

fn token_rates() -> Value {
    object(
        "Tokens a second.",
        [
            ("input", rate("Those that go in.")),
            ("output", rate("Those that come out.")),
        ],
    )
}

fn latency() -> Value {
    object(
        "How long recent lines took, in milliseconds.",
        [
            ("p50", count("Half of them at most.")),
            ("p95", count("95 percent of them at most.")),
            ("p99", count("99 percent of them at most.")),
            ("max", count("The longest.")),
        ],
    )
}

/// The part of a batch's progress that tells how fast it is.
pub(super) fn pace() -> [(&'static str, Value); 9] {
    let range = json!({
        "type": ["array", "null"],
        "items": count("Seconds."),
        "description": "Between how many and how many seconds it should take, as the rate varies.",
    });
    let children =
        format!("The batches that were made of its failed lines, at most {CHILDREN_MAX}.");
    let limited_by = word(
        LimitedBy::ALL.map(LimitedBy::as_str),
        "What keeps it from being faster, if one thing does.",
    );
    let sample = object(
        "How it was at a time.",
        [
            ("at", time("When.")),
            ("lines_per_second", rate("Lines that ended in a second.")),
            ("in_flight", count("Lines that were with an upstream.")),
            ("limit", count("How many requests there might have been.")),
        ],
    );
    [
        ("tokens_per_second", named("TokenRates")),
        ("eta_range_seconds", range),
        (
            "limit",
            count("How many requests the upstreams of its models may have at once."),
        ),
        ("limited_by", or_null(limited_by)),
        ("latency_ms", or_null(named("Latency"))),
        ("paused", flag("Whether somebody paused it.")),
        (
            "parent",
            or_null(text("The batch of whose failed lines it was made.")),
        ),
        ("children", list(&text("The id of a batch."), &children)),
        (
            "history",
            list(&sample, "Every ten seconds, the oldest first."),
        ),
    ]
}

fn deleted() -> Value {
    object(
        "A batch that is gone.",
        [
            ("id", text("Its id.")),
            ("object", kind("batch")),
            ("deleted", flag("True.")),
        ],
    )
}

fn verification() -> Value {
    object(
        "What checking a batch has found.",
        [
            ("object", kind("batch.verification")),
            ("valid", flag("Whether no problem was found.")),
            ("total", count("All lines.")),
            ("completed", count("Lines that were answered well.")),
            ("failed", count("Lines that ended with an error.")),
            ("problems", list(&text("A sentence."), "What is wrong.")),
        ],
    )
}

fn dry_run() -> Value {
    let model = object(
        "A model.",
        [
            ("model", text("Its name.")),
            ("lines", count("How many lines name it.")),
        ],
    );
    let errors = object(
        "What is wrong with the input.",
        [
            ("object", kind("list")),
            (
                "data",
                list(&named("BatchError"), "In the order of their lines."),
            ),
        ],
    );
    object(
        "What would become of a batch.",
        [
            ("object", kind("batch.dry_run")),
            ("valid", flag("Whether it would be run.")),
            ("lines", count("Its lines.")),
            ("bytes", count("The size of its file.")),
            (
                "models",
                list(
                    &model,
                    "In the order of their first lines; none when it is not valid.",
                ),
            ),
            ("errors", errors),
            (
                "errors_total",
                count("How many errors there are, listed or not."),
            ),
            (
                "estimated_input_tokens",
                or_null(count(
                    "About how many tokens go in, by the bytes of the bodies.",
                )),
            ),
            (
                "estimated_seconds",
                or_null(count(
                    "How long it should take, by the last batch that is like it.",
                )),
            ),
        ],
    )
}

fn retry() -> Value {
    let set = json!({
        "type": ["object", "null"],
        "maxProperties": OVERRIDES_MAX,
        "propertyNames": {"type": "string", "maxLength": OVERRIDE_KEY_CHARS_MAX},
        "description": "Values that take the place of those in each line's body, by top-level key.",
    });
    request(
        "Which lines to run again, and how.",
        0,
        [
            (
                "signature",
                or_null(text("Only lines that failed for this cause.")),
            ),
            ("set", set),
            ("model", or_null(text("Another model for every line."))),
            ("metadata", or_null(named("Metadata"))),
        ],
    )
}
