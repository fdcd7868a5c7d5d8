//! Settings: where they come from, and what is said when they are wrong.

#![cfg(test)]

mod support;

use std::fs;
use std::process::Output;

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
    let output = with_config(config, &["config", "check"], &[("THE_KEY", "sk-secret")]);
    check_code(&output, 0);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("THE_KEY") && !shown.contains("sk-secret"),
        "{shown}"
    );
}

#[test]
fn config_check_prints_every_value_with_its_origin_and_masks_secrets() {
    let config = "windows = [\"24h\", \"1h\"]\n[[upstreams]]\nurl = \"http://me:hidden@host:1\"\n\
                  headers = { authorization = \"hidden\" }\n";
    let variables = [("OVERNIGHT_LIMITS__LINES_MAX", "7")];
    let output = with_config(config, &["config", "check"], &variables);
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
}
