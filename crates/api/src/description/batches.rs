//! Batches, and what we add to them.

use http::Method;
use overnight_core::batch::Status;
use overnight_core::endpoint::ENDPOINTS;
use serde_json::{Value, json};

use super::operation::Operation;
use super::schema::{
    count, flag, kind, list, named, object, or_null, request, text, time, within, word,
};
use super::shared::header;
use super::{Chapter, lines, steering};
use crate::batches::PAGE_MAX;
use crate::batches::metadata::{KEY_CHARS_MAX, PAIRS_MAX, VALUE_CHARS_MAX};
use crate::batches::spec::FILE_ID_CHARS_MAX;
use crate::settings::ApiSettings;

const BYTES: &str = "application/octet-stream";

pub(super) fn chapter(settings: &ApiSettings) -> Chapter {
    let mut chapter = of_batches(settings);
    chapter.operations.extend(steering::operations());
    chapter.operations.extend(lines::operations());
    chapter.schemas.extend(steering::schemas());
    chapter.schemas.extend(lines::schemas());
    chapter
}

fn of_batches(settings: &ApiSettings) -> Chapter {
    Chapter {
        tag: "Batches",
        about: "Files of requests that are run against the upstreams.",
        operations: vec![
            create(),
            list_batches(),
            of_one(
                Method::GET,
                "/v1/batches/{id}",
                "retrieveBatch",
                "Shows a batch.",
            )
            .answers("The batch.", &named("Batch")),
            of_one(
                Method::POST,
                "/v1/batches/{id}/cancel",
                "cancelBatch",
                "Cancels a batch. Lines that are with an upstream may still end.",
            )
            .answers("The batch.", &named("Batch"))
            .refuses([409]),
            results(),
            of_one(
                Method::GET,
                "/v1/batches/{id}/progress",
                "batchProgress",
                "What a batch is doing, and why it waits. Not part of OpenAI's API.",
            )
            .answers("How it is getting on.", &named("BatchProgress")),
        ],
        schemas: vec![
            ("Batch", batch()),
            ("BatchPage", page()),
            ("BatchProgress", progress()),
            ("BatchStatus", status()),
            ("CreateBatch", create_batch(settings)),
            ("Endpoint", endpoint(settings)),
            ("Metadata", metadata()),
            ("RequestCounts", request_counts()),
            ("BatchUsage", usage()),
        ],
    }
}

/// An operation on one batch.
pub(super) fn of_one(
    method: Method,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Operation {
    let batch = json!({
        "type": "string",
        "pattern": "^batch",
        "description": "The id of the batch.",
    });
    Operation::new(method, path, id, summary)
        .in_path(&batch)
        .refuses([400, 404])
}

fn create() -> Operation {
    Operation::new(
        Method::POST,
        "/v1/batches",
        "createBatch",
        "Creates a batch over an uploaded file. What is wrong with the file makes the batch fail \
         later; `dry_run` tells it before, and creates nothing.",
    )
    .takes("IdempotencyKey")
    .body("application/json", &named("CreateBatch"))
    .answers(
        "The batch; or, of a dry run, what would become of it.",
        &json!({"anyOf": [named("Batch"), named("BatchDryRun")]}),
    )
    .with_header(
        200,
        "idempotent-replayed",
        &json!({"$ref": "#/components/headers/Replayed"}),
    )
    .refuses([400, 413])
}

fn list_batches() -> Operation {
    let after = json!({
        "type": "string",
        "pattern": "^batch",
        "description": "The id of a batch: the page begins behind it.",
    });
    let limit = within(
        &(0..=PAGE_MAX),
        "How many at most; 20 by default. A page of 0 says that nothing follows.",
    );
    Operation::new(
        Method::GET,
        "/v1/batches",
        "listBatches",
        "Lists batches, newest first.",
    )
    .in_query("after", &after)
    .in_query("limit", &limit)
    .in_query(
        "status",
        &text(
            "Only batches of these statuses, with commas between them. Not part of OpenAI's API.",
        ),
    )
    .in_query(
        "search",
        &text(
            "Only batches with this text in their id, a value of their metadata, or the name of \
             their input file; ASCII letters in any case. Not part of OpenAI's API.",
        ),
    )
    .answers("A page of batches.", &named("BatchPage"))
    .refuses([400, 404])
}

fn results() -> Operation {
    let file = word(["output", "error"], "Which file; `output` by default.");
    let offset = within(
        &(0..=u64::MAX >> 1),
        "From which byte on; 0 by default. It stays valid whatever becomes of the batch.",
    );
    let next = header(true, &count("From which byte to ask next."));
    let status = header(
        true,
        &json!({
            "allOf": [named("BatchStatus")],
            "description": "The batch's status before the bytes were looked up: an empty answer \
                            with a status that is final is the end.",
        }),
    );
    of_one(
        Method::GET,
        "/v1/batches/{id}/results",
        "batchResults",
        "The result lines of a batch as they are recorded, also while it runs. Not part of \
         OpenAI's API.",
    )
    .in_query("file", &file)
    .in_query("offset", &offset)
    .answers_with(
        200,
        "What is recorded from there on.",
        BYTES,
        &json!({"type": "string", "contentMediaType": BYTES}),
    )
    .with_header(200, "x-overnight-next-offset", &next)
    .with_header(200, "x-overnight-status", &status)
}

fn status() -> Value {
    word(Status::ALL.map(Status::as_str), "Where it is in its life.")
}

fn endpoint(settings: &ApiSettings) -> Value {
    let extras = settings.extra_endpoints.iter().map(String::as_str);
    word(
        ENDPOINTS.into_iter().chain(extras),
        "The path that all lines use.",
    )
}

/// The windows that may be asked for. A batch may have been created under other settings, so its own
/// window is any text.
fn window(settings: &ApiSettings) -> Value {
    let windows = settings.windows.keys().map(String::as_str);
    word(windows, "Within which time it is to end.")
}

fn batch() -> Value {
    let window = "Within which time it is to end, such as `24h`.";
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
        "A batch.",
        [
            ("id", text("Its id.")),
            ("object", kind("batch")),
            ("endpoint", text("The path that all lines use.")),
            (
                "model",
                or_null(text(
                    "The model of all lines, once it is known; `null` for several.",
                )),
            ),
            ("errors", or_null(errors)),
            ("input_file_id", text("The id of the file with its lines.")),
            ("completion_window", text(window)),
            ("status", named("BatchStatus")),
            (
                "output_file_id",
                or_null(text("Where the answers are, once it has ended.")),
            ),
            (
                "error_file_id",
                or_null(text("Where the errors are, once it has ended.")),
            ),
            ("created_at", time("When it was created.")),
            (
                "in_progress_at",
                or_null(time("When its first line could be sent.")),
            ),
            ("expires_at", time("When it ends whatever is left of it.")),
            (
                "finalizing_at",
                or_null(time("When nothing more was to be sent.")),
            ),
            ("completed_at", or_null(time("When it was completed."))),
            ("failed_at", or_null(time("When its input was refused."))),
            ("expired_at", or_null(time("When it had expired."))),
            (
                "cancelling_at",
                or_null(time("When somebody cancelled it.")),
            ),
            ("cancelled_at", or_null(time("When it was cancelled."))),
            ("request_counts", named("RequestCounts")),
            ("usage", named("BatchUsage")),
            ("metadata", or_null(named("Metadata"))),
        ],
    )
}

