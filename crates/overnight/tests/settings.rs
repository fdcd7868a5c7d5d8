//! Settings: where they come from, and what is said when they are wrong.

#![cfg(test)]

mod support;

use std::fs;
use std::process::Output;

use serde_json::{Value, json};
use support::{check_code, overnight, stderr_of};
use tempfile::TempDir;

/// Runs a command in a folder with this configuration file.
fn with_config(config: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder: TempDir = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("overnight.toml"), config).unwrap();
    let mut command = overnight(folder.path());
    command
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn check_refused(output: &Output, expected: &str) {
    check_code(output, 2);
    let stderr = stderr_of(output);
    assert!(
        stderr.contains(expected),
        "{expected:?} is not in:\n{stderr}"
    );
}

#[test]
fn a_wrong_setting_is_named_with_its_file_and_line() {
    let config = "[limits]\n# a comment\nlines_max = \"lots\"\n";
    for command in [
        &["serve", "--upstream", "sim"][..],
        &["config", "check"],
        &["sim"],
    ] {
        let output = with_config(config, command, &[]);
        check_refused(
            &output,
            "overnight.toml:3: limits.lines_max: must be a whole number",
        );
    }
}

#[test]
fn a_setting_that_does_not_exist_is_named_with_its_file_and_line() {
    let output = with_config(
        "listen = \"127.0.0.1:0\"\nlisten_port = 80\n",
        &["serve"],
        &[],
    );
    check_refused(
        &output,
        "overnight.toml:2: listen_port: there is no such setting",
    );
}

#[test]
fn a_wrong_variable_and_a_wrong_flag_are_named() {
    let variables = [("OVERNIGHT_GRACE__CANCEL", "soon")];
    let output = with_config("", &["config", "check"], &variables);
    check_refused(
        &output,
        "OVERNIGHT_GRACE__CANCEL: grace.cancel: must be a length of time",
    );
    let output = with_config(
        "",
        &["serve", "--listen", "nowhere", "--upstream", "sim"],
        &[],
    );
    check_refused(&output, "--listen: listen: must be HOST:PORT");
    let output = with_config("", &["serve", "--upstream", "ftp://host"], &[]);
    check_refused(
        &output,
        "--upstream: upstreams.0.url: must begin with http://",
    );
}

#[test]
fn a_configuration_file_that_is_named_but_missing_is_an_error() {
    let output = with_config("", &["config", "check", "--config", "other.toml"], &[]);
    check_refused(&output, "other.toml: cannot be read");
}

#[test]
fn an_unknown_flag_is_wrong_usage() {
    check_code(&with_config("", &["serve", "--no-such-flag"], &[]), 2);
}

#[test]
fn an_address_that_others_reach_is_refused_without_keys() {
    let arguments = ["serve", "--listen", "0.0.0.0:0", "--upstream", "sim"];
    check_refused(&with_config("", &arguments, &[]), "--no-auth");
}

#[test]
fn a_server_without_an_upstream_says_which_to_give() {
    let output = with_config("", &["serve", "--listen", "127.0.0.1:0"], &[]);
    check_refused(&output, "--upstream http://localhost:8000");
    check_refused(&output, "--upstream sim");
}

#[test]
fn the_variable_of_an_upstreams_key_must_be_set() {
    let config = "[[upstreams]]\nurl = \"http://127.0.0.1:9\"\napi_key_env = \"THE_KEY\"\n";
    let output = with_config(config, &["config", "check"], &[]);
    check_refused(&output, "overnight.toml:3: upstreams.0.api_key_env");
    let output = with_config(config, &["config", "show"], &[("THE_KEY", "sk-secret")]);
    check_code(&output, 0);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("THE_KEY") && !shown.contains("sk-secret"),
        "{shown}"
    );
}

