//! The checks of a batch's input, in their order, and the entry of each.

use super::{BODY, ID, METHOD, URL, entry, fails, fails_at, good, line, missing_file, not_json};
use crate::files::one_line;
use crate::lifecycle::chat;
use crate::object::{batch, completed, counts};
use crate::request::delete;
use crate::results::CHAT_USAGE;
use crate::row::{Row, chosen, documented, recorded, reported};
use crate::section::Section;
use crate::stage::SINGLE_MODEL;

/// Section 3.2.
pub(crate) const CHECKS: Section = Section {
    heading: "3.2 The checks of an input file",
    rows: ROWS,
    fields: &[
        "errors.data[].code",
        "errors.data[].message",
        "errors.data[].param",
        "errors.data[].line",
    ],
};

const TOO_MANY_MODELS: &str = "The model 'n' for this request does not match the rest of the \
                               batch. Each batch must contain requests for a single model.";

const ROWS: &[Row] = &[
    reported(
        "3.2/no-http-error",
        "A wrong file is no error of the request: the batch is created, then `failed`.",
        |scene| {
            scene.upload(format!("{}hello\n", one_line()))?;
            let request = crate::request::post_json(
                "/v1/batches",
                crate::batches::request_with(""),
            );
            scene.expect(&request, &crate::object::batch_answer(&batch()))?;
            scene.becomes("failed", &crate::object::failed(&[not_json(2)]))
        },
    ),
    reported(
        "3.2/every-line",
        "Every wrong line has an entry, one each, in the order of the lines.",
        |scene| {
            let content = [
                good("x"),
                line(&[ID, URL, BODY]),
                "hello".to_owned(),
                good("x"),
                chat("y", "unheard-of", ""),
            ];
            let entries = [
                missing("method", 2),
                not_json(3),
                duplicate("x", 4),
                unknown_model("unheard-of", 5),
            ];
            fails(scene, content.join("\n"), &entries)
        },
    ),
    reported(
        "3.2/1-missing-file",
        "The file is not there, is deleted, or belongs to somebody else.",
        |scene| {
            scene.upload(one_line())?;
            scene.prepare(&delete("/v1/files/«f»"))?;
            scene.create()?;
            scene.becomes("failed", &crate::object::failed(&[missing_file()]))
        },
    ),
    documented(
        "3.2/3-no-requests",
        "The file has no request, only blank lines: the live service refuses it at upload.",
        |scene| {
            // An upload of blank lines alone is refused, so the file is one that may be empty.
            let message = "Invalid file format. The file is empty: a jsonl file with one request a \
                           line is expected.";
            let refusal = crate::golden::Refusal::new(400, message).files();
            scene.expect(&crate::request::batch_file("in.jsonl", "\n \r\n\n"), &refusal)
        },
    ),
    reported(
        "3.2/5-not-json",
        "A line is not a JSON object.",
        |scene| {
            let content = [&good("x"), "hello", "[1]", "7", "{\"custom_id\":", "null"];
            let entries: Vec<_> = (2..=6).map(not_json).collect();
            fails(scene, content.join("\n"), &entries)
        },
    ),
    reported(
        "3.2/6-missing-key",
        "A line lacks a key.",
        |scene| {
            let content = [
                line(&[METHOD, URL, BODY]),
                line(&[ID, URL, BODY]),
                line(&[ID, METHOD, BODY]),
                line(&[ID, METHOD, URL]),
            ];
            let entries = [
                missing("custom_id", 1),
                missing("method", 2),
                missing("url", 3),
                missing("body", 4),
            ];
            fails(scene, content.join("\n"), &entries)
        },
    ),
    chosen(
        "3.2/7-wrong-type",
        "What is said about a key of another type?",
        "`invalid_type`, in the words of the live error about metadata.",
        |scene| {
            let content = [
                line(&[r#""custom_id":7"#, METHOD, URL, BODY]),
                line(&[ID, r#""method":null"#, URL, BODY]),
                line(&[ID, METHOD, r#""url":["a"]"#, BODY]),
                line(&[ID, METHOD, URL, r#""body":"{}""#]),
                line(&[r#""custom_id":1.5"#, METHOD, URL, BODY]),
                line(&[r#""custom_id":true"#, METHOD, URL, BODY]),
            ];
            let entries = [
                wrong_type("custom_id", "a string", "an integer", 1),
                wrong_type("method", "a string", "null", 2),
                wrong_type("url", "a string", "an array", 3),
                wrong_type("body", "an object", "a string", 4),
                wrong_type("custom_id", "a string", "a decimal number", 5),
                wrong_type("custom_id", "a string", "a boolean", 6),
            ];
            fails(scene, content.join("\n"), &entries)
        },
    ),
    chosen(
        "3.2/8-method",
        "What is said about another method than POST?",
        "`invalid_method`, with the method.",
        |scene| {
            let content = line(&[ID, r#""method":"GET""#, URL, BODY]);
            let message = "Invalid method: 'GET'. Only 'POST' is supported.";
            let error = entry("invalid_method", message, Some("method"), Some(1));
            fails(scene, content, &[error])
        },
    ),
    reported(
        "3.2/9-url",
        "The url is not the batch's endpoint.",
        |scene| {
            let content = line(&[ID, METHOD, r#""url":"/v1/embeddings""#, BODY]);
            let message = "The URL provided for this request does not match the batch endpoint.";
            fails(scene, content, &[entry("invalid_url", message, Some("url"), Some(1))])
        },
    ),
    reported(
        "3.2/10-duplicate",
        "A `custom_id` stands in a line before: the second and later lines are wrong.",
        |scene| {
            let content = [good("x"), good("y"), good("x"), good("x")];
            fails(scene, content.join("\n"), &[duplicate("x", 3), duplicate("x", 4)])
        },
    ),
    reported(
        "3.2/11-no-model",
        "The body has no model.",
        |scene| {
            let content = line(&[ID, METHOD, URL, r#""body":{"messages":[]}"#]);
            let message = "Model parameter is required.";
            let error = entry("invalid_request", message, Some("body.model"), Some(1));
            fails(scene, content, &[error])
        },
    ),
    reported(
        "3.2/12-no-messages",
        "The body of a chat has no messages.",
        |scene| {
            let content = line(&[ID, METHOD, URL, r#""body":{"model":"m"}"#]);
            let message = "Messages parameter is required.";
            let error = entry("invalid_request", message, Some("body.messages"), Some(1));
            fails(scene, content, &[error])
        },
    ),
    chosen(
        "3.2/12-no-input",
        "And the bodies of other endpoints?",
        "`body.input` or `body.prompt`, in the same words.",
        |scene| {
            let url = r#""url":"/v1/embeddings""#;
            let content = line(&[ID, METHOD, url, r#""body":{"model":"m"}"#]);
            let message = "Input parameter is required.";
            let error = entry("invalid_request", message, Some("body.input"), Some(1));
            fails_at(scene, "/v1/embeddings", content, &[error])?;
            let url = r#""url":"/v1/completions""#;
            let content = line(&[ID, METHOD, url, r#""body":{"model":"m"}"#]);
            let message = "Prompt parameter is required.";
            let error = entry("invalid_request", message, Some("body.prompt"), Some(1));
            scene.forget_batch();
            fails_at(scene, "/v1/completions", content, &[error])
        },
    ),
    reported(
        "3.2/13-unknown-model",
        "Nobody serves the model.",
        |scene| fails(scene, chat("x", "unheard-of", ""), &[unknown_model("unheard-of", 1)]),
    ),
    reported(
        "3.2/14-second-model",
        "A file names one model: `mismatched_model` for the lines that name another.",
        |scene| {
            let content = [chat("x", "m", ""), chat("y", "n", "")];
            let code = "mismatched_model";
            let error = entry(code, TOO_MANY_MODELS, Some("body.model"), Some(2));
            fails(scene, content.join("\n"), &[error])
        },
    )
    .on(&SINGLE_MODEL),
    reported(
        "3.2/14-mixed-models",
        "A file that names two models fails.",
        |scene| {
            scene.upload(format!("{}\n{}\n", chat("x", "m", ""), chat("y", "n", "")))?;
            scene.create()?;
            let usage = r#"{"input_tokens":6,"output_tokens":4,"total_tokens":10,"input_tokens_details":{"cached_tokens":2},"output_tokens_details":{"reasoning_tokens":2}}"#;
            let batch = completed()
                .with("model", "null")
                .with("output_file_id", "\"«file o»\"")
                .with("request_counts", counts(2, 2, 0))
                .with("usage", usage);
            scene.becomes("completed", &batch)
        },
    )
    .differs(
        "By default a file may name several models: they run side by side, and the batch's `model` \
         is null. `limits.single_model = true` refuses them as the service does.",
    ),
    reported(
        "3.2/15-streaming",
        "The body asks for a stream.",
        |scene| {
            let body = r#""body":{"model":"m","messages":[],"stream":true}"#;
            let message = "Chat Completions: Streaming is not supported in the Batch API.";
            let error = entry("streaming_unsupported", message, Some("body.stream"), Some(1));
            fails(scene, line(&[ID, METHOD, URL, body]), &[error])
        },
    ),
    chosen(
        "3.2/15-not-streaming",
        "May a body say `stream: false`?",
        "Yes.",
        |scene| {
            let body = r#""body":{"model":"m","messages":[],"stream":false}"#;
            scene.upload(line(&[ID, METHOD, URL, body]))?;
            scene.create()?;
            let batch = completed()
                .with("output_file_id", "\"«file o»\"")
                .with("request_counts", counts(1, 1, 0))
                .with("usage", CHAT_USAGE);
            scene.becomes("completed", &batch)
        },
    ),
    reported(
        "3.2/17-enqueued-tokens",
        "A quota of enqueued tokens makes a batch fail with `token_limit_exceeded`.",
        |scene| {
            scene.upload(good("x"))?;
            scene.create()?;
            let batch = completed()
                .with("errors", "null")
                .with("output_file_id", "\"«file o»\"")
                .with("request_counts", counts(1, 1, 0))
                .with("usage", CHAT_USAGE);
            scene.becomes("completed", &batch)
        },
    )
    .differs("Never sent: no quota of tokens is kept. Shown with a batch that is taken and completed."),
    chosen(
        "3.2/bounded",
        "How long can the list of errors get?",
        "1,000 entries and 1 MiB; the last entry says how many more there are. Values are quoted \
         up to 200 characters.",
        |scene| {
            let mut lines = vec![chat("x", &"u".repeat(201), "")];
            lines.extend((1..1100).map(|_| "hello".to_owned()));
            let mut entries = vec![unknown_model(&"u".repeat(200), 1)];
            entries.extend((2..1000).map(not_json));
            let message = "101 more lines have errors, which are not listed here.";
            entries.push(entry("invalid_request", message, None, None));
            scene.upload(lines.join("\n"))?;
            scene.create()?;
            let batch = crate::object::failed(&entries);
            let told = "a Batch with 1,000 errors, the last of which is \
                        `101 more lines have errors, which are not listed here.`";
            scene.becomes_shown("failed", &batch, told)
        },
    ),
    recorded(
        "3.2/list-shape",
        "`errors` is `{\"object\":\"list\",\"data\":[...]}`; an entry has `code`, `message`, \
         `param`, `line`, in this order.",
        |scene| fails(scene, format!("{}\nhello", good("x")), &[not_json(2)]),
    ),
];

fn missing(key: &str, line: u64) -> String {
    let message = format!("Missing required parameter: '{key}'.");
    entry(
        "missing_required_parameter",
        &message,
        Some(key),
        Some(line),
    )
}

fn wrong_type(key: &str, expected: &str, got: &str, line: u64) -> String {
    let message = format!("Invalid type for '{key}': expected {expected}, but got {got} instead.");
    entry("invalid_type", &message, Some(key), Some(line))
}

fn duplicate(custom_id: &str, line: u64) -> String {
    let message = format!(
        "The custom_id '{custom_id}' for this request is a duplicate of another request. The \
         custom_id parameter must be unique for each request in a batch."
    );
    entry(
        "duplicate_custom_id",
        &message,
        Some("custom_id"),
        Some(line),
    )
}

fn unknown_model(model: &str, line: u64) -> String {
    let message = format!("The provided model '{model}' is not supported by the Batch API.");
    entry("model_not_found", &message, Some("body.model"), Some(line))
}
