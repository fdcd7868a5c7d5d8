//! Files.

use http::Method;
use overnight_core::file::Purpose;
use serde_json::{Value, json};

use super::Chapter;
use super::operation::Operation;
use super::schema::{
    at_most, count, flag, kind, list, named, object, or_null, text, time, within, word,
};
use super::shared::header;
use crate::files::PAGE_MAX;
use crate::params::EXPIRY_SECONDS;
use crate::settings::ApiSettings;

const BYTES: &str = "application/octet-stream";

pub(super) fn chapter(settings: &ApiSettings) -> Chapter {
    Chapter {
        tag: "Files",
        about: "The inputs of batches and their results.",
        operations: vec![
            list_files(),
            upload(settings),
            one(Method::GET, "retrieveFile", "Shows a file.").answers("The file.", &named("File")),
            one(
                Method::DELETE,
                "deleteFile",
                "Deletes a file. A batch that runs keeps its input.",
            )
            .answers("It is gone.", &named("FileDeleted")),
            content(),
        ],
        schemas: vec![
            ("File", file()),
            ("FilePage", page()),
            ("FileDeleted", deleted()),
            ("UploadPurpose", upload_purpose()),
        ],
    }
}

fn one(method: Method, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(method, "/v1/files/{id}", id, summary)
        .in_path(&text("The id of the file."))
        .refuses([404])
}

fn list_files() -> Operation {
    let after = text("The id of a file: the page begins behind it.");
    let limit = within(&(1..=PAGE_MAX), "How many at most; 10,000 by default.");
    let order = word(["asc", "desc"], "By their creation; `desc` by default.");
    let purpose = text("Only files of this purpose.");
    Operation::new(Method::GET, "/v1/files", "listFiles", "Lists files.")
        .in_query("purpose", &purpose)
        .in_query("limit", &limit)
        .in_query("order", &order)
        .in_query("after", &after)
        .answers("A page of files.", &named("FilePage"))
        .refuses([400, 404])
}

fn upload(settings: &ApiSettings) -> Operation {
    let file = json!({
        "type": "string",
        "contentMediaType": BYTES,
        "description": format!(
            "The bytes, with a file name; {}. The input of a batch is JSON lines \
             in UTF-8, and its name ends in `.jsonl` or has no ending.",
            at_most(settings.upload_bytes_max)
        ),
    });
    let form = json!({
        "type": "object",
        "required": ["file", "purpose"],
        "properties": {
            "file": file,
            "purpose": named("UploadPurpose"),
            "expires_after[anchor]": word(["created_at"], "Needed with the seconds."),
            "expires_after[seconds]": within(
                &EXPIRY_SECONDS,
                "When the file is deleted by itself; the input of a batch after 30 days unless \
                 this says otherwise, other files never.",
            ),
            "expires_after": named("ExpiresAfter"),
        },
    });
    Operation::new(
        Method::POST,
        "/v1/files",
        "createFile",
        "Uploads a file. The parts of the form may come in any order.",
    )
    .body("multipart/form-data", &form)
    .answers("The file.", &named("File"))
    .refuses([400, 413])
}

fn content() -> Operation {
    let bytes = json!({"type": "string", "contentMediaType": BYTES});
    let etag = header(
        true,
        &text("The id of the file, quoted: its bytes never change."),
    );
    let ranges = header(true, &word(["bytes"], "Ranges are served."));
    let disposition = header(true, &text("The name of the file."));
    let part = header(
        true,
        &text("Which bytes these are, and how many there are."),
    );
    let range = json!({
        "in": "header",
        "name": "Range",
        "schema": text("One range of bytes. Other forms are answered with the whole file."),
    });
    Operation::new(
        Method::GET,
        "/v1/files/{id}/content",
        "downloadFile",
        "The bytes of a file of purpose `batch` or `batch_output`.",
    )
    .in_path(&text("The id of the file."))
    .parameter(range)
    .answers_with(200, "The bytes.", BYTES, &bytes)
    .answers_with(206, "The bytes of the range.", BYTES, &bytes)
    .with_header(200, "etag", &etag)
    .with_header(200, "accept-ranges", &ranges)
    .with_header(200, "content-disposition", &disposition)
    .with_header(206, "etag", &etag)
    .with_header(206, "content-range", &part)
    .refuses([400, 404, 416])
}

/// Also a part of an upload that was completed.
fn file() -> Value {
    let uploaded = Purpose::UPLOADED.map(Purpose::as_str);
    let purposes = uploaded.into_iter().chain([Purpose::BatchOutput.as_str()]);
    let expires_at = time("When it is deleted by itself; `null` for never.");
    object(
        "A file.",
        [
            ("object", kind("file")),
            ("id", text("Its id.")),
            ("purpose", word(purposes, "What it is for.")),
            ("filename", text("Its name, without folders.")),
            ("bytes", count("Its size in bytes.")),
            ("created_at", time("When it was created.")),
            ("expires_at", or_null(expires_at)),
            ("status", word(["processed"], "It can be used.")),
            ("status_details", or_null(text("Deprecated, and unset."))),
        ],
    )
}

fn page() -> Value {
    object(
        "A page of files.",
        [
            ("object", kind("list")),
            ("data", list(&named("File"), "The files.")),
            ("has_more", flag("Whether more follow.")),
            ("first_id", or_null(text("The id of the first one."))),
            (
                "last_id",
                or_null(text("The id of the last one, the next page's `after`.")),
            ),
        ],
    )
}

fn deleted() -> Value {
    object(
        "That a file is gone.",
        [
            ("object", kind("file")),
            ("deleted", json!({"type": "boolean", "enum": [true]})),
            ("id", text("Its id.")),
        ],
    )
}

fn upload_purpose() -> Value {
    let purposes = Purpose::UPLOADED.map(Purpose::as_str);
    word(purposes, "What the file is for.")
}
