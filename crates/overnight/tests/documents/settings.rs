//! Blocks of settings are what the server takes.

use std::fs;
use std::process::Command;

/// Checks a block as the command does that reads it: a file with profiles is the user's, all others are the
/// server's.
#[track_caller]
pub(crate) fn check(place: &str, text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let is_of_user = text.contains("[profiles.");
    // Lest a page have to repeat it: a server has an upstream.
    let upstream = if is_of_user || text.contains("upstreams") {
        ""
    } else {
        "upstreams = [\"sim\"]\n"
    };
    let (name, command) = if is_of_user {
        ("overnight/config.toml", "show")
    } else {
        ("overnight.toml", "check")
    };
    fs::create_dir(folder.path().join("overnight")).unwrap();
    fs::write(folder.path().join(name), format!("{upstream}{text}")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_overnight"))
        .args(["config", command])
        .current_dir(folder.path())
        .env_clear()
        .env("XDG_CONFIG_HOME", folder.path())
        .env("EXAMPLE_API_KEY", "a-key")
        .env("LAB_KEY", "a-key")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{place}: {told}");
}
