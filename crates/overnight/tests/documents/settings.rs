//! Blocks of settings are what the server takes.

use std::fs;
use std::process::Command;

/// Checks a block as `overnight config check` does, which reads no more than the file.
#[track_caller]
pub(crate) fn check(place: &str, text: &str) {
    let folder = tempfile::tempdir().unwrap();
    // Lest a page have to repeat it: a server has an upstream.
    let upstream = if text.contains("upstreams") {
        ""
    } else {
        "upstreams = [\"sim\"]\n"
    };
    fs::write(
        folder.path().join("overnight.toml"),
        format!("{upstream}{text}"),
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_overnight"))
        .args(["config", "check"])
        .current_dir(folder.path())
        .env_clear()
        .env("EXAMPLE_API_KEY", "a-key")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{place}: {told}");
}
