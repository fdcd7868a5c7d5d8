//! API keys: who is let in, and what each key sees, through the real binary.

#![cfg(test)]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::http::{self, Reply};
use support::keys::{MadeKey, write_config};
use support::{TestServer, check_code, input, overnight, until};
use tempfile::TempDir;

/// A server with keys, on every address of this machine.
struct Guarded {
    server: TestServer,
    research: MadeKey,
    marketing: MadeKey,
    admin: MadeKey,
    metrics: MadeKey,
    folder: TempDir,
}

impl Guarded {
    fn start() -> Self {
        Self::with(&[])
    }

    fn with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let new = |flags: &[&str]| MadeKey::new(folder.path(), flags);
        let research = new(&["--project", "research", "--name", "notebook"]);
        let marketing = new(&["--project", "marketing"]);
        let admin = new(&["--role", "admin"]);
        let metrics = new(&["--role", "metrics"]);
        let config = write_config(folder.path(), &[&research, &marketing, &admin, &metrics]);
        let server = TestServer::start(|arguments| {
            let given = ["--upstream", "sim", "--config", &config];
            arguments.extend(given.map(str::to_owned));
            arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
            for argument in arguments.iter_mut().filter(|given| *given == "127.0.0.1:0") {
                "0.0.0.0:0".clone_into(argument);
            }
        });
        Self {
            server,
            research,
            marketing,
            admin,
            metrics,
            folder,
        }
    }

    /// A request without a key.
    fn bare(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        http::request(&self.server.base_url, method, path, headers, body)
    }

    fn get(&self, key: &MadeKey, path: &str) -> Reply {
        self.bare("GET", path, &[("authorization", &key.bearer())], b"")
    }

    fn post(&self, key: &MadeKey, path: &str, body: &Value) -> Reply {
        let bearer = key.bearer();
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        self.bare("POST", path, &headers, body.to_string().as_bytes())
    }

    /// Uploads an input file of one line, and answers its id.
    fn upload(&self, key: &MadeKey) -> String {
        let form = form(&format!("{}\n", input::chat_line("line-0")));
        let bearer = key.bearer();
        let headers = [("authorization", bearer.as_str()), FORM];
        let reply = self.bare("POST", "/v1/files", &headers, &form);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    /// Creates a batch over that file, and waits until it has ended.
    fn run(&self, key: &MadeKey, file: &str) -> Value {
        let creation = json!({
            "input_file_id": file,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        });
        let created = self.post(key, "/v1/batches", &creation);
        assert_eq!(created.status, 200, "{}", created.text());
        let path = format!("/v1/batches/{}", created.json()["id"].as_str().unwrap());
        let mut batch = Value::Null;
        until("the batch has ended", || {
            batch = self.get(key, &path).json();
            ["completed", "failed"].contains(&batch["status"].as_str().unwrap())
        });
        batch
    }
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=B");

fn form(content: &str) -> Vec<u8> {
    format!(
        "--B\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
         --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n\
         {content}\r\n--B--\r\n"
    )
    .into_bytes()
}

#[test]
fn a_key_that_was_made_opens_what_nobody_else_can() {
    let guarded = Guarded::start();
    let bearer = guarded.research.bearer();
    let lower = bearer.to_lowercase();
    for header in [
        ("authorization", bearer.as_str()),
        ("authorization", &lower),
        ("api-key", &guarded.research.key),
    ] {
        let reply = guarded.bare("GET", "/v1/files", &[header], b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.head.contains("openai-project: research"));
    }
    let missing = guarded.bare("GET", "/v1/batches", &[], b"");
    assert_eq!(missing.status, 401);
    assert!(missing.head.contains("www-authenticate: Bearer"));
    let message = "Missing bearer or basic authentication in header";
    assert_eq!(missing.json()["error"]["message"], message);
    let wrong = [("authorization", "Bearer sk-overnight-0123456789abcdef")];
    let wrong = guarded.bare("GET", "/v1/models", &wrong, b"").json();
    assert_eq!(wrong["error"]["code"], "invalid_api_key");
    let message = wrong["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("Incorrect API key provided: sk-overn...cdef. "));
    for (method, path) in [("GET", "/nowhere"), ("PUT", "/v1/files"), ("GET", "/")] {
        assert_eq!(guarded.bare(method, path, &[], b"").status, 401, "{path}");
    }
    for path in ["/health", "/ready"] {
        assert_eq!(guarded.bare("GET", path, &[], b"").status, 200, "{path}");
    }
}

#[test]
fn an_upload_with_a_wrong_key_gets_its_401_and_not_a_reset() {
    let guarded = Guarded::start();
    let form = form(&"x".repeat(20_000_000));
    let headers = [("authorization", "Bearer sk-wrong"), FORM];
    let reply = guarded.bare("POST", "/v1/files", &headers, &form);
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json()["error"]["code"], "invalid_api_key");
    let files = guarded.get(&guarded.admin, "/v1/files").json();
    assert_eq!(files["data"], json!([]));
}

#[test]
fn a_project_sees_its_own_and_nothing_of_another() {
    let guarded = Guarded::start();
    let (own, other) = (&guarded.research, &guarded.marketing);
    let file = guarded.upload(own);
    let batch = guarded.run(own, &file);
    assert_eq!(batch["status"], "completed", "{batch}");
    let (id, output) = (batch["id"].as_str(), batch["output_file_id"].as_str());
    let (id, output) = (id.unwrap(), output.unwrap());
    for path in [
        format!("/v1/files/{file}"),
        format!("/v1/files/{file}/content"),
        format!("/v1/files/{output}/content"),
        format!("/v1/batches/{id}"),
        format!("/v1/batches/{id}/results"),
        format!("/v1/batches/{id}/progress"),
    ] {
        assert_eq!(guarded.get(own, &path).status, 200, "{path}");
        assert_eq!(guarded.get(other, &path).status, 404, "{path}");
        // An operator is not of the project either.
        assert_eq!(guarded.get(&guarded.admin, &path).status, 404, "{path}");
    }
    for path in ["/v1/files", "/v1/batches"] {
        let own = guarded.get(own, path).json();
        assert!(!own["data"].as_array().unwrap().is_empty(), "{path}");
        assert_eq!(guarded.get(other, path).json()["data"], json!([]), "{path}");
    }
}

#[test]
fn a_batch_over_another_projects_file_fails_as_over_one_that_never_was() {
    let guarded = Guarded::start();
    let file = guarded.upload(&guarded.research);
    let foreign = guarded.run(&guarded.marketing, &file);
    let never = "file-0000000000000000000000";
    let missing = guarded.run(&guarded.marketing, never);
    assert_eq!(foreign["status"], "failed");
    let same = |batch: &Value, name: &str| batch["errors"].to_string().replace(name, "FILE");
    assert_eq!(same(&foreign, &file), same(&missing, never));
    assert_eq!(foreign["request_counts"], missing["request_counts"]);
    assert_eq!(foreign["model"], missing["model"]);
    // The file was not touched, and its owner runs it.
    let own = guarded.run(&guarded.research, &file);
    assert_eq!(own["status"], "completed");
}

#[test]
fn a_role_may_what_it_is_for() {
    let guarded = Guarded::start();
    let cases = [
        (&guarded.research, [200, 403, 403]),
        (&guarded.admin, [200, 200, 200]),
        (&guarded.metrics, [403, 403, 200]),
    ];
    for (key, expected) in cases {
        let bearer = key.bearer();
        // As a proxy would, so that the metrics need a key.
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-forwarded-for", "10.0.0.1"),
        ];
        let paths = ["/v1/batches", "/admin/upstreams", "/metrics"];
        for (path, expected) in paths.into_iter().zip(expected) {
            let reply = guarded.bare("GET", path, &headers, b"");
            assert_eq!(reply.status, expected, "{path}: {}", reply.text());
        }
    }
}

