//! The commands that work on files alone: check, stats, split, merge, sample, convert, verify.

#![cfg(test)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use support::input::{chat_line, write, write_lines};
use support::{check_code, overnight, stderr_of};
use tempfile::TempDir;

/// A folder that commands run in.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        overnight(self.0.path()).args(arguments).output().unwrap()
    }

    /// Runs a command that ends with that code; answers its stdout.
    fn stdout(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        check_code(&output, code);
        String::from_utf8(output.stdout).unwrap()
    }

    fn jsons(&self, code: i32, arguments: &[&str]) -> Vec<Value> {
        values(&self.stdout(code, arguments))
    }
}

fn values(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A result line.
fn result(id: &str, status: u16, content: &str) -> Value {
    let body = if status == 200 {
        json!({ "choices": [{ "message": { "content": content } }] })
    } else {
        json!({ "error": { "message": content } })
    };
    json!({
        "id": "batch_req_1", "custom_id": id,
        "response": { "status_code": status, "request_id": "r", "body": body }, "error": null,
    })
}

#[test]
fn every_wrong_line_is_shown_at_its_place() {
    let desk = Desk::new();
    let mut get = chat_line("b");
    get["method"] = json!("GET");
    let lines = [
        chat_line("a").to_string(),
        get.to_string(),
        String::new(),
        "{\"custom_id\" 5}".to_owned(),
        chat_line("a").to_string(),
    ];
    desk.write("in.jsonl", &lines.join("\n"));
    let output = desk.run(&["check", "in.jsonl"]);
    check_code(&output, 6);
    assert!(output.stdout.is_empty());
    let told = stderr_of(&output);
    let column = lines[1].find("\"GET\"").unwrap() + 1;
    for expected in [
        format!("in.jsonl:2:{column} invalid_method Invalid method: 'GET'."),
        "^^^^^".to_owned(),
        "in.jsonl:4:14 invalid_json_line This line is not parseable as valid JSON. (expected `:`)"
            .to_owned(),
        "  {\"custom_id\" 5}\n               ^\n".to_owned(),
        "in.jsonl:5:".to_owned(),
        "duplicate_custom_id".to_owned(),
        "would be refused: 3 lines with an error".to_owned(),
    ] {
        assert!(told.contains(&expected), "{expected} is not in:\n{told}");
    }
    let told = desk.jsons(6, &["check", "--json", "--max-errors", "1", "in.jsonl"]);
    let shown = json!([
        told[0]["line"],
        told[0]["column"],
        told[0]["code"],
        told[0]["param"]
    ]);
    assert_eq!(shown, json!([2, column, "invalid_method", "method"]));
    assert_eq!(
        (&told[1]["valid"], &told[1]["wrong_lines"]),
        (&json!(false), &json!(3))
    );
    assert_eq!(told.len(), 2);
}

#[test]
fn a_right_file_passes_and_a_server_would_say_the_same() {
    let desk = Desk::new();
    write_lines(&desk.path("in.jsonl"), 3);
    let told = desk.jsons(0, &["check", "--json", "--strict", "in.jsonl"]);
    assert_eq!(told[0]["valid"], json!(true));
    assert_eq!(told[0]["models"], json!([{ "model": "sim", "lines": 3 }]));
    let refused = desk.jsons(6, &["check", "--json", "--models", "other", "in.jsonl"]);
    assert_eq!(refused[0]["code"], json!("model_not_found"));
    let refused = desk.jsons(
        6,
        &[
            "check",
            "--json",
            "--endpoint",
            "/v1/embeddings",
            "in.jsonl",
        ],
    );
    assert_eq!(refused[0]["code"], json!("invalid_url"));
    desk.write("empty.jsonl", "\n");
    let told = stderr_of(&desk.run(&["check", "empty.jsonl"]));
    assert!(told.starts_with("empty.jsonl empty_file"), "{told}");
    check_code(&desk.run(&["check", "none.jsonl"]), 1);
    check_code(&desk.run(&["check", "-"]), 2);
}

#[test]
fn what_editors_put_in_is_taken_out_and_nothing_else() {
    let desk = Desk::new();
    let lines = [chat_line("a").to_string(), format!(" {}", chat_line("b"))];
    desk.write(
        "in.jsonl",
        &format!("\u{feff}{}\r\n \r\n{}", lines[0], lines[1]),
    );
    let told = stderr_of(&desk.run(&["check", "--fix", "in.jsonl"]));
    assert_eq!(desk.read("in.jsonl"), lines.join("\n") + "\n");
    assert!(told.contains("7 bytes taken out"), "{told}");
    let told = stderr_of(&desk.run(&["check", "--fix", "in.jsonl"]));
    assert!(!told.contains("written anew"), "{told}");
}

#[test]
fn stats_say_what_a_file_holds() {
    let desk = Desk::new();
    let lines = ["a", "b", "a"].map(chat_line);
    write(&desk.path("in.jsonl"), lines);
    let told = &desk.jsons(0, &["stats", "--json", "in.jsonl"])[0];
    assert_eq!(told["lines"], json!(3));
    assert_eq!(told["models"], json!({ "sim": 3 }));
    assert_eq!(told["endpoints"], json!({ "/v1/chat/completions": 3 }));
    assert_eq!(
        (&told["doubled_ids"], &told["doubled_bodies"]),
        (&json!(1), &json!(1))
    );
    // Three times `hello from a`, at four characters a token.
    assert_eq!(told["estimated_input_tokens"], json!(9.0));
    assert_eq!(told["output_tokens_max"], json!(6));
    let text = desk.stdout(0, &["stats", "in.jsonl"]);
    assert!(text.contains("models     sim (3)"), "{text}");
}

#[test]
fn a_file_is_split_by_lines_bytes_or_model() {
    let desk = Desk::new();
    write_lines(&desk.path("in.jsonl"), 5);
    let whole = desk.read("in.jsonl");
    let names = desk.stdout(0, &["split", "in.jsonl", "--lines", "2"]);
    assert_eq!(names, "in-0001.jsonl\nin-0002.jsonl\nin-0003.jsonl\n");
    let pieces: String = names.lines().map(|name| desk.read(name)).collect();
    assert_eq!(pieces, whole);
    let told = desk.jsons(
        0,
        &["split", "in.jsonl", "--bytes", "400B", "-o", "b", "--json"],
    );
    assert!(told.len() > 1, "{told:?}");
    assert!(
        told.iter()
            .all(|piece| piece["bytes"].as_u64().unwrap() <= 400),
        "{told:?}"
    );
    let lines: u64 = told
        .iter()
        .map(|piece| piece["lines"].as_u64().unwrap())
        .sum();
    assert_eq!(lines, 5);
    let mut other = chat_line("x");
    other["body"]["model"] = json!("org/m");
    write(
        &desk.path("two.jsonl"),
        [chat_line("a"), other.clone(), chat_line("b")],
    );
    desk.stdout(0, &["split", "two.jsonl", "--by", "model"]);
    assert_eq!(values(&desk.read("two-org_m.jsonl")), [other]);
    assert_eq!(values(&desk.read("two-sim.jsonl")).len(), 2);
    check_code(&desk.run(&["split", "in.jsonl"]), 2);
}

#[test]
fn results_are_merged_so_that_the_last_success_wins() {
    let desk = Desk::new();
    let (first, second) = (result("a", 500, "down"), result("a", 200, "yes"));
    let other = result("b", 200, "no");
    write(&desk.path("one.jsonl"), [first.clone(), other.clone()]);
    write(
        &desk.path("two.jsonl"),
        [second.clone(), result("b", 400, "late")],
    );
    let merged = desk.stdout(0, &["merge", "one.jsonl", "two.jsonl"]);
    assert_eq!(values(&merged), [second, other.clone()]);
    desk.stdout(0, &["merge", "one.jsonl", "--only-ok", "-o", "out.jsonl"]);
    assert_eq!(values(&desk.read("out.jsonl")), [other]);
    write_lines(&desk.path("in.jsonl"), 1);
    let output = desk.run(&["merge", "in.jsonl"]);
    check_code(&output, 1);
    assert!(stderr_of(&output).contains("in.jsonl:1: this is no result line"));
}

#[test]
fn a_sample_is_drawn_in_order_and_again_by_its_seed() {
    let desk = Desk::new();
    write_lines(&desk.path("in.jsonl"), 50);
    let draw = |seed: &str| desk.stdout(0, &["sample", "in.jsonl", "-n", "5", "--seed", seed]);
    let whole = desk.read("in.jsonl");
    let drawn = draw("1");
    let places: Vec<usize> = drawn
        .lines()
        .map(|line| whole.find(line).unwrap())
        .collect();
    assert_eq!(places.len(), 5);
    assert!(places.is_sorted());
    assert_eq!(drawn, draw("1"));
    assert_ne!(drawn, draw("2"));
    assert_eq!(desk.stdout(0, &["sample", "in.jsonl", "-n", "99"]), whole);
}

#[test]
fn missing_doubled_and_unknown_results_are_found() {
    let desk = Desk::new();
    write_lines(&desk.path("in.jsonl"), 4);
    let ok = |number: u32| result(&format!("line-{number}"), 200, "x");
    write(&desk.path("out.jsonl"), [ok(0), ok(1), ok(1), ok(9)]);
    write(&desk.path("errors.jsonl"), [result("line-2", 400, "no")]);
    let files = ["verify", "in.jsonl", "out.jsonl", "errors.jsonl"];
    let output = desk.run(&files);
    check_code(&output, 1);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "line-3\n");
    let told = stderr_of(&output);
    assert!(
        told.contains("1 missing, 1 doubled, 1 of no line"),
        "{told}"
    );
    write(&desk.path("out.jsonl"), [ok(0), ok(1), ok(3)]);
    assert_eq!(desk.stdout(0, &files), "");
    check_code(&desk.run(&["verify", "in.jsonl"]), 2);
}

