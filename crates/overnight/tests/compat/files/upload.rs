//! `POST /v1/files`.

use std::io::{self, Write};

use super::{LINE, one_line};
use crate::golden::{Golden, Refusal};
use crate::object::{file, file_answer};
use crate::request::{
    Body, Form, Long, Request, batch_file, form_ends, get, long_upload, post_json,
};
use crate::row::{Outcome, Row, chosen, recorded, reported};
use crate::scene::Scene;
use crate::section::Section;
use crate::stage::SMALL;

/// Section 1.1.
pub(crate) const UPLOAD: Section = Section {
    heading: "1.1 Uploading a file",
    rows: ROWS,
    fields: &[
        "object",
        "id",
        "purpose",
        "filename",
        "bytes",
        "created_at",
        "expires_at",
        "status",
        "status_details",
        "error",
        "error.message",
        "error.type",
        "error.param",
        "error.code",
        "detail",
        "detail.message",
        "detail.code",
    ],
};

const ROWS: &[Row] = &[
    recorded(
        "1.1/object",
        "An upload answers 200 with the File object: all nine keys, in this order.",
        |scene| scene.expect(&batch_file("in.jsonl", one_line()), &uploaded()),
    ),
    recorded(
        "1.1/processed-at-once",
        "`status` is `processed` in the first answer, and stays.",
        |scene| {
            scene.expect(&batch_file("in.jsonl", one_line()), &uploaded())?;
            scene.expect(&get("/v1/files/«f»"), &uploaded())
        },
    ),
    recorded(
        "1.1/file-first",
        "The parts come in any order: the file before its purpose.",
        |scene| {
            let form = Form::default().file("in.jsonl", one_line());
            scene.expect(&form.field("purpose", "batch").upload(), &uploaded())
        },
    ),
    recorded(
        "1.1/part-without-type",
        "The file's part may come without a Content-Type.",
        |scene| with_disposition(scene, r#"filename="in.jsonl""#, "in.jsonl"),
    ),
    recorded(
        "1.1/unquoted-filename",
        "The filename may be unquoted, and doubled as `filename*`.",
        |scene| {
            with_disposition(
                scene,
                "filename=in.jsonl; filename*=utf-8''in.jsonl",
                "in.jsonl",
            )
        },
    ),
    recorded(
        "1.1/filename-beyond-ascii",
        "A filename beyond ASCII is kept.",
        |scene| with_disposition(scene, r#"filename="你好.jsonl""#, "你好.jsonl"),
    ),
    recorded(
        "1.1/quoted-boundary",
        "The boundary may be quoted and hold `=` and `_`.",
        quoted_boundary,
    ),
    recorded(
        "1.1/without-length",
        "A body without Content-Length (in chunks) is accepted.",
        |scene| {
            let request = batch_file("in.jsonl", one_line()).chunked();
            scene.expect(&request, &uploaded())
        },
    ),
    recorded(
        "1.1/purposes",
        "Six purposes can be uploaded; all but `batch` have `expires_at: null`.",
        purposes,
    ),
    recorded(
        "1.1/default-expiry",
        "A file for a batch expires 2,592,000 seconds (30 days) after its creation.",
        |scene| {
            let named = file(one_line().len()).with("expires_at", "«t + 2592000»");
            scene.expect(&batch_file("in.jsonl", one_line()), &file_answer(&named))
        },
    ),
    recorded(
        "1.1/expires-after",
        "`expires_after[anchor]` and `expires_after[seconds]` set `expires_at`, from 3,600 to \
         2,592,000 seconds.",
        |scene| {
            expiry(scene, "3600", "«t + 3600»")?;
            expiry(scene, "2592000", "«t + 2592000»")
        },
    ),
    chosen(
        "1.1/expires-after-json",
        "Is one part `expires_after` with a JSON object read?",
        "Yes, as some proxies send it so.",
        |scene| {
            let form = Form::default()
                .field("purpose", "user_data")
                .field("expires_after", r#"{"anchor":"created_at","seconds":7200}"#)
                .file("in.jsonl", one_line());
            let answer = file(one_line().len())
                .with("purpose", "\"user_data\"")
                .with("expires_at", "«t + 7200»");
            scene.expect(&form.upload(), &file_answer(&answer))
        },
    ),
    reported(
        "1.1/wrong-extension",
        "A file for a batch whose name has another extension than `.jsonl` is refused.",
        |scene| {
            let message = "Invalid file format for Batch API. Must be .jsonl";
            let refusal = Refusal::new(400, message).files();
            scene.expect(&batch_file("notes.txt", one_line()), &refusal)
        },
    ),
    recorded(
        "1.1/no-extension",
        "A file for a batch whose name has no extension is accepted.",
        |scene| {
            let answer = file(one_line().len()).with("filename", "\"test-batch-file\"");
            scene.expect(
                &batch_file("test-batch-file", one_line()),
                &file_answer(&answer),
            )
        },
    ),
    reported(
        "1.1/not-utf8",
        "A file for a batch that is not UTF-8 is refused.",
        |scene| {
            let refusal = Refusal::new(400, "Invalid file for Batch API. Must be utf-8 encoded");
            scene.expect(
                &batch_file("in.jsonl", b"{\"a\":\"\xff\"}\n"),
                &refusal.files(),
            )
        },
    ),
    reported(
        "1.1/empty",
        "An empty file for a batch is refused with `Invalid file format` and a word of `jsonl`.",
        |scene| {
            let message = "Invalid file format. The file is empty: a jsonl file with one request a \
                           line is expected.";
            scene.expect(
                &batch_file("in.jsonl", ""),
                &Refusal::new(400, message).files(),
            )
        },
    ),
    reported(
        "1.1/first-line-not-json",
        "A file for a batch whose first line is not JSON is refused likewise.",
        |scene| {
            let message = "Invalid file format. The file is not jsonl: its first line is not valid \
                           JSON.";
            let request = batch_file("in.jsonl", format!("hello\n{LINE}\n"));
            scene.expect(&request, &Refusal::new(400, message).files())
        },
    ),
    reported(
        "1.1/later-line-not-json",
        "A file whose later lines are wrong is accepted: its batch fails.",
        |scene| {
            let content = format!("{LINE}\nhello\n");
            let answer = file_answer(&file(content.len()));
            scene.expect(&batch_file("in.jsonl", content), &answer)
        },
    ),
    recorded(
        "1.1/unknown-purpose",
        "An unknown purpose is refused with the list of the known ones.",
        |scene| no_purpose(scene, "world_domination"),
    ),
    recorded(
        "1.1/result-purpose",
        "A purpose that only the service gives (`batch_output`) cannot be uploaded.",
        |scene| no_purpose(scene, "batch_output"),
    ),
    chosen(
        "1.1/missing-purpose",
        "What is said about a form without a purpose?",
        "400 in the shape of the error about an unknown one.",
        |scene| {
            let refusal = Refusal::new(400, "'purpose' is a required property").param("purpose");
            scene.expect(
                &Form::default().file("in.jsonl", LINE).upload(),
                &refusal.files(),
            )
        },
    ),
    chosen(
        "1.1/missing-file",
        "What is said about a form without a file?",
        "400 in the shape of the error about an unknown purpose.",
        |scene| {
            let refusal = Refusal::new(400, "'file' is a required property").param("file");
            let form = Form::default().field("purpose", "batch");
            scene.expect(&form.upload(), &refusal.files())
        },
    ),
    reported(
        "1.1/too-large",
        "An upload above the limit is refused with 413, which its client sees whole.",
        |scene| {
            scene.expect(
                &long_upload(TWO_MEBIBYTES, "with 2 MiB, the limit being 1"),
                &too_large(),
            )?;
            let chunked = batch_file("in.jsonl", vec![b' '; 2 << 20]).chunked();
            scene.expect(&chunked, &too_large())
        },
    )
    .on(&SMALL),
    recorded(
        "1.1/limit",
        "An upload may have 512 MB, 536,870,912 bytes; a longer one is refused.",
        |scene| {
            let request = batch_file("in.jsonl", one_line());
            let request = request
                .header("expect", "100-continue")
                .body(Body::Long(BEYOND), "with a length of 514 MiB");
            scene.expect(&request, &too_large())
        },
    ),
    recorded(
        "1.1/quotas",
        "A project has 2.5 TB of files, and uploads 1,000 a minute.",
        |scene| {
            for _ in 0..49 {
                scene.prepare(&batch_file("in.jsonl", one_line()))?;
            }
            scene.expect(&batch_file("in.jsonl", one_line()), &uploaded())
        },
    )
    .differs(
        "There are no such quotas: the disk is the bound, and what it has no room for is 503. Shown with the \
         last of 50 uploads in a row.",
    ),
    chosen(
        "1.1/wrong-expires-after",
        "What is said about an `expires_after` that is wrong?",
        "The errors of other parameters, with the param `expires_after.seconds` or \
         `expires_after.anchor`.",
        wrong_expiry,
    ),
    chosen(
        "1.1/not-a-form",
        "What is said about a body that is not a form?",
        "400 with the parser's words; 415 was never seen.",
        |scene| {
            let refusal = Refusal::new(
                400,
                "We could not read the form of your request: the body must be multipart/form-data \
                 with a boundary.",
            );
            scene.expect(
                &post_json("/v1/files", r#"{"purpose":"batch"}"#),
                &refusal.files(),
            )
        },
    ),
    recorded(
        "1.1/detail",
        "Errors of the Files API have a second top-level key, `detail`, with message and code.",
        |scene| {
            let refusal = Refusal::new(404, "No such File object: file-none").param("id");
            scene.expect(&get("/v1/files/file-none"), &refusal.files())
        },
    ),
];

fn uploaded() -> Golden {
    file_answer(&file(one_line().len()))
}

fn too_large() -> Golden {
    Refusal::new(413, "File is too large.").files()
}

/// Two MiB of spaces in a form.
const TWO_MEBIBYTES: Long = Long {
    name: "2 MiB",
    bytes: || {
        let (begin, end) = form_ends("in.jsonl");
        (begin.len() + end.len() + (2 << 20)) as u64
    },
    write: |out| {
        let (begin, end) = form_ends("in.jsonl");
        out.write_all(begin.as_bytes())?;
        spaces(out, 2 << 20)?;
        out.write_all(end.as_bytes())
    },
};

/// More than any upload may have, beside what a form may have around its file.
const BEYOND: Long = Long {
    name: "beyond",
    bytes: || (512 + 2) << 20,
    // The length is enough for a refusal, and a client that asks first need not send it.
    write: |_| Ok(()),
};

fn spaces(out: &mut dyn Write, count: usize) -> io::Result<()> {
    out.write_all(&vec![b' '; count])
}

fn with_disposition(scene: &mut Scene<'_>, filename: &str, kept: &str) -> Outcome {
    let head = format!("Content-Disposition: form-data; name=\"file\"; {filename}\r\n");
    let told = format!("a part with `{filename}`");
    let form = Form::default()
        .field("purpose", "batch")
        .part(&head, one_line().as_bytes(), told);
    let answer = file(one_line().len()).with("filename", format!("\"{kept}\""));
    scene.expect(&form.upload(), &file_answer(&answer))
}

fn quoted_boundary(scene: &mut Scene<'_>) -> Outcome {
    let body = format!(
        "--a=_b\r\nContent-Disposition: form-data; name=purpose\r\n\r\nbatch\r\n--a=_b\r\n\
         Content-Disposition: form-data; name=file; filename=in.jsonl\r\n\r\n{LINE}\n\r\n--a=_b--\r\n"
    );
    let request: Request = batch_file("in.jsonl", "")
        .header("content-type", r#"multipart/form-data; boundary="a=_b""#)
        .body(Body::Raw(body.into_bytes()), "with the boundary `\"a=_b\"`");
    scene.expect(&request, &uploaded())
}

fn purposes(scene: &mut Scene<'_>) -> Outcome {
    let others = ["fine-tune", "assistants", "user_data", "vision", "evals"];
    for (number, purpose) in others.into_iter().enumerate() {
        let form = Form::default().field("purpose", purpose);
        let answer = file(2)
            .with("id", format!("\"«file f{number}»\""))
            .with("purpose", format!("\"{purpose}\""))
            .with("created_at", format!("«time t{number}»"))
            .with("expires_at", "null");
        let request = form.file("in.jsonl", "hi").upload();
        scene.expect(&request, &file_answer(&answer))?;
    }
    scene.expect(&batch_file("in.jsonl", one_line()), &uploaded())
}

fn expiry(scene: &mut Scene<'_>, seconds: &str, expires_at: &str) -> Outcome {
    let form = Form::default()
        .file("in.jsonl", one_line())
        .field("purpose", "batch")
        .field("expires_after[anchor]", "created_at")
        .field("expires_after[seconds]", seconds);
    let answer = file(one_line().len())
        .with("id", format!("\"«file f{seconds}»\""))
        .with("created_at", format!("«time t{seconds}»"))
        .with(
            "expires_at",
            expires_at.replace('t', &format!("t{seconds}")),
        );
    scene.expect(&form.upload(), &file_answer(&answer))
}

/// Fields of a form, and what is said about them.
type WrongExpiry = (
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
    &'static str,
);

const ANCHOR: (&str, &str) = ("expires_after[anchor]", "created_at");

const WRONG_EXPIRIES: [WrongExpiry; 6] = [
    (
        &[ANCHOR, ("expires_after[seconds]", "3599")],
        "expires_after.seconds",
        "integer_below_min_value",
        "Invalid 'expires_after.seconds': integer below minimum value. Expected a value >= 3600, \
         but got 3599 instead.",
    ),
    (
        &[ANCHOR, ("expires_after[seconds]", "2592001")],
        "expires_after.seconds",
        "integer_above_max_value",
        "Invalid 'expires_after.seconds': integer above maximum value. Expected a value <= \
         2592000, but got 2592001 instead.",
    ),
    (
        &[ANCHOR, ("expires_after[seconds]", "soon")],
        "expires_after.seconds",
        "invalid_type",
        "Invalid type for 'expires_after.seconds': expected an integer, but got a string instead.",
    ),
    (
        &[ANCHOR],
        "expires_after.seconds",
        "missing_required_parameter",
        "Missing required parameter: 'expires_after.seconds'.",
    ),
    (
        &[("expires_after[seconds]", "3600")],
        "expires_after.anchor",
        "missing_required_parameter",
        "Missing required parameter: 'expires_after.anchor'.",
    ),
    (
        &[
            ("expires_after[anchor]", "now"),
            ("expires_after[seconds]", "3600"),
        ],
        "expires_after.anchor",
        "invalid_value",
        "Invalid value: 'now'. Supported values are: 'created_at'.",
    ),
];

fn wrong_expiry(scene: &mut Scene<'_>) -> Outcome {
    for (fields, param, code, message) in WRONG_EXPIRIES {
        let mut form = Form::default()
            .field("purpose", "batch")
            .file("in.jsonl", one_line());
        for (name, value) in fields {
            form = form.field(name, value);
        }
        let refusal = Refusal::new(400, message).param(param).code(code);
        scene.expect(&form.upload(), &refusal.files())?;
    }
    Ok(())
}

/// What is not the purpose of an upload is refused with the list of those that are.
fn no_purpose(scene: &mut Scene<'_>, word: &str) -> Outcome {
    let message = format!(
        "'{word}' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - \
         'purpose'"
    );
    let form = Form::default().field("purpose", word);
    let request = form.file("in.jsonl", one_line()).upload();
    let refusal = Refusal::new(400, &message).param("purpose");
    scene.expect(&request, &refusal.files())
}
