//! The Batch object, and where one is shown.

use super::request_with;
use crate::files::one_line;
use crate::golden::Refusal;
use crate::object::{NO_USAGE, batch, batch_answer, completed, counts, failed};
use crate::request::{get, post_json};
use crate::results::CHAT_USAGE;
use crate::row::{Outcome, Row, chosen, recorded, reported};
use crate::scene::Scene;
use crate::section::Section;
use crate::upstream::{EMBEDDINGS, RESPONSE};

/// Section 2.2.
pub(crate) const OBJECT: Section = Section {
    heading: "2.2 The Batch object",
    rows: ROWS,
    fields: &[
        "id",
        "object",
        "endpoint",
        "model",
        "errors",
        "errors.object",
        "errors.data",
        "errors.data[]",
        "errors.data[].code",
        "errors.data[].message",
        "errors.data[].param",
        "errors.data[].line",
        "input_file_id",
        "completion_window",
        "status",
        "output_file_id",
        "error_file_id",
        "created_at",
        "in_progress_at",
        "expires_at",
        "finalizing_at",
        "completed_at",
        "failed_at",
        "expired_at",
        "cancelling_at",
        "cancelled_at",
        "request_counts",
        "request_counts.total",
        "request_counts.completed",
        "request_counts.failed",
        "usage",
        "usage.input_tokens",
        "usage.output_tokens",
        "usage.total_tokens",
        "usage.input_tokens_details",
        "usage.input_tokens_details.cached_tokens",
        "usage.output_tokens_details",
        "usage.output_tokens_details.reasoning_tokens",
        "metadata",
        "metadata.k",
    ],
};

const ROWS: &[Row] = &[
    recorded(
        "2.2/keys",
        "All 22 keys are there at creation, in this order, unset ones null.",
        |scene| {
            scene.upload(one_line())?;
            let request = post_json("/v1/batches", request_with(""));
            let golden = batch_answer(&batch());
            let told = format!("`{}`", batch().compact());
            scene.expect(&request, &golden.shown(told))
        },
    ),
    recorded(
        "2.2/expires-at",
        "`expires_at` is `created_at` + 86,400 from the first answer on.",
        |scene| {
            scene.upload(one_line())?;
            let batch = batch().with("expires_at", "«c + 86400»");
            scene.expect(
                &post_json("/v1/batches", request_with("")),
                &batch_answer(&batch),
            )
        },
    ),
    recorded(
        "2.2/usage-zeros",
        "`usage` is there from the first answer on, as zeros in five keys and two objects.",
        |scene| {
            scene.upload(one_line())?;
            let batch = batch().with("usage", NO_USAGE);
            scene.expect(
                &post_json("/v1/batches", request_with("")),
                &batch_answer(&batch),
            )
        },
    ),
    recorded(
        "2.2/errors",
        "`errors` is a list of `code`, `message`, `param`, `line`, and null unless it failed.",
        |scene| {
            scene.upload(format!("{}hello\n", one_line()))?;
            scene.create()?;
            scene.becomes("failed", &failed(&[crate::input::not_json(2)]))
        },
    ),
    recorded(
        "2.2/model",
        "`model` is null until validation, then the model of the file.",
        |scene| {
            scene.upload(one_line())?;
            scene.create()?;
            let object = one_done().with("model", "\"m\"");
            scene.becomes("completed", &object)
        },
    )
    .differs(
        "It is the name that the lines use: the live service shows the snapshot that it resolves \
         to, and an upstream has no such names.",
    ),
    recorded(
        "2.2/metadata",
        "`metadata` is kept through the batch's life.",
        |scene| {
            scene.upload(one_line())?;
            scene.create_with(&request_with(r#","metadata":{"k":"v"}"#))?;
            scene.becomes("completed", &one_done().with("metadata", r#"{"k":"v"}"#))
        },
    ),
    chosen(
        "2.2/usage-of-chats",
        "How do the names of a chat's usage map?",
        "`prompt_tokens` to `input_tokens`, `completion_tokens` to `output_tokens`, with \
         `cached_tokens` and `reasoning_tokens`; lines with 2xx count.",
        |scene| {
            scene.upload(one_line())?;
            scene.create()?;
            scene.becomes("completed", &one_done().with("usage", CHAT_USAGE))
        },
    ),
    chosen(
        "2.2/usage-of-responses",
        "And those of `/v1/responses`?",
        "They are the same names already.",
        |scene| {
            let usage = r#"{"input_tokens":7,"output_tokens":4,"total_tokens":11,"input_tokens_details":{"cached_tokens":2},"output_tokens_details":{"reasoning_tokens":3}}"#;
            other_endpoint(scene, "/v1/responses", RESPONSE, usage)
        },
    ),
    chosen(
        "2.2/usage-of-embeddings",
        "And those of `/v1/embeddings`?",
        "`prompt_tokens` are the input; there is no output.",
        |scene| {
            let usage = r#"{"input_tokens":6,"output_tokens":0,"total_tokens":6,"input_tokens_details":{"cached_tokens":0},"output_tokens_details":{"reasoning_tokens":0}}"#;
            other_endpoint(scene, "/v1/embeddings", EMBEDDINGS, usage)
        },
    ),
    recorded("2.3/show", "GET answers the Batch object.", |scene| {
        scene.upload(one_line())?;
        scene.create()?;
        scene.becomes("completed", &one_done())
    }),
    recorded(
        "2.3/missing",
        "An unknown id that begins with `batch` is answered 404 without param and code.",
        |scene| {
            let message = "No batch found with id 'batch_1'.";
            scene.expect(
                &get("/v1/batches/batch_1"),
                &Refusal::new(404, message).golden(),
            )
        },
    ),
    recorded(
        "2.3/wrong-prefix",
        "An id that does not begin with `batch` is answered 400.",
        |scene| {
            let message = "Invalid 'batch_id': 'invalid'. Expected an ID that begins with 'batch'.";
            let refusal = Refusal::new(400, message)
                .param("batch_id")
                .code("invalid_value");
            scene.expect(&get("/v1/batches/invalid"), &refusal.golden())
        },
    ),
    reported(
        "2.3/forgotten",
        "Old batches vanish some day, and are missing then.",
        |scene| {
            let message = "No batch found with id 'batch_690467101b6c8190a1b2c3d4e5f60718'.";
            let request = get("/v1/batches/batch_690467101b6c8190a1b2c3d4e5f60718");
            scene.expect(&request, &Refusal::new(404, message).golden())
        },
    ),
];

/// A batch of one chat line that went well.
fn one_done() -> crate::object::Object {
    completed()
        .with("output_file_id", "\"«file o»\"")
        .with("request_counts", counts(1, 1, 0))
        .with("usage", CHAT_USAGE)
}

fn other_endpoint(scene: &mut Scene<'_>, endpoint: &str, answer: &str, usage: &str) -> Outcome {
    let line = format!(
        r#"{{"custom_id":"a","method":"POST","url":"{endpoint}","body":{{"model":"m","input":"hi"}}}}"#
    );
    scene.upload(format!("{line}\n"))?;
    let json = request_with("").replace("/v1/chat/completions", endpoint);
    scene.create_with(&json)?;
    let object = one_done()
        .with("endpoint", format!("\"{endpoint}\""))
        .with("usage", usage);
    scene.becomes("completed", &object)?;
    let line = crate::results::line("a", 200, answer);
    let lines = crate::golden::result_lines("«b»_output.jsonl", "o", &[line]);
    scene.expect(&get("/v1/files/«o»/content"), &lines)
}