#[test]
fn metrics_are_open_to_this_machine_and_on_an_address_of_their_own() {
    let mut guarded = Guarded::with(&["--metrics-listen", "127.0.0.1:0"]);
    assert_eq!(guarded.bare("GET", "/metrics", &[], b"").status, 200);
    let forwarded = [("x-forwarded-for", "10.0.0.1")];
    assert_eq!(guarded.bare("GET", "/metrics", &forwarded, b"").status, 401);

    let log = guarded.server.process().stderr();
    let own = "metrics have an address of their own";
    let line = log.lines().find(|line| line.contains(own)).unwrap();
    let url = line.split('"').find(|word| word.starts_with("http://"));
    let ask = |path: &str| http::request(url.unwrap(), "GET", path, &[], b"");
    assert!(ask("/metrics").text().contains("# EOF"));
    assert_eq!(ask("/health").status, 200);
    for path in ["/v1/files", "/v1/models", "/admin/upstreams"] {
        assert_eq!(ask(path).status, 404, "{path}");
    }
}

#[test]
fn a_key_without_its_table_is_no_key_and_its_project_stays() {
    let mut guarded = Guarded::start();
    let file = guarded.upload(&guarded.research);
    let next = MadeKey::new(guarded.folder.path(), &["--project", "research"]);
    write_config(guarded.folder.path(), &[&next]);
    guarded.server.restart();
    let path = format!("/v1/files/{file}");
    assert_eq!(guarded.get(&guarded.research, &path).status, 401);
    assert_eq!(guarded.get(&next, &path).status, 200);
}

