//! Uploads: files that come in parts.

use http::Method;
use overnight_core::upload::PARTS_MAX;
use serde_json::{Value, json};

use super::Chapter;
use super::operation::Operation;
use super::schema::{
    at_most, count, kind, named, object, or_null, request, text, time, within, word,
};
use crate::settings::ApiSettings;
use crate::uploads::create::FILENAME_CHARS_MAX;

pub(super) fn chapter(settings: &ApiSettings) -> Chapter {
    Chapter {
        tag: "Uploads",
        about: "Files that come in parts, in any order and several at a time.",
        operations: vec![
            create(),
            add_part(settings),
            complete(),
            of_one(
                "/v1/uploads/{id}/cancel",
                "cancelUpload",
                "Gives an upload up. Its parts are deleted.",
            )
            .answers("The upload, cancelled.", &named("Upload"))
            .refuses([400, 404]),
        ],
        schemas: vec![
            ("Upload", upload()),
            ("UploadPart", part()),
            ("CreateUpload", create_upload(settings)),
            ("CompleteUpload", complete_upload()),
        ],
    }
}

fn of_one(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::POST, path, id, summary).in_path(&text("The id of the upload."))
}

fn create() -> Operation {
    Operation::new(
        Method::POST,
        "/v1/uploads",
        "createUpload",
        "Creates an upload, to be completed within the hour.",
    )
    .takes("IdempotencyKey")
    .body("application/json", &named("CreateUpload"))
    .answers("The upload.", &named("Upload"))
    .with_header(200, "idempotent-replayed", &header_replayed())
    .refuses([400, 413])
}

/// Where the header is described.
fn header_replayed() -> Value {
    json!({"$ref": "#/components/headers/Replayed"})
}

fn add_part(settings: &ApiSettings) -> Operation {
    let form = json!({
        "type": "object",
        "required": ["data"],
        "properties": {"data": {
            "type": "string",
            "minLength": 1,
            "contentMediaType": "application/octet-stream",
            "description": format!("The bytes, {}.", at_most(settings.part_bytes_max)),
        }},
    });
    of_one(
        "/v1/uploads/{id}/parts",
        "addUploadPart",
        "Adds a part to an upload.",
    )
    .body("multipart/form-data", &form)
    .answers("The part.", &named("UploadPart"))
    .refuses([400, 404, 413])
}

fn complete() -> Operation {
    of_one(
        "/v1/uploads/{id}/complete",
        "completeUpload",
        "Makes a file of the parts of an upload.",
    )
    .body("application/json", &named("CompleteUpload"))
    .answers("The upload with its file.", &named("Upload"))
    .refuses([400, 404, 413])
}

fn upload() -> Value {
    let status = ["pending", "completed", "cancelled", "expired"];
    let mut upload = object(
        "A file that comes in parts.",
        [
            ("id", text("Its id.")),
            ("object", kind("upload")),
            ("bytes", count("How many bytes the file is to have.")),
            ("created_at", time("When it was created.")),
            ("filename", text("The name of the file.")),
            ("purpose", named("UploadPurpose")),
            ("status", word(status, "Where it is in its life.")),
            ("expires_at", time("Until when it may be completed.")),
        ],
    );
    if let Some(Value::Object(properties)) = upload.get_mut("properties") {
        properties.insert("file".to_owned(), named("File"));
    }
    upload
}

fn part() -> Value {
    object(
        "A part of an upload.",
        [
            ("id", text("Its id, by which completing names it.")),
            ("object", kind("upload.part")),
            ("created_at", time("When it came.")),
            ("upload_id", text("The id of the upload.")),
        ],
    )
}

fn create_upload(settings: &ApiSettings) -> Value {
    let filename = json!({
        "type": "string",
        "minLength": 1,
        "maxLength": FILENAME_CHARS_MAX,
        "description": "The name of the file.",
    });
    let bytes = within(
        &(1..=settings.multipart_bytes_max),
        "How many bytes the parts will have together.",
    );
    request(
        "What the file is to be.",
        4,
        [
            ("bytes", bytes),
            ("filename", filename),
            ("mime_type", text("Of the file; nothing depends on it.")),
            ("purpose", named("UploadPurpose")),
            ("expires_after", or_null(named("ExpiresAfter"))),
        ],
    )
}

fn complete_upload() -> Value {
    let part_ids = json!({
        "type": "array",
        "minItems": 1,
        "maxItems": PARTS_MAX,
        "uniqueItems": true,
        "items": {"type": "string"},
        "description": "The ids of the parts in the order of the file's bytes.",
    });
    let md5 = json!({
        "type": ["string", "null"],
        "pattern": "^[0-9a-fA-F]{32}$",
        "description": "What the file's bytes should be.",
    });
    request(
        "The order of the parts.",
        1,
        [("part_ids", part_ids), ("md5", md5)],
    )
}