#[test]
fn a_table_becomes_requests_and_results_a_table() {
    let desk = Desk::new();
    desk.write(
        "in.csv",
        "\u{feff}id,text\nx,\"good, very\"\ny,\"say \"\"no\"\"\"\nz,last\n",
    );
    desk.write("schema.json", "{\"type\":\"object\"}");
    let arguments = [
        "convert",
        "in.csv",
        "--id",
        "id",
        "--model",
        "sim",
        "--system",
        "Judge {{}}",
        "--user",
        "Is this good: {text}?",
        "--schema",
        "schema.json",
        "--set",
        "max_tokens=5",
        "-o",
        "in.jsonl",
    ];
    desk.stdout(0, &arguments);
    desk.stdout(0, &["check", "in.jsonl"]);
    let made = values(&desk.read("in.jsonl"));
    let expected = json!({
        "custom_id": "x", "method": "POST", "url": "/v1/chat/completions",
        "body": {
            "model": "sim", "max_tokens": 5,
            "messages": [
                { "role": "system", "content": "Judge {}" },
                { "role": "user", "content": "Is this good: good, very?" },
            ],
            "response_format": { "type": "json_schema", "json_schema": {
                "name": "answer", "schema": { "type": "object" }, "strict": true,
            } },
        },
    });
    assert_eq!((&made[0], made.len()), (&expected, 3));
    let content = "{\"label\":\"a,b\"}";
    write(
        &desk.path("out.jsonl"),
        [result("y", 200, content), result("x", 400, "refused")],
    );
    let select = "content.label,status,error";
    let back = [
        "convert",
        "out.jsonl",
        "--join",
        "in.csv",
        "--id",
        "id",
        "--select",
        select,
    ];
    let expected = "id,text,content.label,status,error\n\
                    x,\"good, very\",,400,refused\n\
                    y,\"say \"\"no\"\"\",\"a,b\",200,\n\
                    z,last,,,there is no result\n";
    assert_eq!(desk.stdout(0, &back), expected);
    let plain = desk.stdout(0, &["convert", "out.jsonl", "--select", "status"]);
    assert_eq!(plain, "id,status\ny,200\nx,400\n");
}

