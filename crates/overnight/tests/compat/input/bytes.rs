//! The bytes of an input file, and what becomes of them on their way there and back.

use super::{BODY, ID, METHOD, URL, entry, fails, good, line, not_json};
use crate::golden::Refusal;
use crate::json::scan;
use crate::object::{Object, completed, counts};
use crate::request::{batch_file, get};
use crate::results::{CHAT_USAGE, output, output_line};
use crate::row::{Outcome, Row, chosen, recorded, reported};
use crate::scene::Scene;
use crate::section::Section;
use crate::stage::ECHO;

/// Sections 3.1 and 3.3.
pub(crate) const BYTES: Section = Section {
    heading: "3.1 and 3.3 Lines and their bytes",
    rows: ROWS,
    fields: &[],
};

const ROWS: &[Row] = &[
    chosen(
        "3.1/extra-keys",
        "May a line have further keys?",
        "Yes; they are ignored.",
        |scene| {
            one_runs(
                scene,
                &line(&[ID, METHOD, URL, BODY, r#""priority":7"#]),
                "a",
            )
        },
    ),
    reported(
        "3.1/long-custom-id",
        "A `custom_id` may be long: ours has no limit but that of a line.",
        |scene| {
            one_runs(
                scene,
                &good(&"long/".repeat(200_000)),
                &"long/".repeat(200_000),
            )
        },
    ),
    chosen(
        "3.1/custom-id-as-written",
        "How does a `custom_id` come back?",
        "As it was written, byte for byte: escapes stay escapes.",
        |scene| {
            let custom_id = r"\u00e9é\/\ud83d\ude00\u0000\ud800";
            one_runs(scene, &good(custom_id), custom_id)
        },
    ),
    recorded(
        "3.3/crlf",
        "Lines may end in CRLF, and the last line end is no further request.",
        |scene| one_runs(scene, &format!("{}\r\n", good("a")), "a"),
    ),
    chosen(
        "3.3/no-final-newline",
        "Need the last line end in a newline?",
        "No.",
        |scene| one_runs(scene, &good("a"), "a"),
    ),
    chosen(
        "3.3/blank-lines",
        "What are blank lines?",
        "Nothing: they are passed over.",
        |scene| one_runs(scene, &format!("\n \t\r\n{}\n\n\r\n", good("a")), "a"),
    ),
    chosen(
        "3.3/physical-numbers",
        "Which number has a line behind blank ones?",
        "Its physical one: blank lines count.",
        |scene| {
            fails(
                scene,
                format!("\n{}\n\n\r\nhello\n", good("a")),
                &[not_json(5)],
            )
        },
    ),
    reported(
        "3.3/bom",
        "A file that begins with a byte order mark fails: its first line is not JSON.",
        |scene| one_runs(scene, &format!("\u{feff}{}\n", good("a")), "a"),
    )
    .differs("The mark is passed over: editors write it, and nobody means it."),
    reported(
        "3.3/not-utf8",
        "A file that is not UTF-8 is refused when it is uploaded.",
        |scene| {
            let refusal = Refusal::new(400, "Invalid file for Batch API. Must be utf-8 encoded");
            let content = [good("a").as_bytes(), b"\n\xc3\x28\n"].concat();
            scene.expect(&batch_file("in.jsonl", content), &refusal.files())
        },
    ),
    chosen(
        "3.3/nul",
        "What is a NUL byte?",
        "No JSON, so the line is wrong.",
        |scene| {
            fails(
                scene,
                format!("{}\n{{\"a\":\"\0\"}}\n", good("a")),
                &[not_json(2)],
            )
        },
    ),
    chosen(
        "3.3/duplicate-keys",
        "Which of two keys of one name counts?",
        "The last.",
        |scene| {
            let doubled = line(&[r#""custom_id":"first""#, METHOD, URL, BODY, ID]);
            one_runs(scene, &doubled, "a")
        },
    ),
    chosen(
        "3.3/same-custom-id",
        "Are two spellings of one `custom_id` the same?",
        "Yes: what they mean is compared.",
        |scene| {
            let message = "The custom_id 'é' for this request is a duplicate of another request. \
                           The custom_id parameter must be unique for each request in a batch.";
            let error = entry("duplicate_custom_id", message, Some("custom_id"), Some(2));
            fails(
                scene,
                format!("{}\n{}\n", good(r"\u00e9"), good("é")),
                &[error],
            )
        },
    ),
    chosen(
        "3.3/body-out",
        "Which bytes of a `body` does the inference server get?",
        "Those that stand in the line, every one: numbers, escapes, white space, order and doubled \
         keys.",
        bodies_go_out_as_they_stand,
    )
    .on(&ECHO),
    chosen(
        "3.3/body-back",
        "Which bytes of its answer stand in the result line?",
        "All but line ends outside of texts.",
        bodies_come_back_as_they_stand,
    )
    .on(&ECHO),
];

/// Bodies that a program which reads and writes them anew would change.
const NASTY: [&str; 13] = [
    r#"{"model":"m","messages":[],"seed":9007199254740993}"#,
    r#"{"model":"m","messages":[],"seed":123456789012345678901234567890}"#,
    r#"{"model":"m","messages":[],"t":1.0,"u":1e2,"v":1E+2,"w":0.1000,"x":-0,"y":1e-400,"z":1e400}"#,
    r#"{"model":"m","messages":[],"t":0.1234567890123456789012345}"#,
    r#"{ "messages" :[ ] ,"model":	"m" , "user" : "a"}"#,
    r#"{"model":"m","n":3,"logprobs":true,"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}]}"#,
    r#"{"z":1,"model":"m","a":2,"messages":[]}"#,
    r#"{"model":"m","messages":[{"role":"user","role":"user","content":"\u0000\u001f\u007f"}]}"#,
    r#"{"model":"m","messages":[],"s":"\ud800","t":"\udc00\ud800","u":"\ud83d\ude00😀"}"#,
    r#"{"model":"m","messages":[],"s":"\/\u002f/\b\f\n\r\t\"\\"}"#,
    r#"{"model":"m","messages":[],"é":"e\u0301é","\u00e9":" \u2028 ","":""}"#,
    r#"{"model":"n","messages":[1],"model":"m","messages":[]}"#,
    r#"{"model":"m","messages":[[[[[[[[[[[[[[[[{"a":[{}]}]]]]]]]]]]]]]]]]}"#,
];

fn nasty_lines() -> String {
    let lines = NASTY.iter().enumerate().map(|(number, body)| {
        line(&[
            &format!(r#""custom_id":"{number}""#),
            METHOD,
            URL,
            &format!("\"body\":{body}"),
        ])
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A batch of one line that went well.
fn one_done() -> Object {
    completed()
        .with("output_file_id", "\"«file o»\"")
        .with("request_counts", counts(1, 1, 0))
        .with("usage", CHAT_USAGE)
}

/// Runs a file that is one request, and finds its result by its `custom_id`.
fn one_runs(scene: &mut Scene<'_>, content: &str, custom_id: &str) -> Outcome {
    scene.upload(content)?;
    scene.create()?;
    scene.becomes("completed", &one_done())?;
    let result = output_line(custom_id).replacen(&format!("line_{custom_id}"), "line_a", 1);
    let golden = output(&[result]);
    let golden = match custom_id.len() {
        0..=100 => golden,
        many => golden.shown(format!(
            "one line, with the same `custom_id` of {many} bytes"
        )),
    };
    scene.expect(&get("/v1/files/«o»/content"), &golden)
}

/// Runs the nasty bodies; an upstream of its own answers each with itself.
fn run_nasty(scene: &mut Scene<'_>) -> Outcome {
    scene.upload(nasty_lines())?;
    scene.create()?;
    let count = NASTY.len() as u64;
    let batch = completed()
        .with("output_file_id", "\"«file o»\"")
        .with("request_counts", counts(count, count, 0));
    scene.becomes("completed", &batch)
}

fn bodies_go_out_as_they_stand(scene: &mut Scene<'_>) -> Outcome {
    run_nasty(scene)?;
    let mut sent: Vec<&str> = NASTY.to_vec();
    sent.sort_unstable();
    let seen = scene.look(|upstream| {
        let seen = upstream.seen();
        let calls = seen
            .iter()
            .filter(|seen| seen.path == "/v1/chat/completions");
        let mut bodies: Vec<_> = calls
            .map(|seen| String::from_utf8_lossy(&seen.body).into_owned())
            .collect();
        bodies.sort_unstable();
        bodies.join("\n")
    })?;
    scene.tell(format!(
        "the inference server got {} bodies as they stand",
        NASTY.len()
    ));
    if seen == sent.join("\n") {
        return Ok(());
    }
    Err(format!("other bodies arrived:\n{seen}"))
}

fn bodies_come_back_as_they_stand(scene: &mut Scene<'_>) -> Outcome {
    run_nasty(scene)?;
    let answer = scene.prepare(&get("/v1/files/«o»/content"))?;
    let text = answer.text()?;
    for (number, body) in NASTY.iter().enumerate() {
        let sign = format!(r#""custom_id":"{number}","#);
        let line = text.lines().find(|line| line.contains(&sign));
        let line = line.ok_or_else(|| format!("no result of {number}"))?;
        let root = scan(line.as_bytes()).ok_or_else(|| format!("no JSON: {line}"))?;
        let place = root
            .get("response")
            .and_then(|response| response.get("body"));
        let place = place
            .ok_or_else(|| format!("no body in {line}"))?
            .span
            .clone();
        // The upstream puts line ends where white space may stand; they are left out.
        if line[place.clone()] != **body {
            return Err(format!("{body} came back as {}", &line[place]));
        }
    }
    scene.tell(format!(
        "{} answers stand in their result lines as they came",
        NASTY.len()
    ));
    Ok(())
}
