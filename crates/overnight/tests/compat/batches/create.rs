//! `POST /v1/batches`.

use super::request_with;
use crate::files::one_line;
use crate::golden::{Golden, Refusal};
use crate::object::{Object, batch, batch_answer, failed};
use crate::request::{Form, post_json};
use crate::row::{Outcome, Row, chosen, documented, recorded, reported};
use crate::scene::Scene;
use crate::section::Section;

/// Section 2.1.
pub(crate) const CREATE: Section = Section {
    heading: "2.1 Creating a batch",
    rows: ROWS,
    fields: &["error.message", "error.type", "error.param", "error.code"],
};

const ROWS: &[Row] = &[
    recorded(
        "2.1/created",
        "A batch is created by three members, and answered 200 with the Batch object.",
        |scene| {
            scene.upload(one_line())?;
            create(scene, &request_with(""), &batch())
        },
    ),
    recorded("2.1/endpoints", "Eight endpoints are accepted.", |scene| {
        scene.upload(one_line())?;
        for (number, endpoint) in ENDPOINTS.into_iter().enumerate() {
            let json = format!(
                r#"{{"input_file_id":"«f»","endpoint":"{endpoint}","completion_window":"24h"}}"#
            );
            let object = batch()
                .with("id", format!("\"«batch b{number}»\""))
                .with("endpoint", format!("\"{endpoint}\""))
                .with("created_at", format!("«time c{number}»"))
                .with("expires_at", format!("«c{number} + 86400»"));
            create(scene, &json, &object)?;
        }
        Ok(())
    }),
    reported(
        "2.1/missing-parameter",
        "A missing member is refused by its name.",
        |scene| {
            let members = [
                (
                    "input_file_id",
                    r#"{"endpoint":"/v1/chat/completions","completion_window":"24h"}"#,
                ),
                (
                    "endpoint",
                    r#"{"input_file_id":"file-1","completion_window":"24h"}"#,
                ),
                (
                    "completion_window",
                    r#"{"input_file_id":"file-1","endpoint":"/v1/responses"}"#,
                ),
            ];
            for (param, json) in members {
                let message = format!("Missing required parameter: '{param}'.");
                let code = "missing_required_parameter";
                refuse(
                    scene,
                    json,
                    Refusal::new(400, &message).param(param).code(code),
                )?;
            }
            Ok(())
        },
    ),
    chosen(
        "2.1/wrong-type",
        "What is said about a member of another type?",
        "`invalid_type`, in the words of the live error about metadata.",
        |scene| {
            let json =
                r#"{"input_file_id":7,"endpoint":"/v1/responses","completion_window":"24h"}"#;
            let message = "Invalid type for 'input_file_id': expected a string, but got an integer \
                           instead.";
            let refusal = Refusal::new(400, message).param("input_file_id");
            refuse(scene, json, refusal.code("invalid_type"))
        },
    ),
    reported(
        "2.1/wrong-file-prefix",
        "An `input_file_id` that does not begin with `file` is refused at once.",
        |scene| {
            let json = request_with("").replace("«f»", "wrong-id");
            let message = "Invalid 'input_file_id': 'wrong-id'. Expected an ID that begins with \
                           'file'.";
            let refusal = Refusal::new(400, message).param("input_file_id");
            refuse(scene, &json, refusal.code("invalid_value"))
        },
    ),
    recorded(
        "2.1/wrong-endpoint",
        "Another endpoint is refused with the list of the known ones, in alphabetical order.",
        |scene| {
            let json = request_with("").replace("/v1/chat/completions", "/v1/invalid");
            let message = "Invalid value: '/v1/invalid'. Supported values are: \
                           '/v1/chat/completions', '/v1/completions', '/v1/embeddings', \
                           '/v1/images/edits', '/v1/images/generations', '/v1/moderations', \
                           '/v1/responses', and '/v1/videos'.";
            let refusal = Refusal::new(400, message).param("endpoint");
            refuse_over_file(scene, &json, refusal.code("invalid_value"))
        },
    ),
    reported(
        "2.1/wrong-window",
        "Another window than `24h` is refused.",
        |scene| {
            for window in ["1h", "48h", ""] {
                let json = request_with("").replace("24h", window);
                let message = format!("Invalid value: '{window}'. Supported values are: '24h'.");
                let refusal = Refusal::new(400, &message).param("completion_window");
                refuse_over_file(scene, &json, refusal.code("invalid_value"))?;
            }
            Ok(())
        },
    ),
    recorded(
        "2.1/metadata",
        "Metadata comes back as it was sent; left out or null, it is null.",
        |scene| {
            scene.upload(one_line())?;
            let metadata = r#"{"run":"eval 7","empty":""}"#;
            let object = batch().with("metadata", metadata);
            create(
                scene,
                &request_with(&format!(r#","metadata":{metadata}"#)),
                &object,
            )?;
            create(scene, &request_with(r#","metadata":null"#), &again())
        },
    ),
    recorded(
        "2.1/metadata-at-its-limits",
        "16 pairs, keys of 64 and values of 512 characters (not bytes) are accepted.",
        |scene| {
            scene.upload(one_line())?;
            let (key, value) = ("é".repeat(64), "漢".repeat(512));
            let more: Vec<_> = (1..16)
                .map(|number| format!(r#","k{number}":"""#))
                .collect();
            let more = more.concat();
            let metadata = format!(r#"{{"{key}":"{value}"{more}}}"#);
            let json = request_with(&format!(r#","metadata":{metadata}"#));
            let golden = batch_answer(&batch().with("metadata", metadata));
            let shown = "a Batch with the same `metadata`: 16 pairs, a key of 64 and a value of \
                         512 characters";
            scene.expect(&post_json("/v1/batches", json), &golden.shown(shown))
        },
    ),
    reported(
        "2.1/metadata-value-type",
        "A value of metadata that is not text is refused.",
        |scene| {
            let message = "Invalid type for 'metadata.tags': expected a string, but got an array \
                           instead.";
            let refusal = Refusal::new(400, message).param("metadata.tags");
            metadata(scene, r#"{"tags":["a"]}"#, refusal.code("invalid_type"))
        },
    ),
    reported(
        "2.1/metadata-type",
        "Metadata that is not an object is refused.",
        |scene| {
            let message = "Invalid type for 'metadata': expected a metadata object, but got a \
                           string instead.";
            let refusal = Refusal::new(400, message).param("metadata");
            metadata(scene, r#""a""#, refusal.code("invalid_type"))
        },
    ),
    reported(
        "2.1/metadata-pairs",
        "More than 16 pairs are refused.",
        |scene| {
            let pairs: Vec<_> = (0..17).map(|number| format!(r#""k{number}":"""#)).collect();
            let message = "Invalid 'metadata': too many properties. Expected an object with at \
                           most 16 properties, but got an object with 17 properties instead.";
            let refusal = Refusal::new(400, message).param("metadata");
            let code = "object_above_max_properties";
            metadata(
                scene,
                &format!("{{{}}}", pairs.join(",")),
                refusal.code(code),
            )
        },
    ),
    reported(
        "2.1/metadata-value-length",
        "A value of more than 512 characters is refused.",
        |scene| {
            let message = "Invalid 'metadata.k': string too long. Expected a string with maximum \
                           length 512, but got a string with length 513 instead.";
            let refusal = Refusal::new(400, message).param("metadata.k");
            let value = format!(r#"{{"k":"{}"}}"#, "漢".repeat(513));
            metadata(scene, &value, refusal.code("string_above_max_length"))
        },
    ),
    reported(
        "2.1/metadata-key-length",
        "A key of more than 64 characters is refused; the message shows its ends.",
        |scene| {
            let message = "Invalid property name in 'metadata': 'ééé...ééé' is too long. Expected \
                           a string with maximum length 64, but got a string with length 65 \
                           instead.";
            let refusal = Refusal::new(400, message).param("metadata");
            let value = format!(r#"{{"{}":"a"}}"#, "é".repeat(65));
            metadata(
                scene,
                &value,
                refusal.code("property_name_above_max_length"),
            )
        },
    ),
    recorded(
        "2.1/output-expires-after",
        "`output_expires_after` takes the anchor `created_at` and 3,600 to 2,592,000 seconds.",
        |scene| {
            scene.upload(one_line())?;
            for (number, seconds) in ["3600", "2592000"].into_iter().enumerate() {
                let more =
                    output_expiry(&format!(r#"{{"anchor":"created_at","seconds":{seconds}}}"#));
                let object = batch()
                    .with("id", format!("\"«batch b{number}»\""))
                    .with("created_at", format!("«time c{number}»"))
                    .with("expires_at", format!("«c{number} + 86400»"));
                create(scene, &more, &object)?;
            }
            Ok(())
        },
    ),
    chosen(
        "2.1/wrong-output-expires-after",
        "What is said about an `output_expires_after` that is wrong?",
        "The errors of other parameters, with the member's path as the param.",
        wrong_output_expiry,
    ),
    reported(
        "2.1/unknown-parameter",
        "A member that does not exist is refused.",
        |scene| {
            let refusal = Refusal::new(400, "Unknown parameter: 'x'.").param("x");
            refuse_over_file(
                scene,
                &request_with(r#","x":1"#),
                refusal.code("unknown_parameter"),
            )
        },
    ),
    chosen(
        "2.1/extensions",
        "Where do extensions of the request stand?",
        "Under one member, `overnight`; what is not known there is refused likewise.",
        |scene| {
            let refusal = Refusal::new(400, "Unknown parameter: 'overnight.x'.");
            let refusal = refusal.param("overnight.x").code("unknown_parameter");
            refuse_over_file(scene, &request_with(r#","overnight":{"x":1}"#), refusal)
        },
    ),
    chosen(
        "2.1/other-purpose",
        "What is said when the file is there for another purpose?",
        "400 with both purposes.",
        |scene| {
            let form = Form::default().field("purpose", "user_data");
            let answer = scene.prepare(&form.file("in.jsonl", one_line()).upload())?;
            scene.bind_member("f", &answer, "id")?;
            let message = "Input file '«f»' has purpose 'user_data', but must have purpose \
                           'batch'.";
            let refusal = Refusal::new(400, message).param("input_file_id");
            refuse(scene, &request_with(""), refusal)
        },
    ),
    reported(
        "2.1/missing-file",
        "A file that does not exist is no error of the request: the batch is created and fails.",
        |scene| {
            scene.known.bind("f", "file-0000000000000000000000");
            create(scene, &request_with(""), &batch())?;
            scene.becomes("failed", &failed(&[crate::input::missing_file()]))
        },
    ),
    documented(
        "2.1/creates-an-hour",
        "2,000 batches an hour may be created; more are answered 429.",
        |scene| {
            scene.upload(one_line())?;
            for _ in 0..MANY {
                scene.prepare(&post_json("/v1/batches", request_with("")))?;
            }
            create(scene, &request_with(""), &batch())
        },
    )
    .differs(
        "There is no limit that counts creates: what is too much waits, and none is answered 429. Shown with \
         the last of 50 in a row.",
    ),
    chosen(
        "2.1/duplicate-member",
        "Which of two members of one name counts?",
        "The last.",
        |scene| {
            scene.upload(one_line())?;
            let json = request_with("").replacen('{', r#"{"endpoint":"/v1/invalid","#, 1);
            create(scene, &json, &batch())
        },
    ),
];

/// Creates that come before the one that is looked at.
const MANY: usize = 49;

const ENDPOINTS: [&str; 8] = [
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/videos",
];

/// A second fresh batch.
fn again() -> Object {
    batch()
        .with("id", "\"«batch b2»\"")
        .with("created_at", "«time c2»")
        .with("expires_at", "«c2 + 86400»")
        .with("metadata", "null")
}

fn output_expiry(value: &str) -> String {
    request_with(&format!(r#","output_expires_after":{value}"#))
}

fn create(scene: &mut Scene<'_>, json: &str, object: &Object) -> Outcome {
    scene.expect(&post_json("/v1/batches", json), &batch_answer(object))
}

fn refuse(scene: &mut Scene<'_>, json: &str, refusal: Refusal<'_>) -> Outcome {
    let golden: Golden = refusal.golden();
    scene.expect(&post_json("/v1/batches", json), &golden)
}

/// The same where the file is fine.
fn refuse_over_file(scene: &mut Scene<'_>, json: &str, refusal: Refusal<'_>) -> Outcome {
    scene.upload(one_line())?;
    refuse(scene, json, refusal)
}

fn metadata(scene: &mut Scene<'_>, value: &str, refusal: Refusal<'_>) -> Outcome {
    refuse_over_file(
        scene,
        &request_with(&format!(r#","metadata":{value}"#)),
        refusal,
    )
}

fn wrong_output_expiry(scene: &mut Scene<'_>) -> Outcome {
    let cases = [
        (
            r#"{"anchor":"created_at"}"#,
            "output_expires_after.seconds",
            "missing_required_parameter",
            "Missing required parameter: 'output_expires_after.seconds'.",
        ),
        (
            r#"{"seconds":3600}"#,
            "output_expires_after.anchor",
            "missing_required_parameter",
            "Missing required parameter: 'output_expires_after.anchor'.",
        ),
        (
            r#"{"anchor":"created_at","seconds":3599}"#,
            "output_expires_after.seconds",
            "integer_below_min_value",
            "Invalid 'output_expires_after.seconds': integer below minimum value. Expected a value \
             >= 3600, but got 3599 instead.",
        ),
        (
            r#"{"anchor":"created_at","seconds":2592001}"#,
            "output_expires_after.seconds",
            "integer_above_max_value",
            "Invalid 'output_expires_after.seconds': integer above maximum value. Expected a value \
             <= 2592000, but got 2592001 instead.",
        ),
        (
            r#"{"anchor":"created_at","seconds":"3600"}"#,
            "output_expires_after.seconds",
            "invalid_type",
            "Invalid type for 'output_expires_after.seconds': expected an integer, but got a \
             string instead.",
        ),
    ];
    for (value, param, code, message) in cases {
        let refusal = Refusal::new(400, message).param(param).code(code);
        refuse_over_file(scene, &output_expiry(value), refusal)?;
    }
    Ok(())
}