fn page() -> Value {
    object(
        "A page of batches.",
        [
            ("object", kind("list")),
            ("data", list(&named("Batch"), "The batches.")),
            ("first_id", or_null(text("The id of the first one."))),
            (
                "last_id",
                or_null(text("The id of the last one, the next page's `after`.")),
            ),
            ("has_more", flag("Whether more follow.")),
        ],
    )
}

fn request_counts() -> Value {
    object(
        "How many lines there are and how many ended. Lines that never ran because of a cancel or \
         the deadline are in neither count.",
        [
            ("total", count("All lines; 0 until they were checked.")),
            ("completed", count("Lines that were answered well.")),
            ("failed", count("Lines that ended with an error.")),
        ],
    )
}

fn usage() -> Value {
    let cached = object("Of them.", [("cached_tokens", count("From a cache."))]);
    let reasoning = object("Of them.", [("reasoning_tokens", count("Of reasoning."))]);
    object(
        "The tokens of all lines that were answered well so far.",
        [
            ("input_tokens", count("What went in.")),
            ("output_tokens", count("What came out.")),
            ("total_tokens", count("Both.")),
            ("input_tokens_details", cached),
            ("output_tokens_details", reasoning),
        ],
    )
}

fn progress() -> Value {
    let speed = steering::rate("How many lines end in a second.");
    let [
        tokens,
        range,
        limit,
        limited_by,
        latency,
        paused,
        parent,
        children,
        history,
    ] = steering::pace();
    object(
        "What a batch is doing, brought up to date once a second.",
        [
            ("object", kind("batch.progress")),
            ("batch_id", text("The id of the batch.")),
            ("status", named("BatchStatus")),
            ("request_counts", named("RequestCounts")),
            ("in_flight", count("Lines that are with an upstream.")),
            ("retrying", count("Lines that wait to be sent again.")),
            ("lines_per_second", speed),
            (
                "eta_seconds",
                or_null(count("After how many seconds it should end.")),
            ),
            (
                "reason",
                or_null(text("Why it waits; `null` while it moves.")),
            ),
            tokens,
            range,
            limit,
            limited_by,
            latency,
            paused,
            parent,
            children,
            history,
            ("updated_at", or_null(time("When this was true."))),
        ],
    )
}

fn metadata() -> Value {
    json!({
        "type": "object",
        "description": "Pairs of text that are kept with an object.",
        "maxProperties": PAIRS_MAX,
        "propertyNames": {"type": "string", "maxLength": KEY_CHARS_MAX},
        "additionalProperties": {"type": "string", "maxLength": VALUE_CHARS_MAX},
    })
}

fn create_batch(settings: &ApiSettings) -> Value {
    let input_file_id = json!({
        "type": "string",
        "pattern": "^file",
        "maxLength": FILE_ID_CHARS_MAX,
        "description": "The id of an uploaded file of purpose `batch`.",
    });
    let dry_run = "Check the file and answer what would become of the batch, but do not create it.";
    let overnight = json!({
        "type": ["object", "null"],
        "properties": {"dry_run": flag(dry_run)},
        "additionalProperties": false,
        "description": "What goes beyond OpenAI's API stands under this key.",
    });
    request(
        "What to run.",
        3,
        [
            ("input_file_id", input_file_id),
            ("endpoint", named("Endpoint")),
            ("completion_window", window(settings)),
            ("metadata", or_null(named("Metadata"))),
            ("output_expires_after", or_null(named("ExpiresAfter"))),
            ("overnight", overnight),
        ],
    )
}
