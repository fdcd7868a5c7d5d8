//! Result files and their lines.

use crate::batches::request_with;
use crate::files::one_line;
use crate::golden::{Golden, result_lines};
use crate::lifecycle::{cancelled_with_one_of_two, chat, expired, held_and_plain};
use crate::object::{Object, completed, counts, file, file_answer, file_page};
use crate::request::{delete, get};
use crate::row::{Outcome, Row, chosen, documented, recorded, reported};
use crate::scene::Scene;
use crate::section::Section;
use crate::stage::{BUSY, EMPTY, IMPATIENT, SHORT};
use crate::upstream::{BROKEN, CHAT, REFUSED};

/// Section 1.5.
pub(crate) const FILES: Section = Section {
    heading: "1.5 Output and error files",
    rows: FILE_ROWS,
    fields: &["purpose", "filename", "bytes", "expires_at"],
};

/// Section 4.
pub(crate) const LINES: Section = Section {
    heading: "4 Result lines",
    rows: ROWS,
    fields: &[
        "line.id",
        "line.custom_id",
        "line.response",
        "line.response.status_code",
        "line.response.request_id",
        "line.response.body",
        "line.response.body.usage",
        "line.error",
        "line.error.code",
        "line.error.message",
    ],
};

/// The usage of a batch with one chat line that went well.
pub(crate) const CHAT_USAGE: &str = r#"{"input_tokens":3,"output_tokens":2,"total_tokens":5,"input_tokens_details":{"cached_tokens":1},"output_tokens_details":{"reasoning_tokens":1}}"#;

const CANCELLED: &str = r#"{"code":"batch_cancelled","message":"This request was not executed because the batch was cancelled."}"#;

const EXPIRED: &str = r#"{"code":"batch_expired","message":"This request could not be executed before the completion window expired."}"#;

const FILE_ROWS: &[Row] = &[
    documented(
        "1.5/purpose",
        "The purpose of both files is `batch_output`.",
        |scene| {
            mixed(scene)?;
            scene.expect(&get("/v1/files/«o»"), &output_file("good", "2592000"))?;
            scene.expect(&get("/v1/files/«e»"), &error_file())
        },
    ),
    chosen(
        "1.5/filename",
        "What are the names of the two files?",
        "`<batch id>_output.jsonl` and `<batch id>_error.jsonl`, as many tools assume.",
        |scene| {
            mixed(scene)?;
            let named =
                output_file_object("good", "2592000").with("filename", "\"«b»_output.jsonl\"");
            scene.expect(&get("/v1/files/«o»"), &file_answer(&named))?;
            scene.expect(&get("/v1/files/«e»"), &error_file())
        },
    ),
    documented(
        "1.5/expiry",
        "They expire 30 days after their own creation.",
        |scene| {
            mixed(scene)?;
            scene.expect(&get("/v1/files/«o»"), &output_file("good", "2592000"))
        },
    ),
    recorded(
        "1.5/output-expires-after",
        "`output_expires_after` counts from the creation of the file, not of the batch.",
        |scene| {
            scene.upload(one_line())?;
            let more = r#","output_expires_after":{"anchor":"created_at","seconds":7200}"#;
            scene.create_with(&request_with(more))?;
            scene.becomes("completed", &one_done())?;
            scene.expect(&get("/v1/files/«o»"), &output_file("a", "7200"))
        },
    ),
    documented(
        "1.5/listed",
        "They are listed under their purpose, and can be downloaded and deleted.",
        |scene| {
            scene.upload(one_line())?;
            scene.create()?;
            scene.becomes("completed", &one_done())?;
            let listed = output_file_object("a", "2592000");
            let page = file_page(&[listed], Some(("o", "o")), false);
            scene.expect(&get("/v1/files?purpose=batch_output"), &page)?;
            scene.expect(&get("/v1/files/«o»/content"), &output(&[output_line("a")]))?;
            let gone = r#"{"object":"file","deleted":true,"id":"«o»"}"#;
            scene.expect(&delete("/v1/files/«o»"), &crate::golden::files_json(gone))
        },
    )
    .on(&EMPTY),
    recorded(
        "1.5/only-at-the-end",
        "They exist once the batch has ended; its ids are null before.",
        |scene| {
            scene.upload(held_and_plain())?;
            scene.create()?;
            crate::lifecycle::runs_with_one_of_two(scene)?;
            let page = file_page(
                &[input_file(held_and_plain().len())],
                Some(("f", "f")),
                false,
            );
            scene.expect(&get("/v1/files"), &page)
        },
    )
    .on(&EMPTY),
];

