//! The whole life of a batch by hand, with plain curl, as documents and scripts do it.

#![cfg(test)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::{TestServer, check_code, input, stderr_of, until};
use tempfile::TempDir;

/// A server on the simulator, and a folder to run curl in.
struct Desk {
    server: TestServer,
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            server: TestServer::with_sim(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Runs curl with these words and the URL of a path.
    fn curl(&self, words: &[&str], path: &str) -> Output {
        Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*"])
            .args(words)
            .arg(format!("{}{path}", self.server.base_url))
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// What curl printed, when it ended well.
    fn text(&self, words: &[&str], path: &str) -> String {
        let output = self.curl(words, path);
        check_code(&output, 0);
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, words: &[&str], path: &str) -> Value {
        serde_json::from_str(&self.text(words, path)).unwrap()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Uploads a file of the folder; the id.
    fn upload(&self, words: &[&str], name: &str) -> String {
        let form = format!("file=@{name}");
        let words = [words, &["-F", "purpose=batch", "-F", &form]].concat();
        id_of(&self.json(&words, "/v1/files"))
    }

    fn create(&self, input: &str) -> String {
        let spec = format!(
            r#"{{"input_file_id":"{input}","endpoint":"/v1/chat/completions","completion_window":"24h"}}"#
        );
        let words = ["-H", "content-type: application/json", "-d", &spec];
        id_of(&self.json(&words, "/v1/batches"))
    }

    /// The batch, once it has ended.
    fn ended(&self, id: &str) -> Value {
        let mut batch = Value::Null;
        until("the batch is completed", || {
            batch = self.json(&[], &format!("/v1/batches/{id}"));
            batch["status"] == "completed"
        });
        batch
    }
}

fn id_of(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

fn size_of(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn a_batch_from_end_to_end() {
    let desk = Desk::new();
    input::write_lines(&desk.path("in.jsonl"), 20);
    let file = desk.upload(&[], "in.jsonl");
    let batch = desk.create(&file);
    let ended = desk.ended(&batch);
    assert_eq!(ended["request_counts"]["completed"], 20);
    let output = ended["output_file_id"].as_str().unwrap();
    desk.text(&["-o", "out.jsonl"], &format!("/v1/files/{output}/content"));
    input::check_each_once(&input::read(&desk.path("out.jsonl")), 20);

    let page = desk.json(&["-G", "-d", "limit=1"], "/v1/batches");
    assert_eq!(id_of(&page["data"][0]), batch);
    let cancel = format!("/v1/batches/{batch}/cancel");
    let refused = desk.curl(&["-X", "POST", "-w", "\n%{http_code}"], &cancel);
    assert!(String::from_utf8_lossy(&refused.stdout).ends_with("\n409"));
    let deleted = desk.json(&["-X", "DELETE"], &format!("/v1/files/{file}"));
    assert_eq!(deleted["deleted"], true);
    let gone = desk.curl(&["--fail-with-body"], &format!("/v1/files/{file}"));
    check_code(&gone, 22);
    assert!(String::from_utf8_lossy(&gone.stdout).contains("No such File object"));
}

#[test]
fn a_large_file_goes_up_and_a_broken_download_goes_on() {
    let desk = Desk::new();
    // More than a megabyte: curl asks first whether to send it.
    input::write_lines(&desk.path("in.jsonl"), 20_000);
    let size = size_of(&desk.path("in.jsonl"));
    assert!(size > 2 << 20, "{size} bytes");
    let file = desk.upload(&["-H", "expect: 100-continue"], "in.jsonl");
    let content = format!("/v1/files/{file}/content");

    let whole = fs::read(desk.path("in.jsonl")).unwrap();
    fs::write(desk.path("out.jsonl"), &whole[..whole.len() / 3]).unwrap();
    desk.text(&["-C", "-", "-o", "out.jsonl"], &content);
    assert!(fs::read(desk.path("out.jsonl")).unwrap() == whole);

    let head = desk.text(&["-I"], &content).to_ascii_lowercase();
    assert!(head.contains(&format!("content-length: {size}")), "{head}");
    assert!(head.contains("accept-ranges: bytes"), "{head}");
    let part = desk.text(&["-r", "0-9"], &content);
    assert_eq!(part.as_bytes(), &whole[..10]);
}

#[test]
fn a_file_goes_up_without_a_length() {
    let desk = Desk::new();
    input::write_lines(&desk.path("in.jsonl"), 3);
    let chunked = ["-H", "transfer-encoding: chunked"];
    let file = desk.upload(&chunked, "in.jsonl");
    let file = desk.json(&[], &format!("/v1/files/{file}"));
    assert_eq!(file["bytes"], size_of(&desk.path("in.jsonl")));
}

#[test]
fn a_file_over_the_limit_is_told_so_and_not_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk {
        server: TestServer::start(|arguments| {
            let config = r#"limits = { upload_bytes_max = "1MiB" }"#;
            let path = folder.path().join("overnight.toml");
            fs::write(&path, config).unwrap();
            let path = path.to_str().unwrap();
            arguments.extend(["--upstream", "sim", "--config", path].map(str::to_owned));
        }),
        folder,
    };
    input::write_lines(&desk.path("in.jsonl"), 20_000);
    for words in [
        &["-H", "expect:"][..],
        &["-H", "transfer-encoding: chunked"][..],
    ] {
        let form = [
            "-F",
            "purpose=batch",
            "-F",
            "file=@in.jsonl",
            "-w",
            "\n%{http_code}",
        ];
        let output = desk.curl(&[words, &form].concat(), "/v1/files");
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(answer.ends_with("\n413"), "{answer} {}", stderr_of(&output));
        assert!(answer.contains("too large"), "{answer}");
    }
}
