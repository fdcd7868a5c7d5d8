//! The Uploads API: files that come in parts.

use crate::files::{LINE, one_line};
use crate::golden::{Golden, Refusal, bytes, download, files_json};
use crate::object::{Object, file};
use crate::request::{Body, Form, Long, Request, get, post, post_json};
use crate::row::{Outcome, Row, chosen, recorded};
use crate::scene::Scene;
use crate::section::Section;
use crate::stage::BRIEF_UPLOADS;

/// Section 5.
pub(crate) const UPLOADS: Section = Section {
    heading: "5 Files in parts",
    rows: ROWS,
    fields: &[
        "id",
        "object",
        "bytes",
        "created_at",
        "filename",
        "purpose",
        "status",
        "expires_at",
        "file",
        "file.object",
        "file.id",
        "file.purpose",
        "file.filename",
        "file.bytes",
        "file.created_at",
        "file.expires_at",
        "file.status",
        "file.status_details",
        "upload_id",
        "error.message",
        "error.param",
        "error.code",
    ],
};

const ROWS: &[Row] = &[
    recorded(
        "5/create",
        "An upload is created by `bytes`, `filename`, `mime_type` and `purpose`: the Upload object \
         has eight keys, and no `file` while it is pending.",
        |scene| scene.expect(&create(one_line().len()), &upload(&pending())),
    ),
    recorded(
        "5/expires-at",
        "An upload expires an hour after its creation.",
        |scene| {
            let object = pending().with("expires_at", "«t + 3600»");
            scene.expect(&create(one_line().len()), &upload(&object))
        },
    ),
    recorded(
        "5/purposes",
        "`assistants`, `batch`, `fine-tune` and `vision` can be uploaded in parts.",
        |scene| {
            let purposes = ["assistants", "batch", "fine-tune", "vision"];
            for (number, purpose) in purposes.into_iter().enumerate() {
                let object = pending()
                    .with("id", format!("\"«upload u{number}»\""))
                    .with("created_at", format!("«time t{number}»"))
                    .with("expires_at", format!("«t{number} + 3600»"))
                    .with("purpose", format!("\"{purpose}\""));
                let request = create_with(one_line().len() as u64, purpose, "");
                scene.expect(&request, &upload(&object))?;
            }
            Ok(())
        },
    ),
    recorded(
        "5/bytes",
        "An upload has at most 8 GB, 8,589,934,592 bytes.",
        |scene| {
            let object = pending().with("bytes", "8589934592");
            scene.expect(&create_with(8_589_934_592, "batch", ""), &upload(&object))?;
            let message = "Invalid 'bytes': integer above maximum value. Expected a value <= \
                           8589934592, but got 8589934593 instead.";
            let refusal = Refusal::new(400, message).param("bytes");
            let golden = refusal.code("integer_above_max_value").golden();
            scene.expect(&create_with(8_589_934_593, "batch", ""), &golden)
        },
    ),
    chosen(
        "5/wrong-create",
        "What is said about a wrong request for an upload?",
        "What is said about other parameters and other uploads; the name of a batch's input is \
         judged at once.",
        wrong_create,
    ),
    recorded(
        "5/part",
        "A part is a form with one part, `data`; the answer has `id`, `object`, `created_at`, \
         `upload_id`.",
        |scene| {
            begin(scene, one_line().len())?;
            scene.expect(&part(one_line()), &part_answer("p"))
        },
    ),
    chosen(
        "5/wrong-part",
        "What is said about a part without `data`, or an empty one?",
        "400 in the words of `POST /v1/files`, with the param `data`.",
        |scene| {
            begin(scene, one_line().len())?;
            let refusal = Refusal::new(400, "'data' is a required property").param("data");
            let form = Form::default().field("other", "x");
            scene.expect(&form.post("/v1/uploads/«u»/parts"), &refusal.golden())?;
            let refusal = Refusal::new(400, "Invalid 'data': the Part is empty.").param("data");
            scene.expect(&part(""), &refusal.code("invalid_value").golden())
        },
    ),
    recorded("5/part-bytes", "A part has at most 64 MB.", |scene| {
        begin(scene, one_line().len())?;
        let request = part("x")
            .header("expect", "100-continue")
            .body(Body::Long(BEYOND), "with a length of 66 MiB");
        scene.expect(&request, &Refusal::new(413, "Part is too large.").golden())
    }),
    recorded(
        "5/complete",
        "Completing names the parts: the answer is the upload, `completed`, with its File under \
         `file`.",
        |scene| {
            two_parts(scene)?;
            scene.expect(&complete(r#"["«p»","«q»"]"#, ""), &upload(&completed()))?;
            let content = bytes("", one_line());
            scene.expect(
                &get("/v1/files/«f»/content"),
                &download(content, "in.jsonl", "f"),
            )
        },
    ),
    recorded(
        "5/order",
        "The order is that of `part_ids`, whichever part came first.",
        |scene| {
            begin(scene, one_line().len())?;
            let (first, second) = halves();
            send(scene, "q", second)?;
            send(scene, "p", first)?;
            scene.expect(&complete(r#"["«p»","«q»"]"#, ""), &upload(&completed()))?;
            let content = bytes("", one_line());
            scene.expect(
                &get("/v1/files/«f»/content"),
                &download(content, "in.jsonl", "f"),
            )
        },
    ),
    recorded(
        "5/file-expiry",
        "The file's `expires_at` follows `POST /v1/files`: 30 days for a batch, else what \
         `expires_after` said.",
        |scene| {
            let more = r#","expires_after":{"anchor":"created_at","seconds":3600}"#;
            let length = one_line().len() as u64;
            let answer = scene.prepare(&create_with(length, "batch", more))?;
            bind(scene, &answer)?;
            send(scene, "p", &one_line())?;
            let file = file_object().with("expires_at", "«m + 3600»");
            scene.expect(&complete(r#"["«p»"]"#, ""), &upload(&completed_with(&file)))
        },
    ),
    recorded(
        "5/md5",
        "`md5` is compared with the file's bytes.",
        |scene| {
            two_parts(scene)?;
            let message = "The MD5 checksum of the Parts in this order is '«hex32»', but the \
                           request says '00000000000000000000000000000000'. Check the order of \
                           'part_ids', or send the damaged Parts again.";
            let refusal = Refusal::new(400, message)
                .param("md5")
                .code("invalid_value");
            let wrong = r#","md5":"00000000000000000000000000000000""#;
            scene.expect(&complete(r#"["«p»","«q»"]"#, wrong), &refusal.golden())?;
            let right = format!(r#","md5":"{:x}""#, md5::compute(one_line()));
            scene.expect(&complete(r#"["«p»","«q»"]"#, &right), &upload(&completed()))
        },
    ),
    chosen(
        "5/wrong-size",
        "What is said when the parts do not have the declared size?",
        "400 with both numbers; the upload stays pending.",
        |scene| {
            two_parts(scene)?;
            let (first, _) = halves();
            let message = format!(
                "The Parts have {} bytes together, but Upload '«u»' was created with 'bytes': {}. \
                 Name every Part of the file, or create an Upload of the right size.",
                first.len(),
                one_line().len()
            );
            let refusal = Refusal::new(400, &message)
                .param("part_ids")
                .code("invalid_value");
            scene.expect(&complete(r#"["«p»"]"#, ""), &refusal.golden())?;
            scene.expect(&complete(r#"["«p»","«q»"]"#, ""), &upload(&completed()))
        },
    ),
    chosen(
        "5/unknown-part",
        "What is said about a part that the upload does not have, or that is named twice?",
        "400 with the param `part_ids`.",
        |scene| {
            two_parts(scene)?;
            let message = "Upload '«u»' has no Part 'part_1'. Name the Parts by the ids that their \
                           uploads were answered with.";
            let refusal = Refusal::new(400, message)
                .param("part_ids")
                .code("invalid_value");
            scene.expect(&complete(r#"["«p»","part_1"]"#, ""), &refusal.golden())?;
            let message = "Part '«p»' is named twice. Name each Part once, in the order of the \
                           file's bytes.";
            let refusal = Refusal::new(400, message)
                .param("part_ids")
                .code("invalid_value");
            scene.expect(&complete(r#"["«p»","«p»"]"#, ""), &refusal.golden())?;
            let message = "Missing required parameter: 'part_ids'.";
            let refusal = Refusal::new(400, message).param("part_ids");
            let golden = refusal.code("missing_required_parameter").golden();
            scene.expect(&post_json("/v1/uploads/«u»/complete", "{}"), &golden)
        },
    ),
    chosen(
        "5/first-line",
        "Is the input of a batch looked at as in `POST /v1/files`?",
        "Yes, when it is completed.",
        |scene| {
            begin(scene, 5)?;
            send(scene, "p", "hello")?;
            let message = "Invalid file format. The file is not jsonl: its first line is not valid \
                           JSON.";
            let golden = Refusal::new(400, message).golden();
            scene.expect(&complete(r#"["«p»"]"#, ""), &golden)
        },
    ),
    chosen(
        "5/complete-again",
        "What is answered when the same completion is sent again?",
        "The same answer: the first one may have been lost.",
        |scene| {
            two_parts(scene)?;
            scene.expect(&complete(r#"["«p»","«q»"]"#, ""), &upload(&completed()))?;
            scene.expect(&complete(r#"["«p»","«q»"]"#, ""), &upload(&completed()))
        },
    ),
    recorded(
        "5/cancel",
        "Cancelling answers the upload with the status `cancelled`.",
        |scene| {
            begin(scene, one_line().len())?;
            let object = pending().with("status", "\"cancelled\"");
            scene.expect(&post("/v1/uploads/«u»/cancel"), &upload(&object))
        },
    ),
    chosen(
        "5/closed",
        "What is said to an upload that is not pending any more?",
        "400 with its status.",
        |scene| {
            begin(scene, one_line().len())?;
            scene.prepare(&post("/v1/uploads/«u»/cancel"))?;
            let golden = closed("cancelled", "Create a new Upload.");
            scene.expect(&part(one_line()), &golden)?;
            scene.expect(&complete(r#"["part_1"]"#, ""), &golden)?;
            scene.forget_upload();
            two_parts(scene)?;
            scene.prepare(&complete(r#"["«p»","«q»"]"#, ""))?;
            let golden = closed("completed", "Its file is there.");
            scene.expect(&part(one_line()), &golden)?;
            scene.expect(&post("/v1/uploads/«u»/cancel"), &golden)
        },
    ),
    recorded(
        "5/expired",
        "An upload that was not completed in time is `expired`.",
        |scene| {
            let object = pending().with("expires_at", "«t + 1»");
            scene.expect(&create(one_line().len()), &upload(&object))?;
            let golden = closed("expired", "Create a new Upload.");
            let sign = "has status 'expired'";
            scene.expect_soon(&complete(r#"["part_1"]"#, ""), sign, &golden)?;
            scene.expect(&part(one_line()), &golden)
        },
    )
    .on(&BRIEF_UPLOADS),
    chosen(
        "5/missing",
        "What is said about an id that is no upload's?",
        "404 in the words of a missing file.",
        |scene| {
            let refusal = Refusal::new(404, "No such Upload object: upload_1").param("id");
            let golden = refusal.golden();
            scene.expect(&post("/v1/uploads/upload_1/cancel"), &golden)?;
            let request = post_json(
                "/v1/uploads/upload_1/complete",
                r#"{"part_ids":["part_1"]}"#,
            );
            scene.expect(&request, &golden)?;
            let form = Form::default().part(DATA, LINE.as_bytes(), "`data`");
            scene.expect(&form.post("/v1/uploads/upload_1/parts"), &golden)
        },
    ),
    recorded(
        "5/no-show",
        "An upload cannot be read: there is no such route.",
        |scene| {
            begin(scene, one_line().len())?;
            let refusal = Refusal::new(404, "Invalid URL (GET /v1/uploads/«u»)");
            scene.expect(&get("/v1/uploads/«u»"), &refusal.golden())
        },
    ),
];

const DATA: &str = "Content-Disposition: form-data; name=\"data\"; filename=\"part\"\r\n\
                    Content-Type: application/octet-stream\r\n";

/// More than any part may have, beside what a form may have around it.
const BEYOND: Long = Long {
    name: "beyond",
    bytes: || (64 + 2) << 20,
    // The length is enough for a refusal, and a client that asks first need not send it.
    write: |_| Ok(()),
};

/// An upload that has just been created, from here on known as `u`.
fn pending() -> Object {
    crate::object::upload(one_line().len())
}

fn upload(object: &Object) -> Golden {
    files_json(&object.compact()).shown(object.told())
}

/// The file that it becomes.
fn file_object() -> Object {
    file(one_line().len())
        .with("created_at", "«time m from t»")
        .with("expires_at", "«m + 2592000»")
}

fn completed() -> Object {
    completed_with(&file_object())
}

fn completed_with(file: &Object) -> Object {
    pending()
        .with("status", "\"completed\"")
        .with("file", file.compact())
}

fn create(bytes: usize) -> Request {
    create_with(bytes as u64, "batch", "")
}

fn create_with(bytes: u64, purpose: &str, more: &str) -> Request {
    let json = format!(
        r#"{{"bytes":{bytes},"filename":"in.jsonl","mime_type":"application/jsonl","purpose":"{purpose}"{more}}}"#
    );
    post_json("/v1/uploads", json)
}

/// Creates an upload, known as `u` and created at `t` from here on.
fn begin(scene: &mut Scene<'_>, bytes: usize) -> Outcome {
    let answer = scene.prepare(&create(bytes))?;
    bind(scene, &answer)
}

fn bind(scene: &mut Scene<'_>, answer: &crate::answer::Answer) -> Outcome {
    scene.bind_member("u", answer, "id")?;
    scene.bind_member("t", answer, "created_at")
}

/// A request for an upload of one byte.
pub(crate) fn one_byte() -> Request {
    create(1)
}

/// The answer to a request for an upload of so many bytes.
pub(crate) fn pending_of(bytes: usize) -> Golden {
    upload(&crate::object::upload(bytes))
}

/// A part of the upload `u`.
pub(crate) fn part(data: impl AsRef<[u8]>) -> Request {
    let told = format!("`data` of {} bytes", data.as_ref().len());
    let form = Form::default().part(DATA, data.as_ref(), told);
    form.post("/v1/uploads/«u»/parts")
}

/// The answer to it; its id has that name from there on.
pub(crate) fn part_answer(name: &str) -> Golden {
    files_json(&format!(
        r#"{{"id":"«part {name}»","object":"upload.part","created_at":«time part_{name} from t»,"upload_id":"«u»"}}"#
    ))
}

/// Sends a part, known by that name from here on.
fn send(scene: &mut Scene<'_>, name: &str, data: &str) -> Outcome {
    let answer = scene.prepare(&part(data))?;
    scene.bind_member(name, &answer, "id")
}

/// The two pieces of a line.
fn halves() -> (&'static str, &'static str) {
    const WITH_END: &str = concat!(
        r#"{"custom_id":"a","method":"POST","url":"/v1/chat/completions","#,
        r#""body":{"model":"m","messages":[{"role":"user","content":"hi"}]}}"#,
        "\n"
    );
    WITH_END.split_at(50)
}

/// Creates an upload and sends its two parts, `p` and `q`.
fn two_parts(scene: &mut Scene<'_>) -> Outcome {
    begin(scene, one_line().len())?;
    let (first, second) = halves();
    send(scene, "p", first)?;
    send(scene, "q", second)
}

fn complete(part_ids: &str, more: &str) -> Request {
    let json = format!(r#"{{"part_ids":{part_ids}{more}}}"#);
    post_json("/v1/uploads/«u»/complete", json)
}

fn closed(status: &str, what_next: &str) -> Golden {
    let message = format!(
        "Upload '«u»' has status '{status}'. Only a pending Upload takes Parts and can be \
         completed or cancelled. {what_next}"
    );
    Refusal::new(400, &message).golden()
}

fn wrong_create(scene: &mut Scene<'_>) -> Outcome {
    let message = "Missing required parameter: 'bytes'.";
    let refusal = Refusal::new(400, message).param("bytes");
    let golden = refusal.code("missing_required_parameter").golden();
    let json = r#"{"filename":"in.jsonl","mime_type":"application/jsonl","purpose":"batch"}"#;
    scene.expect(&post_json("/v1/uploads", json), &golden)?;
    let message = "'pictures' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', \
                   'vision', 'evals'] - 'purpose'";
    let golden = Refusal::new(400, message).param("purpose").golden();
    scene.expect(&create_with(1, "pictures", ""), &golden)?;
    let message = "Invalid file format for Batch API. Must be .jsonl";
    let json = r#"{"bytes":1,"filename":"a.txt","mime_type":"text/plain","purpose":"batch"}"#;
    let golden = Refusal::new(400, message).golden();
    scene.expect(&post_json("/v1/uploads", json), &golden)?;
    let golden = Refusal::new(400, "Unknown parameter: 'x'.").param("x");
    let golden = golden.code("unknown_parameter").golden();
    scene.expect(&create_with(1, "batch", r#","x":1"#), &golden)
}