const ROWS: &[Row] = &[
    recorded(
        "4/keys",
        "A result line has the keys `id`, `custom_id`, `response`, `error`, in this order, in both \
         files; lines come in any order.",
        |scene| {
            mixed(scene)?;
            scene.expect(&get("/v1/files/«o»/content"), &output(&[output_line("good")]))?;
            let refused = line("bad", 400, REFUSED);
            scene.expect(&get("/v1/files/«e»/content"), &errors(&[refused]))
        },
    ),
    recorded(
        "4/2xx",
        "A 2xx answer is a line of the output file with `status_code`, `request_id` and `body`, \
         and `error: null`; it counts as completed.",
        |scene| {
            scene.upload(one_line())?;
            scene.create()?;
            scene.becomes("completed", &one_done())?;
            scene.expect(&get("/v1/files/«o»/content"), &output(&[output_line("a")]))
        },
    ),
    reported(
        "4/4xx",
        "A 4xx answer is a line of the error file with `response` set and `error: null`; it counts \
         as failed.",
        |scene| {
            mixed(scene)?;
            let refused = line("bad", 400, REFUSED);
            scene.expect(&get("/v1/files/«e»/content"), &errors(&[refused]))
        },
    ),
    recorded(
        "4/5xx",
        "A 5xx answer that stays after retries is a line of the error file in the same shape.",
        |scene| blamed(scene, "broken", &line("bad", 500, BROKEN)),
    )
    .on(&IMPATIENT),
    documented(
        "4/request-timeout",
        "A line that got no answer in time has `response: null` and the error `request_timeout`; \
         it counts as failed.",
        |scene| {
            let error = r#"{"code":"request_timeout","message":"This request timed out before a response was received."}"#;
            blamed(scene, "silent", &without_response("bad", error))
        },
    )
    .on(&IMPATIENT),
    chosen(
        "4/connection-lost",
        "What is the line of a request whose connection was lost each time?",
        "A response with status 503 and a `server_error`, since no documented line code fits.",
        |scene| {
            let body = r#"{"error":{"message":"The upstream cut its answer short («any»","type":"server_error","param":null,"code":"server_error"}}"#;
            blamed(scene, "cut", &line("bad", 503, body))
        },
    )
    .on(&IMPATIENT),
    chosen(
        "4/not-json",
        "What is the line of a 2xx answer that is not JSON?",
        "A response with status 502 and a `server_error`, after retries.",
        |scene| {
            let body = r#"{"error":{"message":"The upstream reported success, but its answer was not valid JSON.","type":"server_error","param":null,"code":"server_error"}}"#;
            blamed(scene, "page", &line("bad", 502, body))
        },
    )
    .on(&IMPATIENT),
    chosen(
        "4/429",
        "What becomes of a line that its upstream answered 429?",
        "It is sent again, and 429 is seen by nobody.",
        |scene| {
            scene.upload(chat("a", "m", "busy") + "\n")?;
            scene.create()?;
            scene.becomes("completed", &one_done())?;
            scene.expect(&get("/v1/files/«o»/content"), &output(&[output_line("a")]))?;
            let calls = scene.look(|upstream| {
                let seen = upstream.seen();
                let calls = seen.iter().filter(|seen| seen.path == "/v1/chat/completions");
                calls.count().to_string()
            })?;
            scene.tell(format!("the line was sent {calls} times"));
            match calls.as_str() {
                "2" => Ok(()),
                _ => Err(format!("it was sent {calls} times")),
            }
        },
    )
    .on(&BUSY),
    documented(
        "4/expired",
        "A line that was not run before the window ended has `response: null` and the error \
         `batch_expired`; it is in neither count, and has an id.",
        |scene| {
            expired(scene)?;
            let line = without_response("held", EXPIRED);
            scene.expect(&get("/v1/files/«e»/content"), &errors(&[line]))
        },
    )
    .on(&SHORT),
    reported(
        "4/cancelled",
        "A line that was not run because of a cancel has the error `batch_cancelled`, and is in \
         neither count.",
        |scene| {
            scene.upload(held_and_plain())?;
            scene.create()?;
            cancelled_with_one_of_two(scene)?;
            let line = without_response("held", CANCELLED);
            scene.expect(&get("/v1/files/«e»/content"), &errors(&[line]))
        },
    )
    .on(&SHORT),
    documented(
        "4/each-once",
        "Every line of the input is in exactly one of the two files of a batch that was \
         cancelled.",
        |scene| {
            scene.upload(held_and_plain())?;
            scene.create()?;
            cancelled_with_one_of_two(scene)?;
            scene.expect(&get("/v1/files/«o»/content"), &output(&[output_line("plain")]))?;
            let line = without_response("held", CANCELLED);
            scene.expect(&get("/v1/files/«e»/content"), &errors(&[line]))
        },
    )
    .on(&SHORT),
    documented(
        "4/each-once-expired",
        "Likewise of one that expired.",
        |scene| {
            expired(scene)?;
            scene.expect(&get("/v1/files/«o»/content"), &output(&[output_line("plain")]))?;
            let line = without_response("held", EXPIRED);
            scene.expect(&get("/v1/files/«e»/content"), &errors(&[line]))
        },
    )
    .on(&SHORT),
];