#[test]
fn the_log_names_a_key_and_never_shows_it() {
    let mut guarded = Guarded::start();
    guarded.upload(&guarded.research);
    let wrong = [("authorization", "Bearer sk-overnight-wrong-and-yet-secret")];
    assert_eq!(guarded.bare("GET", "/v1/files", &wrong, b"").status, 401);
    assert_eq!(guarded.server.sigterm().code(), Some(0));
    let log = guarded.server.process().stderr();
    assert!(log.contains("key.name=\"notebook\""), "{log}");
    let digits = guarded.research.key.rsplit('-').next().unwrap();
    for secret in [digits, "yet-secret"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn every_key_is_another_and_its_table_is_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--project",
        "research-2.a_b",
        "--name",
        "é \"quoted\"",
        "--role",
        "admin",
    ];
    let (one, two) = (
        MadeKey::new(folder.path(), &flags),
        MadeKey::new(folder.path(), &[]),
    );
    let digits = one.key.strip_prefix("sk-overnight-").unwrap();
    assert!(digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    assert_ne!(one.key, two.key);
    fs::write(
        folder.path().join("overnight.toml"),
        [one.table.as_str(), &two.table].join("\n"),
    )
    .unwrap();
    let shown = overnight(folder.path())
        .args(["config", "show"])
        .output()
        .unwrap();
    check_code(&shown, 0);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.matches("[[keys]]").count(), 2, "{shown}");
    assert!(shown.contains("role = \"admin\"") && shown.contains("overnight.toml:5"));
    for key in [&one, &two] {
        let hash = key.table.split("sha256:").nth(1).unwrap();
        assert!(!shown.contains(&hash[..64]) && !key.table.contains(&key.key));
    }
}

#[test]
fn a_key_of_no_role_or_project_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    for (flags, expected) in [
        (["--role", "root"], "must be one of user, admin, metrics"),
        (["--project", ""], "--project: must be 1 to 64 letters"),
        (
            ["--project", "two\nlines"],
            "--project: must be 1 to 64 letters",
        ),
        (["--name", ""], "--name: must not be empty"),
    ] {
        let mut command = overnight(folder.path());
        let output = command.args(["key", "new"]).args(flags).output().unwrap();
        check_code(&output, 2);
        let stderr = support::stderr_of(&output);
        assert!(stderr.contains(expected), "{stderr}");
        assert!(output.stdout.is_empty(), "no key is made");
    }
}