#[test]
fn config_show_prints_every_value_with_its_origin_and_masks_secrets() {
    let config = "windows = [\"24h\", \"1h\"]\n[[upstreams]]\nurl = \"http://me:hidden@host:1\"\n\
                  headers = { authorization = \"hidden\" }\n";
    let variables = [("OVERNIGHT_LIMITS__LINES_MAX", "7")];
    let output = with_config(config, &["config", "show"], &variables);
    check_code(&output, 0);
    let shown = String::from_utf8(output.stdout).unwrap();
    let origin = |key: &str| {
        let line = shown
            .lines()
            .find(|line| line.starts_with(&format!("{key} = ")))
            .unwrap();
        line.rsplit_once(" # ").unwrap().1.to_owned()
    };
    assert_eq!(origin("windows"), "overnight.toml:1");
    assert_eq!(origin("limits.lines_max"), "OVERNIGHT_LIMITS__LINES_MAX");
    assert_eq!(origin("data"), "default");
    assert_eq!(origin("url"), "overnight.toml:3");
    assert!(!shown.contains("hidden"), "{shown}");

    let arguments = ["config", "show", "--json", "--listen", "127.0.0.1:9"];
    let shown = jsons(&with_config(config, &arguments, &variables));
    let one = |key: &str| {
        let mut entries = shown.iter().filter(|entry| entry["key"] == key);
        let entry = entries.next().unwrap();
        json!([entry["value"], entry["source"], entry["origin"]])
    };
    assert_eq!(one("listen"), json!(["127.0.0.1:9", "flag", "--listen"]));
    let variable = "OVERNIGHT_LIMITS__LINES_MAX";
    assert_eq!(one("limits.lines_max"), json!([7, "variable", variable]));
    assert_eq!(
        one("windows"),
        json!([["24h", "1h"], "file", "overnight.toml:1"])
    );
    assert_eq!(one("metrics_listen"), json!([null, "default", "default"]));
    assert!(!json!(shown).to_string().contains("hidden"));
}

/// The lines of a command's stdout.
fn jsons(output: &Output) -> Vec<Value> {
    check_code(output, 0);
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn config_check_says_whether_the_settings_hold() {
    let output = with_config("attempts_max = 3\n", &["config", "check"], &[]);
    check_code(&output, 0);
    assert!(output.stdout.is_empty());
    let told = stderr_of(&output);
    assert!(
        told.starts_with("overnight.toml: all settings hold"),
        "{told}"
    );
    let wrong = "attempts_max = 0\n";
    let output = with_config(wrong, &["config", "check", "--json"], &[]);
    check_code(&output, 2);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!({
        "valid": false,
        "problems": [{
            "key": "attempts_max", "source": "file", "origin": "overnight.toml:1",
            "message": "must be at least 1",
        }],
    });
    assert_eq!(told, expected);
    let told = jsons(&with_config("", &["config", "check", "--json"], &[]));
    assert_eq!(told[0]["valid"], json!(true));
}

#[test]
fn config_init_writes_a_file_that_holds_and_never_takes_the_place_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| overnight(folder.path()).args(arguments).output().unwrap();
    let url = "http://127.0.0.1:9";
    check_code(&run(&["config", "init", "--upstream", url]), 0);
    check_code(&run(&["config", "check"]), 0);
    let shown = jsons(&run(&["config", "show", "--json"]));
    let entry = shown.iter().find(|entry| entry["key"] == "upstreams.0.url");
    let entry = entry.unwrap();
    assert_eq!(
        (&entry["value"], &entry["source"]),
        (&json!(url), &json!("file"))
    );
    let written = fs::read_to_string(folder.path().join("overnight.toml")).unwrap();
    let output = run(&["config", "init"]);
    check_code(&output, 1);
    assert!(stderr_of(&output).contains("overnight.toml is there already"));
    let kept = fs::read_to_string(folder.path().join("overnight.toml")).unwrap();
    assert_eq!(kept, written);
    let output = run(&["config", "init", "--upstream", url, "-"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), written);
}