/// The line of an answer.
pub(crate) fn line(custom_id: &str, status: u16, body: &str) -> String {
    format!(
        r#"{{"id":"«line line_{custom_id}»","custom_id":"{custom_id}","response":{{"status_code":{status},"request_id":"«hex32»","body":{body}}},"error":null}}"#
    )
}

/// The line of a chat that went well.
pub(crate) fn output_line(custom_id: &str) -> String {
    line(custom_id, 200, CHAT)
}

/// The line of a request without an answer.
fn without_response(custom_id: &str, error: &str) -> String {
    format!(
        r#"{{"id":"«line line_{custom_id}»","custom_id":"{custom_id}","response":null,"error":{error}}}"#
    )
}

/// The output file of `b`.
pub(crate) fn output(lines: &[String]) -> Golden {
    result_lines("«b»_output.jsonl", "o", lines)
}

/// The error file of `b`.
pub(crate) fn errors(lines: &[String]) -> Golden {
    result_lines("«b»_error.jsonl", "e", lines)
}

/// A batch of one line that went well, named `a`.
fn one_done() -> Object {
    completed()
        .with("output_file_id", "\"«file o»\"")
        .with("request_counts", counts(1, 1, 0))
        .with("usage", CHAT_USAGE)
}

/// Runs a batch of which one line is answered 200 and one 400.
fn mixed(scene: &mut Scene<'_>) -> Outcome {
    scene.upload(format!(
        "{}\n{}\n",
        chat("good", "m", ""),
        chat("bad", "m", "refused")
    ))?;
    scene.create()?;
    let batch = one_done()
        .with("error_file_id", "\"«file e»\"")
        .with("request_counts", counts(2, 1, 1));
    scene.becomes("completed", &batch)
}

/// Runs a batch of lines that go well and one, `bad`, that its upstream does not: it is to blame
/// when others went well after it.
fn blamed(scene: &mut Scene<'_>, wish: &str, bad: &str) -> Outcome {
    let mut lines = vec![chat("bad", "m", wish)];
    lines.extend((0..60).map(|number| chat(&format!("g{number}"), "m", "late")));
    scene.upload(lines.join("\n") + "\n")?;
    scene.create()?;
    let usage = r#"{"input_tokens":180,"output_tokens":120,"total_tokens":300,"input_tokens_details":{"cached_tokens":60},"output_tokens_details":{"reasoning_tokens":60}}"#;
    let batch = one_done()
        .with("error_file_id", "\"«file e»\"")
        .with("request_counts", counts(61, 60, 1))
        .with("usage", usage);
    scene.becomes("completed", &batch)?;
    scene.expect(&get("/v1/files/«e»/content"), &errors(&[bad.to_owned()]))
}

/// The output file with the line of that name.
fn output_file_object(custom_id: &str, seconds: &str) -> Object {
    result_file("o", "output", length(&output_line(custom_id)), seconds)
}

fn output_file(custom_id: &str, seconds: &str) -> Golden {
    file_answer(&output_file_object(custom_id, seconds))
}

fn error_file() -> Golden {
    let bytes = length(&line("bad", 400, REFUSED));
    file_answer(&result_file("e", "error", bytes, "2592000"))
}

fn result_file(name: &str, kind: &str, bytes: usize, seconds: &str) -> Object {
    file(bytes)
        .with("id", format!("\"«{name}»\""))
        .with("purpose", "\"batch_output\"")
        .with("filename", format!("\"«b»_{kind}.jsonl\""))
        .with("created_at", format!("«time made_{name} from c»"))
        .with("expires_at", format!("«made_{name} + {seconds}»"))
}

/// The input `f`, as a list shows it.
fn input_file(bytes: usize) -> Object {
    file(bytes).with("id", "\"«f»\"")
}

/// The bytes of a result line with its end.
fn length(line: &str) -> usize {
    let id = "batch_req_".len() + 32;
    let mut bytes = line.len() + 1;
    let places = [
        ("hex32", 32),
        ("line line_a", id),
        ("line line_good", id),
        ("line line_bad", id),
    ];
    for (place, length) in places {
        let place = format!("«{place}»");
        if line.contains(&place) {
            bytes = bytes + length - place.len();
        }
    }
    bytes
}
