//! The surface against descriptions of it: the official one of OpenAI's API, and its own.
//!
//! ```text
//! fuzzer (Python) ──► overnight ──► its own simulator
//! ```
//!
//! What is asked and what is checked stands in `tests/fuzz`. The official description is no part of
//! this project: it is read from the file that `OFFICIAL_OPENAPI` names. A fuzzer or a description
//! that is not there fails the test; `scripts/fetch-clients` brings the fuzzer.

#![cfg(test)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::TestServer;
use support::keys::{MadeKey, write_config};

/// Where the official description is when nobody says.
const OFFICIAL_OPENAPI: &str = "../shared/openapi.yaml";

/// The top of the source tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a Python program of `tests/fuzz` on a server; with its key, if it asks for one.
fn run(server: &TestServer, key: Option<&MadeKey>, arguments: &[&str]) -> Output {
    let python = root().join("target/parts/python-fuzz/bin/python");
    assert!(python.exists(), "run scripts/fetch-clients first");
    let official = std::env::var_os("OFFICIAL_OPENAPI")
        .map_or_else(|| root().join(OFFICIAL_OPENAPI), PathBuf::from);
    let mut command = Command::new(python);
    if let Some(key) = key {
        command.env("TEST_KEY", &key.key);
    }
    command
        .args(arguments)
        .current_dir(root().join("tests/fuzz"))
        .env("OFFICIAL_OPENAPI", official)
        .env("TEST_BASE_URL", &server.base_url)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn check_passed(output: &Output, expected: &[&str]) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let all = output.status.success() && expected.iter().all(|text| stdout.contains(text));
    assert!(
        all,
        "{}\n{stdout}\n{}",
        output.status,
        support::stderr_of(output)
    );
}

#[test]
fn the_description_is_valid_and_has_the_official_shapes() {
    let pytest = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "test_description.py",
    ];
    let output = run(&TestServer::with_sim(), None, &pytest);
    check_passed(&output, &["3 passed in "]);
}

#[test]
fn no_answer_is_off_the_official_description() {
    let output = run(&TestServer::with_sim(), None, &["run.py", "official"]);
    check_passed(&output, &["Tested: 16\n", "No issues found"]);
}

#[test]
fn no_answer_is_off_the_own_description_and_nothing_is_answered_without_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = MadeKey::new(folder.path(), &["--role", "admin"]);
    let config = write_config(folder.path(), &[&key]);
    let server = TestServer::start(|arguments| {
        arguments.extend(["--upstream", "sim", "--config", &config].map(str::to_owned));
    });
    let output = run(&server, Some(&key), &["run.py", "own"]);
    check_passed(&output, &["Tested: 31\n", "No issues found"]);
}
