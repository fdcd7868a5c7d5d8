//! The lines of batches.

use http::Method;
use serde_json::{Value, json};

use super::batches::of_one;
use super::operation::Operation;
use super::schema::{count, flag, kind, list, named, object, or_null, text, within, word};
use crate::lines::{GROUPS_MAX, PAGE_MAX};
use crate::wire::line::LineStatus;

const LINE: std::ops::RangeInclusive<u64> = 1..=u32::MAX as u64;

/// What may be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![failures(), lines(), line()]
}

/// The shapes of the answers.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("BatchLine", line_object()),
        ("BatchLinePage", page()),
        ("BatchWholeLine", whole_line()),
        ("FailureGroup", group()),
        ("FailureGroups", groups()),
    ]
}

fn failures() -> Operation {
    of_one(
        Method::GET,
        "/v1/batches/{id}/failures",
        "batchFailures",
        "Why lines failed, grouped by cause; also while the batch runs. Not part of OpenAI's API.",
    )
    .answers(
        "The causes, the most frequent first.",
        &named("FailureGroups"),
    )
}

fn lines() -> Operation {
    let status = word(
        LineStatus::ALL.map(LineStatus::as_str),
        "Only lines of which this became.",
    );
    of_one(
        Method::GET,
        "/v1/batches/{id}/lines",
        "batchLines",
        "Lists lines by their numbers, or looks one up. Not part of OpenAI's API.",
    )
    .in_query("custom_id", &text("Only the line with this `custom_id`."))
    .in_query("line", &within(&LINE, "Only the line with this number."))
    .in_query("status", &status)
    .in_query("signature", &text("Only failed lines with this cause."))
    .in_query(
        "after",
        &within(
            &(0..=u64::from(u32::MAX)),
            "The page begins behind this line.",
        ),
    )
    .in_query(
        "limit",
        &within(&(1..=PAGE_MAX), "How many at most; 100 by default."),
    )
    .answers("A page of lines.", &named("BatchLinePage"))
}

fn line() -> Operation {
    of_one(
        Method::GET,
        "/v1/batches/{id}/lines/{number}",
        "batchLine",
        "Shows a line with its request and its result. Not part of OpenAI's API.",
    )
    .also_in_path(
        "number",
        &within(&LINE, "The physical number of the line, from 1."),
    )
    .answers("The line.", &named("BatchWholeLine"))
}

fn keys() -> [(&'static str, Value); 10] {
    [
        ("object", kind("batch.line")),
        (
            "line",
            count("The physical number of the input line, from 1."),
        ),
        (
            "custom_id",
            or_null(text("Its `custom_id`, as far as it can be read.")),
        ),
        (
            "status",
            word(
                LineStatus::ALL.map(LineStatus::as_str),
                "`failed` is every line of the error file, also one that never ran.",
            ),
        ),
        ("status_code", or_null(count("The status of the answer."))),
        ("attempts", or_null(count("How many attempts were made."))),
        (
            "milliseconds",
            or_null(count("How long the last one took.")),
        ),
        ("input_tokens", or_null(count("Tokens of the request."))),
        ("output_tokens", or_null(count("Tokens of the answer."))),
        (
            "preview",
            or_null(text("The start of the answer's text, or of its error.")),
        ),
    ]
}

fn line_object() -> Value {
    object("A line of a batch.", keys())
}

fn whole_line() -> Value {
    let any = |about: &str| json!({"type": ["object", "null"], "description": about});
    let [
        object_,
        line,
        custom_id,
        status,
        status_code,
        attempts,
        milliseconds,
        input,
        output,
        preview,
    ] = keys();
    object(
        "A line of a batch with its request and its result.",
        [
            object_,
            line,
            custom_id,
            status,
            status_code,
            attempts,
            milliseconds,
            input,
            output,
            preview,
            (
                "request",
                any("The input line; `null` when its file is gone, or it has over 1 MiB."),
            ),
            ("request_bytes", or_null(count("How many bytes it has."))),
            (
                "result",
                any("The result line; `null` when there is none (any more), or it has over 1 MiB."),
            ),
            ("result_bytes", or_null(count("How many bytes it has."))),
        ],
    )
}

fn page() -> Value {
    object(
        "A page of lines.",
        [
            ("object", kind("list")),
            ("data", list(&named("BatchLine"), "By their numbers.")),
            ("has_more", flag("Whether more follow.")),
        ],
    )
}

fn group() -> Value {
    object(
        "The failed lines with one cause.",
        [
            ("object", kind("batch.failure_group")),
            (
                "signature",
                text(
                    "The name of the cause: the status or code, and the message without what varies.",
                ),
            ),
            ("code", or_null(text("The word for a program."))),
            ("status_code", or_null(count("The status of the answers."))),
            ("count", count("How many lines.")),
            ("first_line", or_null(count("The lowest of their numbers."))),
            ("sample", text("The message of that line.")),
            ("hint", or_null(text("What may be done about it."))),
            (
                "retryable",
                flag("Whether the same requests may have another outcome."),
            ),
        ],
    )
}

fn groups() -> Value {
    let about = format!("At most {GROUPS_MAX}, then one for all others together.");
    object(
        "Why lines failed.",
        [
            ("object", kind("list")),
            ("data", list(&named("FailureGroup"), &about)),
            ("total", count("How many lines failed.")),
        ],
    )
}
