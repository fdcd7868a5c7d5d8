//! The commands that ask a server: submit, watch, list, show, results, cancel, files, upstreams, doctor.

#![cfg(test)]

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};
use support::input::{chat_line, check_each_once, read, write, write_lines};
use support::keys::{MadeKey, write_config};
use support::{TestServer, check_code, overnight, stderr_of, until};

/// A server on a simulator that is as fast as it goes, and whoever asks it.
struct Desk {
    server: TestServer,
}

impl Desk {
    fn new() -> Self {
        Self::with("[sim]\nttft_ms = 0\ntpot_ms = 0\n")
    }

    /// With that configuration besides.
    fn with(config: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), config).unwrap();
        let path = file.path().display().to_string();
        let server = TestServer::start(|arguments| {
            arguments.extend(["--upstream", "sim", "--config", &path].map(str::to_owned));
        });
        Self { server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.server.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = overnight(self.server.folder.path());
        command.env_remove("OPENAI_API_KEY");
        command.env("OPENAI_BASE_URL", format!("{}/v1", self.server.base_url));
        command.args(arguments).output().unwrap()
    }

    /// Runs a command that ends with that code; answers its stdout.
    fn stdout(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        check_code(&output, code);
        String::from_utf8(output.stdout).unwrap()
    }

    fn jsons(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.stdout(0, arguments);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A line that the simulator refuses.
fn refused_line(id: &str) -> Value {
    let mut line = chat_line(id);
    line["body"]["messages"] = json!("none");
    line
}

#[test]
fn a_file_is_submitted_watched_and_its_results_are_fetched() {
    let desk = Desk::new();
    write_lines(&desk.path("in.jsonl"), 40);
    let arguments = ["submit", "in.jsonl", "--metadata", "run=one", "--wait"];
    let output = desk.run(&arguments);
    check_code(&output, 0);
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(id.starts_with("batch_") && !id.contains('\n'), "{id}");
    let told = stderr_of(&output);
    assert!(told.contains("40 of 40 lines ok, 0 failed"), "{told}");

    let ending = &id[id.len() - 8..];
    let shown = &desk.jsons(&["show", "--json", ending])[0];
    assert_eq!(
        (&shown["id"], &shown["metadata"]),
        (&json!(id), &json!({ "run": "one" }))
    );
    let text = desk.stdout(0, &["show"]);
    assert!(
        text.contains("40 of 40 ended (100.0 %), 40 ok, 0 failed"),
        "{text}"
    );

    desk.stdout(0, &["results", "@last", "-o", "out.jsonl"]);
    check_each_once(&read(&desk.path("out.jsonl")), 40);
    assert_eq!(
        desk.stdout(0, &["results", &id]),
        fs::read_to_string(desk.path("out.jsonl")).unwrap()
    );
    let followed = desk.stdout(0, &["results", &id, "--follow"]);
    assert_eq!(
        followed,
        fs::read_to_string(desk.path("out.jsonl")).unwrap()
    );
    let ordered = desk.stdout(0, &["results", &id, "--order", "input"]);
    let names: Vec<String> = ordered
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["custom_id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let expected: Vec<String> = (0..40).map(|number| format!("line-{number}")).collect();
    assert_eq!(names, expected);
    desk.stdout(0, &["verify", "in.jsonl", "out.jsonl"]);
    assert_eq!(desk.stdout(0, &["results", &id, "--errors"]), "");
    let table = desk.stdout(
        0,
        &["results", &id, "--format", "csv", "--select", "status"],
    );
    assert!(
        table.starts_with("id,status\nline-") && table.lines().count() == 41,
        "{table}"
    );
    check_parquet(&desk, &id);

    let listed = desk.jsons(&["list", "--json"]);
    assert_eq!((listed.len(), &listed[0]["id"]), (1, &json!(id)));
    let table = desk.stdout(0, &["list", "--status", "completed", "--search", "ONE"]);
    assert!(table.starts_with("ID ") && table.contains(&id), "{table}");
    assert_eq!(desk.stdout(0, &["list", "--active"]), "");
    check_filters(&desk);
}

/// Checks that the 40 results of a batch come as Parquet.
fn check_parquet(desk: &Desk, id: &str) {
    let parquet = ["results", id, "--format", "parquet", "-o", "out.parquet"];
    desk.stdout(0, &parquet);
    let again = desk.jsons(&[
        "convert",
        "out.parquet",
        "--id",
        "custom_id",
        "--model",
        "sim",
        "--user",
        "{status_code} {finish_reason}",
    ]);
    assert_eq!(again.len(), 40);
    let text = &again[0]["body"]["messages"][0]["content"];
    assert!(text.as_str().unwrap().starts_with("200 "), "{text}");
}

/// Checks what a list finds of one batch that has ended.
fn check_filters(desk: &Desk) {
    let found = |arguments: &[&str]| {
        let arguments = [&["list", "--json"], arguments].concat();
        desk.jsons(&arguments).len()
    };
    for arguments in [
        ["--tag", "run=one"],
        ["--model", "sim"],
        ["--since", "1h"],
        ["--since", "2020-02-29"],
        ["--search", "in.jsonl"],
    ] {
        assert_eq!(found(&arguments), 1, "{arguments:?}");
    }
    for arguments in [
        ["--tag", "run=two"],
        ["--model", "other"],
        ["--since", "9999-12-31"],
        ["--status", "failed,expired"],
    ] {
        assert_eq!(found(&arguments), 0, "{arguments:?}");
    }
    check_code(&desk.run(&["list", "--since", "yesterday"]), 2);
    check_code(&desk.run(&["list", "--status", "done"]), 1);
}

#[test]
fn lists_go_on_from_page_to_page() {
    let desk = Desk::new();
    write_lines(&desk.path("in.jsonl"), 1);
    let file = desk.stdout(0, &["files", "upload", "-q", "in.jsonl"]);
    for number in 0..103 {
        let new = json!({
            "input_file_id": file.trim(), "endpoint": "/v1/chat/completions",
            "completion_window": "24h", "metadata": { "number": format!("{}", number % 2) },
        });
        assert_eq!(desk.server.post("/v1/batches", &new).status, 200);
    }
    let listed = |arguments: &[&str]| {
        let arguments = [&["list", "--json"], arguments].concat();
        desk.jsons(&arguments).len()
    };
    assert_eq!(listed(&["--all"]), 103);
    assert_eq!(listed(&["-n", "102"]), 102);
    assert_eq!(listed(&["--all", "--tag", "number=1"]), 51);
    assert_eq!(listed(&["-n", "50", "--tag", "number=0"]), 50);
    let table = desk.stdout(0, &["list", "--all"]);
    let heads = table.lines().filter(|line| line.starts_with("ID ")).count();
    assert_eq!((heads, table.lines().count()), (1, 104));
}

#[test]
fn exit_codes_say_how_a_batch_ended() {
    let desk = Desk::with("[sim]\nttft_ms = 0\ntpot_ms = 0\n");
    write(
        &desk.path("mixed.jsonl"),
        [chat_line("a"), refused_line("b")],
    );
    desk.stdout(3, &["submit", "mixed.jsonl", "--wait"]);
    desk.stdout(0, &["watch", "@last"]);
    desk.stdout(3, &["watch", "@last", "--exit-status", "--json"]);
    let failed = desk.stdout(0, &["results", "--errors"]);
    assert!(failed.contains("\"custom_id\":\"b\""), "{failed}");

    let mut unknown = chat_line("a");
    unknown["body"]["model"] = json!("nobody-serves-it");
    write(&desk.path("refused.jsonl"), [unknown]);
    let output = desk.run(&["submit", "refused.jsonl", "--wait"]);
    check_code(&output, 6);
    let told = stderr_of(&output);
    assert!(
        told.contains("line 1: The provided model 'nobody-serves-it'"),
        "{told}"
    );

    fs::write(desk.path("broken.jsonl"), "{}\n").unwrap();
    let output = desk.run(&["submit", "broken.jsonl"]);
    check_code(&output, 6);
    let told = stderr_of(&output);
    assert!(
        told.contains("broken.jsonl:1:2") && told.contains("nothing was sent"),
        "{told}"
    );
    check_code(&desk.run(&["show", "batch_none"]), 1);
    check_code(&desk.run(&["show", "../x"]), 2);
}

#[test]
fn a_batch_is_cancelled_and_what_ended_is_kept() {
    let desk =
        Desk::with("[sim]\nttft_ms = 100\ntpot_ms = 0\nslots = 4\n[grace]\ncancel = \"0s\"\n");
    write_lines(&desk.path("in.jsonl"), 2_000);
    let id = desk
        .stdout(0, &["submit", "-q", "in.jsonl"])
        .trim()
        .to_owned();
    until("some lines to have ended", || {
        desk.jsons(&["show", "--json", &id])[0]["request_counts"]["completed"].as_u64() > Some(0)
    });
    let output = desk.run(&["cancel", &id, "--wait"]);
    check_code(&output, 0);
    desk.stdout(5, &["watch", &id, "--exit-status"]);
    let kept = desk.stdout(0, &["results", &id]);
    assert!((1..2_000).contains(&kept.lines().count()));
    let output = desk.run(&["watch", &id]);
    assert!(stderr_of(&output).contains("cancelled"));
}

#[test]
fn files_are_sent_shown_fetched_and_deleted() {
    let desk = Desk::new();
    write_lines(&desk.path("in \"1\".jsonl"), 3);
    let whole = fs::read_to_string(desk.path("in \"1\".jsonl")).unwrap();
    let id = desk
        .stdout(0, &["files", "upload", "in \"1\".jsonl"])
        .trim()
        .to_owned();
    let shown = &desk.jsons(&["files", "show", "--json", &id])[0];
    assert_eq!(shown["bytes"], json!(whole.len()));
    assert_eq!(shown["purpose"], json!("batch"));
    let ending = &id[id.len() - 6..];
    assert_eq!(desk.stdout(0, &["files", "download", ending]), whole);
    let listed = desk.stdout(0, &["files", "list", "--purpose", "batch"]);
    assert!(listed.contains(&id), "{listed}");
    desk.stdout(0, &["files", "delete", &id]);
    check_code(&desk.run(&["files", "show", &id]), 1);
    assert_eq!(desk.stdout(0, &["files", "list"]), "");
}

#[test]
fn upstreams_are_listed_and_the_doctor_asks_them() {
    let desk = Desk::new();
    until("the upstream to have been asked", || {
        let listed = desk.jsons(&["upstreams", "list", "--json"]);
        listed
            .iter()
            .any(|upstream| upstream["models"] == json!(["sim"]))
    });
    assert!(desk.stdout(0, &["upstreams", "list"]).contains("healthy"));
    let found = desk.jsons(&[
        "doctor",
        "--json",
        "--data",
        "elsewhere",
        "--upstream",
        "sim",
    ]);
    let texts: Vec<&str> = found
        .iter()
        .map(|check| check["text"].as_str().unwrap())
        .collect();
    assert!(
        texts
            .iter()
            .any(|text| text.contains("serves 1 model: sim")),
        "{texts:?}"
    );
    assert!(
        texts.iter().any(|text| text.contains("sim answers, in")),
        "{texts:?}"
    );
    assert!(
        found.iter().all(|check| check["finding"] != "error"),
        "{found:?}"
    );
    let away = [
        "doctor",
        "--data",
        "data",
        "--upstream",
        "http://127.0.0.1:1",
    ];
    let output = desk.run(&away);
    check_code(&output, 1);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("a server uses it at present"), "{told}");
    assert!(told.contains("error upstream 127.0.0.1:1"), "{told}");
}

#[test]
fn upstreams_are_tried_step_by_step() {
    let desk = Desk::new();
    let steps = |code: i32, arguments: &[&str]| {
        let text = desk.stdout(code, arguments);
        let found = text.lines().map(|line| {
            let check: Value = serde_json::from_str(line).unwrap();
            let text = check["text"].as_str().unwrap().to_owned();
            (check["step"].clone(), check["finding"].clone(), text)
        });
        found.collect::<Vec<_>>()
    };
    // The simulator embeds and chats; its name says nothing, so it is asked to chat.
    let found = steps(0, &["upstreams", "test", "--json", "sim"]);
    let expected = [
        ("connect", "connected, in "),
        ("models", "serves 1 model: sim"),
        ("request", "sim answers, in "),
        ("gauges", "has gauges: 0 running, 0 waiting"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((step, finding, text), (name, begins)) in found.iter().zip(expected) {
        assert_eq!((step, finding), (&json!(name), &json!("ok")), "{text}");
        assert!(text.starts_with(begins), "{text}");
    }
    fs::write(
        desk.path("overnight.toml"),
        "[[upstreams]]\nname = \"good\"\nurl = \"sim\"\n\
         [[upstreams]]\nname = \"bad\"\nurl = \"http://127.0.0.1:1\"\n",
    )
    .unwrap();
    let output = desk.run(&["upstreams", "test"]);
    check_code(&output, 1);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("ok    upstream good: sim answers"), "{told}");
    assert!(
        told.contains("error upstream bad: cannot be reached (http://127.0.0.1:1): ")
            && told.contains("is the server running"),
        "{told}"
    );
    assert!(stderr_of(&output).contains("1 thing is wrong"));
    // By its name, so that the settings of it count.
    let found = steps(0, &["upstreams", "test", "--json", "--no-request", "good"]);
    assert_eq!(found.len(), 3, "{found:?}");
    // A server of batches is none of inference, though it lists models.
    until("the server to know its models", || {
        desk.server.get("/v1/models").text().contains("sim")
    });
    let odd = desk.server.base_url.clone();
    let found = steps(0, &["upstreams", "test", "--json", &odd]);
    let request = found.iter().find(|(step, ..)| *step == "request").unwrap();
    assert_eq!(request.1, "note", "{}", request.2);
    assert!(
        request.2.contains("neither chats, nor embeds"),
        "{}",
        request.2
    );
}

#[test]
fn causes_are_told_and_the_failed_lines_run_again() {
    let desk = Desk::new();
    let lines = [
        chat_line("a"),
        refused_line("b"),
        refused_line("c"),
        chat_line("d"),
    ];
    write(&desk.path("in.jsonl"), lines.clone());
    let id = desk.stdout(3, &["submit", "-q", "in.jsonl", "--wait"]);
    let id = id.trim();
    let causes = desk.jsons(&["errors", "--json", id]);
    assert_eq!((causes.len(), &causes[0]["count"]), (1, &json!(2)));
    assert_eq!(causes[0]["first_line"], json!(2));
    let told = desk.stdout(0, &["errors", id]);
    assert!(told.starts_with("1. 2 lines, status 400"), "{told}");
    let failed = desk.jsons(&["errors", "--lines", "1", "--json", id]);
    let names: Vec<&Value> = failed.iter().map(|line| &line["custom_id"]).collect();
    assert_eq!(names, [&json!("b"), &json!("c")]);
    assert!(desk.stdout(0, &["errors", id, "--lines"]).contains("LINE"));
    check_code(&desk.run(&["errors", "--lines", "2", id]), 1);
    desk.stdout(
        0,
        &[
            "errors",
            id,
            "--export-inputs",
            "again.jsonl",
            "--cause",
            "1",
        ],
    );
    assert_eq!(read(&desk.path("again.jsonl")), lines[1..3]);
    assert_eq!(desk.stdout(0, &["verify", id]), "");

    let messages = "messages=[{\"role\":\"user\",\"content\":\"mended\"}]";
    let arguments = [
        "retry-failed",
        id,
        "--cause",
        "1",
        "--set",
        messages,
        "--wait",
    ];
    let child = desk.stdout(0, &arguments);
    let child = child.trim();
    let shown = desk.stdout(0, &["show", child]);
    assert!(
        shown.contains("2 of 2 ended") && shown.contains(id),
        "{shown}"
    );
    assert!(desk.stdout(0, &["show", id]).contains(child));
    desk.stdout(0, &["results", id, "-o", "one.jsonl"]);
    desk.stdout(0, &["results", child, "-o", "two.jsonl"]);
    desk.stdout(0, &["verify", "in.jsonl", "one.jsonl", "two.jsonl"]);
    check_code(&desk.run(&["retry-failed", child]), 1);
}

#[test]
fn a_batch_is_paused_resumed_and_deleted() {
    let desk = Desk::with("[sim]\nttft_ms = 100\ntpot_ms = 0\nslots = 4\n");
    write_lines(&desk.path("in.jsonl"), 100);
    let id = desk
        .stdout(0, &["submit", "-q", "in.jsonl"])
        .trim()
        .to_owned();
    let told = stderr_of(&desk.run(&["pause", &id]));
    assert!(told.contains("is paused"), "{told}");
    assert!(
        desk.stdout(0, &["show", &id])
            .contains("`overnight resume`")
    );
    check_code(&desk.run(&["delete", &id]), 1);
    assert_eq!(desk.stdout(0, &["resume", &id]).trim(), id);
    desk.stdout(0, &["watch", "-q", &id, "--exit-status"]);
    desk.stdout(0, &["delete", &id]);
    assert_eq!(desk.stdout(0, &["list"]), "");
}

#[test]
fn a_key_that_is_missing_or_a_server_that_is_away_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let key = MadeKey::new(folder.path(), &[]);
    let config = write_config(folder.path(), &[&key]);
    let desk = Desk::with(&fs::read_to_string(config).unwrap());
    let output = desk.run(&["list"]);
    check_code(&output, 4);
    assert!(
        stderr_of(&output).contains("--key"),
        "{}",
        stderr_of(&output)
    );
    desk.stdout(4, &["list", "--key", "sk-wrong"]);
    assert_eq!(desk.stdout(0, &["list", "--key", &key.key]), "");
    let output = desk.run(&["list", "--server", "http://127.0.0.1:1"]);
    check_code(&output, 1);
    let told = stderr_of(&output);
    assert!(
        told.contains("Connection refused") && told.contains("`overnight serve`"),
        "{told}"
    );
    check_code(&desk.run(&["list", "--server", "127.0.0.1"]), 2);

    // A profile holds both. The server that the variable names is stronger than the file's own profile.
    fs::create_dir(desk.path("overnight")).unwrap();
    fs::write(desk.path("overnight/lab.key"), &key.key).unwrap();
    let url = &desk.server.base_url;
    let profiles = format!("[profiles.lab]\nserver = \"{url}\"\nkey_file = \"lab.key\"\n");
    fs::write(desk.path("overnight/config.toml"), profiles).unwrap();
    assert_eq!(desk.stdout(0, &["list", "--profile", "lab"]), "");
    let shown = desk.jsons(&["config", "show", "--json", "--profile", "lab"]);
    let client: Vec<&Value> = shown
        .iter()
        .filter(|entry| entry["of"] == "client")
        .collect();
    let file = desk.path("overnight/config.toml");
    let file = file.display();
    let expected = [
        ("profile", json!("lab"), "flag", "--profile".to_owned()),
        ("server", json!(url), "file", format!("{file}:2")),
        ("key", json!("***"), "file", format!("{file}:3")),
    ];
    for (entry, (name, value, source, origin)) in client.into_iter().zip(expected) {
        let expected = json!({
            "of": "client", "key": name, "value": value, "source": source, "origin": origin,
        });
        assert_eq!(entry, &expected);
    }
    let text = desk.stdout(0, &["config", "show", "--profile", "lab"]);
    assert!(
        text.contains("# key = \"***\"") && !text.contains(&key.key),
        "{text}"
    );
    check_code(&desk.run(&["list", "--profile", "none"]), 2);
}

#[test]
fn the_reference_of_the_command_line_is_what_the_commands_say() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = overnight(folder.path()).args(arguments).output().unwrap();
        check_code(&output, 0);
        String::from_utf8(output.stdout).unwrap()
    };
    let written = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    assert!(
        fs::read_to_string(written).unwrap() == run(&["manual", "--markdown"]),
        "docs/cli.md is out of date: overnight manual --markdown > docs/cli.md"
    );
    run(&["manual", "--to", "pages"]);
    let page = fs::read_to_string(folder.path().join("pages/overnight-submit.1")).unwrap();
    assert!(page.contains("overnight\\-submit"), "{page}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            run(&["completions", shell]).contains("retry-failed"),
            "{shell}"
        );
    }
}
