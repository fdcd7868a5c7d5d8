//! What several rooms of the surface use: errors, headers, keys, parameters.

use serde_json::{Map, Value, json};

use super::schema::{named, object, or_null, request, text, within, word};
use crate::auth::Access;
use crate::once::KEY_CHARS_MAX;
use crate::params::EXPIRY_SECONDS;

/// The statuses of errors, and when they are sent.
const ERRORS: [(u16, &str); 10] = [
    (400, "The request is wrong; the message says what."),
    (
        401,
        "The request shows no API key, or one that is not known.",
    ),
    (
        403,
        "The role of the API key does not allow this; or, on a server without keys, a browser asks \
         for a page of another site.",
    ),
    (404, "There is no such object in the caller's project."),
    (
        409,
        "The object is in a state that forbids this; sending it again does not help.",
    ),
    (413, "The body is larger than a limit."),
    (
        416,
        "The file has no such bytes; `content-range` says how many it has.",
    ),
    (
        431,
        "The path and the headers of the request are larger than a limit.",
    ),
    (
        500,
        "The server is at fault; the message has the id of the request.",
    ),
    (
        503,
        "It cannot be done now; `retry-after` says when to try again.",
    ),
];

pub(super) fn schemas() -> [(&'static str, Value); 3] {
    let body = object(
        "What is wrong.",
        [
            ("message", text("A sentence for a person.")),
            (
                "type",
                word(
                    ["invalid_request_error", "server_error"],
                    "Whose fault it is.",
                ),
            ),
            ("param", or_null(text("The parameter that it is about."))),
            ("code", or_null(text("A word for a program."))),
        ],
    );
    let mut error = object("The envelope of every error.", [("error", body)]);
    if let Some(Value::Object(properties)) = error.get_mut("properties") {
        let copy = object(
            "A copy of the error, which the Files API alone sends.",
            [
                ("message", text("The same sentence.")),
                ("code", or_null(text("The same word."))),
            ],
        );
        properties.insert("detail".to_owned(), copy);
    }
    let error_entry = object(
        "What is wrong with the input file, or with one of its lines.",
        [
            ("code", text("A word for a program.")),
            ("message", text("What is wrong and what to do.")),
            ("param", or_null(text("The key that it is about."))),
            (
                "line",
                or_null(within(
                    &(1..=u64::MAX >> 1),
                    "The physical line of the input file, from 1; `null` for the whole file.",
                )),
            ),
        ],
    );
    [
        ("Error", error),
        ("BatchError", error_entry),
        ("ExpiresAfter", expires_after()),
    ]
}

fn expires_after() -> Value {
    request(
        "When a file is deleted by itself.",
        2,
        [
            (
                "anchor",
                word(
                    ["created_at"],
                    "From when on: from the creation of the file.",
                ),
            ),
            (
                "seconds",
                within(&EXPIRY_SECONDS, "After how many seconds."),
            ),
        ],
    )
}

/// The answers that are errors, by the names that operations use.
pub(super) fn responses() -> Map<String, Value> {
    ERRORS
        .into_iter()
        .map(|(status, about)| {
            let response = json!({
                "description": about,
                "headers": error_headers(status),
                "content": {"application/json": {"schema": named("Error")}},
            });
            (format!("Error{status}"), response)
        })
        .collect()
}

fn error_headers(status: u16) -> Value {
    let mut headers = json!({"x-request-id": {"$ref": "#/components/headers/RequestId"}});
    let more = match status {
        401 => Some(("www-authenticate", header(true, &text("What to show.")))),
        409 => Some((
            "x-should-retry",
            header(true, &word(["false"], "Clients must not send it again.")),
        )),
        416 => Some((
            "content-range",
            header(true, &text("`bytes */` and the size of the file.")),
        )),
        503 => Some((
            "retry-after",
            header(true, &within(&(1..=60), "Seconds to wait.")),
        )),
        _ => None,
    };
    if let (Value::Object(headers), Some((name, header))) = (&mut headers, more) {
        headers.insert(name.to_owned(), header);
    }
    headers
}

/// A header of an answer.
pub(super) fn header(is_required: bool, schema: &Value) -> Value {
    json!({"required": is_required, "schema": schema})
}

pub(super) fn headers() -> Value {
    let id = json!({
        "type": "string",
        "pattern": "^req_[0-9a-f]{32}$",
        "description": "The id of the request, as the server's log names it.",
    });
    let replayed = word(["true"], "The answer is the first one under this key.");
    json!({"RequestId": header(true, &id), "Replayed": header(false, &replayed)})
}

pub(super) fn parameters() -> Value {
    json!({
        "IdempotencyKey": {
            "in": "header",
            "name": "Idempotency-Key",
            "description": "A name for this request. The same request under the same name is \
                            answered like the first one for a day, and creates nothing; another \
                            one is refused.",
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": KEY_CHARS_MAX,
                "pattern": r"^[!-~]([\t -~]*[!-~])?$",
            },
        },
    })
}

/// Any one of the schemes, where there are keys; else none is needed.
pub(super) fn security(access: &Access) -> Value {
    match access {
        Access::Keys(_) => json!([{"bearer": []}, {"basic": []}, {"apiKey": []}]),
        Access::Open(_) => optional_key(),
    }
}

/// Any one of the schemes, or none.
pub(super) fn optional_key() -> Value {
    json!([{"bearer": []}, {"basic": []}, {"apiKey": []}, {}])
}

pub(super) fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key of this server, where it has any.",
        },
        "basic": {
            "type": "http",
            "scheme": "basic",
            "description": "The API key as the password; the user name is not looked at.",
        },
        "apiKey": {
            "type": "apiKey",
            "in": "header",
            "name": "api-key",
            "description": "The API key by itself; `Authorization` counts if both are there.",
        },
    })
}
