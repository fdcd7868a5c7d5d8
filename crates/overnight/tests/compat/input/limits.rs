//! The limits of an input file, on both sides of their edges.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::entry;
use crate::batches::request_with;
use crate::files::LINE;
use crate::object::{Object, batch, cancel_answer, failed};
use crate::request::{Long, Made, form_ends, long_upload, post};
use crate::row::{Outcome, Row, chosen, documented, recorded, reported};
use crate::scene::Scene;
use crate::section::Section;
use crate::stage::EDGES;

/// The limits of section 3.2.
pub(crate) const LIMITS: Section = Section {
    heading: "3.2 The limits of an input file",
    rows: ROWS,
    fields: &["errors.data[].message", "request_counts.total"],
};

const ROWS: &[Row] = &[
    reported(
        "3.2/2-bytes",
        "An input file of 209,715,200 bytes is accepted, and one of one byte more makes its batch \
         fail.",
        |scene| {
            long(scene, AT_BYTES, "of 209,715,200 bytes")?;
            runs(scene, "/v1/chat/completions", 1)?;
            long(scene, ABOVE_BYTES, "of 209,715,201 bytes")?;
            scene.create()?;
            let message = "The batch input file is larger than the 209715200 maximum. Please \
                           try again with a smaller batch.";
            let error = entry("invalid_request", message, None, None);
            scene.becomes("failed", &failed(&[error]))
        },
    )
    .on(&EDGES)
    .differs(
        "The message does not go on `for the <model> model`: a file that is too large is not read, \
         and the bound is the same for every model.",
    ),
    recorded("3.2/4-lines", "50,000 lines are accepted.", |scene| {
        scene.upload_made(AT_LINES)?;
        runs(scene, "/v1/chat/completions", 50_000)
    })
    .on(&EDGES),
    documented(
        "3.2/4-too-many-lines",
        "50,001 lines make a batch fail with `too_many_tasks`.",
        |scene| {
            scene.upload_made(ABOVE_LINES)?;
            scene.create()?;
            let message = "The batch contains 50001 requests, which exceeds the maximum of 50000.";
            let error = entry("too_many_tasks", message, None, None);
            scene.becomes("failed", &failed(&[error]))
        },
    )
    .on(&EDGES),
    documented(
        "3.2/16-embedding-inputs",
        "50,000 embedding inputs over all lines are accepted: a text is one, a list of tokens is \
         one, a list of either has as many as elements.",
        |scene| {
            scene.upload_made(AT_INPUTS)?;
            runs(scene, "/v1/embeddings", 4)
        },
    )
    .on(&EDGES),
    chosen(
        "3.2/16-too-many-inputs",
        "What is said about more?",
        "`too_many_tasks` with the number.",
        |scene| {
            scene.upload_made(ABOVE_INPUTS)?;
            scene.create_with(&embeddings_request())?;
            let message = "The batch contains 50001 embedding inputs, which exceeds the maximum of \
                           50000.";
            let error = entry("too_many_tasks", message, None, None);
            let batch = failed(&[error]).with("endpoint", "\"/v1/embeddings\"");
            scene.becomes("failed", &batch)
        },
    )
    .on(&EDGES),
];

const AT_LINES: Made = Made {
    name: "a file of 50,000 lines",
    content: || lines(50_000),
};

const ABOVE_LINES: Made = Made {
    name: "a file of 50,001 lines",
    content: || lines(50_001),
};

const AT_INPUTS: Made = Made {
    name: "a file of 50,000 inputs",
    content: || embeddings(49_996),
};

const ABOVE_INPUTS: Made = Made {
    name: "a file of 50,001 inputs",
    content: || embeddings(49_997),
};

const FILE_BYTES_MAX: u64 = 209_715_200;

const AT_BYTES: Long = Long {
    name: "a file at the limit",
    bytes: || form_bytes(FILE_BYTES_MAX),
    write: |out| write_file(out, FILE_BYTES_MAX),
};

const ABOVE_BYTES: Long = Long {
    name: "a file above the limit",
    bytes: || form_bytes(FILE_BYTES_MAX + 1),
    write: |out| write_file(out, FILE_BYTES_MAX + 1),
};

fn form_bytes(file_bytes: u64) -> u64 {
    let (begin, end) = form_ends("in.jsonl");
    (begin.len() + end.len()) as u64 + file_bytes
}

/// One line, then lines of spaces, in a form.
fn write_file(out: &mut dyn Write, file_bytes: u64) -> io::Result<()> {
    let (begin, end) = form_ends("in.jsonl");
    out.write_all(begin.as_bytes())?;
    out.write_all(LINE.as_bytes())?;
    let mut blank = vec![b' '; 1 << 20];
    blank[0] = b'\n';
    let mut left = file_bytes - LINE.len() as u64;
    while left > 0 {
        let count = left.min(blank.len() as u64);
        out.write_all(&blank[..usize::try_from(count).unwrap_or(blank.len())])?;
        left -= count;
    }
    out.write_all(end.as_bytes())
}

fn long(scene: &mut Scene<'_>, file: Long, shown: &str) -> Outcome {
    let answer = scene.prepare(&long_upload(file, &format!("with a file {shown}")))?;
    scene.tell(format!("a file {shown}:"));
    scene.forget_batch();
    scene.bind_member("f", &answer, "id")
}

fn lines(count: usize) -> String {
    let mut lines = String::new();
    for number in 0..count {
        // Writing to a String cannot fail.
        let _ = writeln!(
            lines,
            "{}",
            LINE.replace(r#""a""#, &format!("\"{number}\""))
        );
    }
    lines
}

/// Four lines of embeddings: one text, one list of tokens, two lists of tokens, and `texts` texts.
fn embeddings(texts: usize) -> String {
    let texts = vec![r#""t""#; texts].join(",");
    let inputs = [r#""t""#, "[1,2,3]", "[[1,2],[3]]", &format!("[{texts}]")];
    let lines = inputs.iter().enumerate().map(|(number, input)| {
        format!(
            r#"{{"custom_id":"{number}","method":"POST","url":"/v1/embeddings","body":{{"model":"m","input":{input}}}}}"#
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn embeddings_request() -> String {
    request_with("").replace("/v1/chat/completions", "/v1/embeddings")
}

/// Creates a batch and sees it run with so many lines; then it is cancelled.
fn runs(scene: &mut Scene<'_>, endpoint: &str, total: u64) -> Outcome {
    scene.create_with(&request_with("").replace("/v1/chat/completions", endpoint))?;
    let running: Object = batch()
        .with("endpoint", format!("\"{endpoint}\""))
        .with("model", "\"m\"")
        .with("status", "\"in_progress\"")
        .with("in_progress_at", "«time begun from c»")
        .with("request_counts", crate::object::counts(total, 0, 0));
    scene.becomes("in_progress", &running)?;
    let cancelling = running
        .with("status", "\"cancelling\"")
        .with("cancelling_at", "«time stopping from begun»");
    scene.expect(&post("/v1/batches/«b»/cancel"), &cancel_answer(&cancelling))
}