#[test]
fn results_become_parquet_and_parquet_requests() {
    let desk = Desk::new();
    let refused = json!({
        "custom_id": "b", "response": null,
        "error": { "code": "batch_expired", "message": "late" },
    });
    let answered = result("a", 200, "yes");
    write(&desk.path("out.jsonl"), [answered.clone(), refused]);
    desk.stdout(0, &["convert", "out.jsonl", "-o", "out.parquet"]);
    let user = "{status_code}|{error_code}|{content}|{input_tokens}|{response}";
    let again = |table: &str, user: &str| {
        let arguments = [
            "convert",
            table,
            "--id",
            "custom_id",
            "--model",
            "sim",
            "--user",
            user,
        ];
        let made = desk.jsons(0, &arguments);
        let texts = made.iter().map(|line| {
            let text = line["body"]["messages"][0]["content"].as_str().unwrap();
            (line["custom_id"].clone(), text.to_owned())
        });
        texts.collect::<Vec<_>>()
    };
    let response = &answered["response"];
    let expected = [
        (json!("a"), format!("200||yes||{response}")),
        (json!("b"), "|batch_expired|||".to_owned()),
    ];
    assert_eq!(again("out.parquet", user), expected);

    // The table that requests came from may be Parquet too, and has its answers beside its own columns.
    let join = [
        "convert",
        "out.jsonl",
        "--join",
        "out.parquet",
        "--id",
        "custom_id",
        "--select",
        "status",
    ];
    let joined = [&join[..], &["-o", "joined.parquet"]].concat();
    desk.stdout(0, &joined);
    let expected = [
        (json!("a"), "yes 200".to_owned()),
        (json!("b"), " ".to_owned()),
    ];
    assert_eq!(again("joined.parquet", "{content} {status}"), expected);
    let twice = [&join[..7], &["content", "-o", "twice.parquet"]].concat();
    let output = desk.run(&twice);
    check_code(&output, 1);
    assert!(stderr_of(&output).contains("would be called `content`"));
    assert!(!desk.path("twice.parquet").exists());

    desk.write("no.parquet", "id,text\n");
    let output = desk.run(&["convert", "no.parquet", "--model", "sim", "--user", "x"]);
    check_code(&output, 1);
    assert!(stderr_of(&output).contains("no.parquet is no Parquet file"));
}

#[test]
fn wrong_columns_and_doubled_ids_are_told() {
    let desk = Desk::new();
    desk.write("in.tsv", "id\ttext\nx\ta\nx\tb\n");
    let convert = |more: &[&str]| {
        let mut arguments = vec!["convert", "in.tsv", "--model", "sim"];
        arguments.extend(more);
        let output = desk.run(&arguments);
        (output.status.code(), stderr_of(&output))
    };
    let (code, told) = convert(&["--user", "{txt}"]);
    assert_eq!(code, Some(2));
    assert!(
        told.contains("--user: there is no `txt`; there are {id}, {text}"),
        "{told}"
    );
    let (code, told) = convert(&["--user", "{text}", "--id", "id"]);
    assert_eq!(code, Some(1));
    assert!(
        told.contains("in.tsv:3") && told.contains("`x` is there twice"),
        "{told}"
    );
    assert_eq!(convert(&["--user", "{text}"]).0, Some(0));
    assert_eq!(convert(&[]).0, Some(2));
}

#[test]
fn a_folder_of_texts_and_images_becomes_requests() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("papers/deep")).unwrap();
    desk.write("papers/one.txt", "First.");
    desk.write("papers/deep/two.PNG", "pixels");
    fs::write(desk.path("papers/odd.bin"), [0xff, 0]).unwrap();
    desk.write("papers/.hidden", "no");
    let user = "Read {name}: {text}";
    let output = desk.run(&["convert", "papers", "--model", "sim", "--user", user]);
    check_code(&output, 0);
    assert!(stderr_of(&output).contains("odd.bin: neither text nor image"));
    let made = values(&String::from_utf8(output.stdout).unwrap());
    let (image, text) = (&made[0], &made[1]);
    assert_eq!(
        (&image["custom_id"], &text["custom_id"]),
        (&json!("deep/two.PNG"), &json!("one.txt"))
    );
    let parts = &image["body"]["messages"][0]["content"];
    assert_eq!(parts[0]["text"], json!("Read deep/two.PNG: "));
    assert_eq!(
        parts[1]["image_url"]["url"],
        json!("data:image/png;base64,cGl4ZWxz")
    );
    assert_eq!(
        text["body"]["messages"][0]["content"],
        json!("Read one.txt: First.")
    );
    assert_eq!(made.len(), 2);
}

#[test]
fn the_failed_lines_of_a_run_become_an_input_again() {
    let desk = Desk::new();
    write_lines(&desk.path("in.jsonl"), 3);
    let failed = [result("line-1", 500, "down"), result("line-9", 400, "no")];
    write(&desk.path("out.errors.jsonl"), failed);
    let output = desk.run(&["retry-failed", "out.errors.jsonl", "--input", "in.jsonl"]);
    check_code(&output, 0);
    assert!(stderr_of(&output).contains("1 of 2 failed lines are of no line of in.jsonl"));
    let whole = desk.read("in.jsonl");
    let again = String::from_utf8(output.stdout).unwrap();
    assert_eq!(again.trim_end(), whole.lines().nth(1).unwrap());
    let more = ["--set", "max_tokens=9", "--model", "other"];
    let arguments = [
        "retry-failed",
        "out.errors.jsonl",
        "--input",
        "in.jsonl",
        "-q",
    ];
    let changed = values(&desk.stdout(0, &[&arguments[..], &more].concat()));
    let body = &changed[0]["body"];
    assert_eq!(
        (&body["max_tokens"], &body["model"]),
        (&json!(9), &json!("other"))
    );
    check_code(&desk.run(&["retry-failed", "out.errors.jsonl"]), 2);
}

#[test]
fn whoever_stops_reading_is_no_error() {
    let desk = Desk::new();
    write_lines(&desk.path("in.jsonl"), 5_000);
    let mut command = overnight(Path::new(desk.0.path()));
    command.args(["sample", "-q", "-n", "5000", "in.jsonl"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    check_code(&output, 0);
    assert_eq!(stderr_of(&output), "");
}
