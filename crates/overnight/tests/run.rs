//! `overnight run`: every line once, resumable, honest exit codes.

#![cfg(test)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;
use support::input::{chat_line, check_each_once, count, read, write, write_lines};
use support::{Process, TestSim, check_code, http, overnight, stderr_of, until};
use tempfile::TempDir;
use tokio::time::Instant;

/// A folder with an input and the command that runs it.
struct Case {
    folder: TempDir,
    upstream: String,
}

impl Case {
    /// On the simulator inside the process, as fast as it goes.
    fn on_fast_sim() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = "[sim]\nttft_ms = 0\ntpot_ms = 0\nslots = 64\n";
        fs::write(folder.path().join("overnight.toml"), config).unwrap();
        Self {
            folder,
            upstream: "sim".to_owned(),
        }
    }

    /// On a simulator in a process of its own that answers four requests at a time, 20 ms each.
    fn on_slow_sim() -> (Self, TestSim) {
        let folder = tempfile::tempdir().unwrap();
        let flags = ["--slots", "4", "--ttft-ms", "20", "--tpot-ms", "0"];
        let sim = TestSim::start(folder.path(), &flags);
        (
            Self {
                folder,
                upstream: sim.url.clone(),
            },
            sim,
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = overnight(self.folder.path());
        let arguments = [
            "run",
            "in.jsonl",
            "-o",
            "out.jsonl",
            "--upstream",
            &self.upstream,
        ];
        command.args(arguments);
        command
    }

    fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    /// Starts a run, and waits until it has written some results.
    fn start_until(&self, lines: usize) -> Process {
        let process = Process::start(self.command(), self.folder.path());
        until("results", || count(&self.path("out.jsonl")) >= lines);
        process
    }

    fn check_complete(&self, lines: usize) {
        check_each_once(&read(&self.path("out.jsonl")), lines);
        assert!(read(&self.path("out.errors.jsonl")).is_empty());
    }
}

fn check_refused(output: &Output, code: i32, expected: &str) {
    check_code(output, code);
    let stderr = stderr_of(output);
    assert!(
        stderr.contains(expected),
        "{expected:?} is not in:\n{stderr}"
    );
}

#[test]
fn every_line_is_answered_once() {
    let case = Case::on_fast_sim();
    write_lines(&case.path("in.jsonl"), 500);
    let output = case.run();
    check_refused(&output, 0, "500 lines: 500 ok, 0 failed");
    assert!(output.stdout.is_empty());
    case.check_complete(500);
    for result in read(&case.path("out.jsonl")) {
        assert_eq!(result["response"]["status_code"], 200);
        assert_eq!(result["response"]["body"]["usage"]["completion_tokens"], 2);
    }
}

#[test]
fn a_complete_run_says_so_and_changes_nothing() {
    let case = Case::on_fast_sim();
    write_lines(&case.path("in.jsonl"), 10);
    check_code(&case.run(), 0);
    let before = fs::read(case.path("out.jsonl")).unwrap();
    check_refused(&case.run(), 0, "complete already");
    assert_eq!(fs::read(case.path("out.jsonl")).unwrap(), before);
}

#[test]
fn a_quiet_run_says_nothing_but_errors() {
    let case = Case::on_fast_sim();
    write_lines(&case.path("in.jsonl"), 10);
    let quiet = || case.command().arg("-q").output().unwrap();
    for _ in ["first", "again"] {
        let output = quiet();
        check_code(&output, 0);
        assert_eq!(stderr_of(&output), "");
    }
    case.check_complete(10);
    fs::write(case.path("in.jsonl"), "changed").unwrap();
    let output = quiet();
    check_code(&output, 1);
    assert!(stderr_of(&output).starts_with("error: "));
}

#[test]
fn failed_lines_are_told_apart_with_an_exit_code_and_their_cause() {
    let case = Case::on_fast_sim();
    let mut bad = chat_line("bad");
    bad["body"]["max_tokens"] = json!(-1);
    write(
        &case.path("in.jsonl"),
        [chat_line("line-0"), bad, chat_line("line-1")],
    );
    let output = case.run();
    check_refused(&output, 3, "3 lines: 2 ok, 1 failed");
    check_refused(&output, 3, "1 x status 400");
    check_each_once(&read(&case.path("out.jsonl")), 2);
    let failed = read(&case.path("out.errors.jsonl"));
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["custom_id"], "bad");
    check_code(&case.run(), 3);
}

#[test]
fn a_refused_input_is_told_line_by_line_and_leaves_nothing_behind() {
    let case = Case::on_fast_sim();
    let twice = chat_line("line-0");
    fs::write(
        case.path("in.jsonl"),
        format!("{twice}\nnonsense\n{twice}\n"),
    )
    .unwrap();
    let output = case.run();
    check_refused(&output, 6, "in.jsonl:2 invalid_json_line ");
    check_refused(&output, 6, "in.jsonl:3 duplicate_custom_id ");
    for name in ["out.jsonl", "out.errors.jsonl", "out.jsonl.overnight"] {
        assert!(!case.path(name).exists(), "{name} was left behind");
    }
    write_lines(&case.path("in.jsonl"), 3);
    check_code(&case.run(), 0);
    case.check_complete(3);
}

#[test]
fn lines_of_different_endpoints_are_refused() {
    let case = Case::on_fast_sim();
    let mut other = chat_line("line-1");
    other["url"] = json!("/v1/completions");
    write(&case.path("in.jsonl"), [chat_line("line-0"), other]);
    check_refused(&case.run(), 6, "in.jsonl:2 invalid_url ");
}

#[test]
fn a_killed_run_goes_on_where_it_stopped() {
    let (case, sim) = Case::on_slow_sim();
    let lines = 300;
    write_lines(&case.path("in.jsonl"), lines);
    for written in [1, 40, 120] {
        case.start_until(written).kill9();
    }
    let output = case.run();
    check_refused(&output, 0, "going on at");
    case.check_complete(lines);
    // Each kill sends again at most what was in flight, and what had ended but was not recorded.
    let again = sim.requests() - lines;
    assert!(again <= 3 * 120, "{again} lines were sent again");
}

#[test]
fn a_torn_tail_is_cut_before_the_run_goes_on() {
    let (case, _sim) = Case::on_slow_sim();
    write_lines(&case.path("in.jsonl"), 100);
    case.start_until(10).kill9();
    let mut torn = fs::read(case.path("out.jsonl")).unwrap();
    torn.extend_from_slice(b"{\"id\":\"batch_req_torn\",\"custom_id\":\"line-");
    fs::write(case.path("out.jsonl"), torn).unwrap();
    check_code(&case.run(), 0);
    case.check_complete(100);
}

#[test]
fn ctrl_c_records_what_is_in_flight_and_says_how_to_go_on() {
    let (case, sim) = Case::on_slow_sim();
    write_lines(&case.path("in.jsonl"), 200);
    let mut process = case.start_until(10);
    process.signal("INT");
    assert_eq!(process.wait().code(), Some(130));
    let stderr = process.stderr();
    assert!(
        stderr.contains("go on with: overnight run in.jsonl -o out.jsonl"),
        "{stderr}"
    );
    let (written, sent) = (count(&case.path("out.jsonl")), sim.requests());
    assert_eq!(written, sent, "what was in flight is recorded");
    assert!(written < 200);
    check_code(&case.run(), 0);
    case.check_complete(200);
    assert_eq!(sim.requests(), 200, "no line is sent twice");
}

#[test]
fn a_second_ctrl_c_quits_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let sim = TestSim::start(folder.path(), &["--ttft-ms", "600000"]);
    let case = Case {
        folder,
        upstream: sim.url.clone(),
    };
    write_lines(&case.path("in.jsonl"), 2);
    let mut process = Process::start(case.command(), case.folder.path());
    until("both are in flight", || {
        let gauges = http::request(&sim.url, "GET", "/metrics", &[], b"").text();
        let mut lines = gauges.lines();
        lines.any(|line| line.starts_with("vllm:num_requests_running") && line.ends_with(" 2.0"))
    });
    process.signal("INT");
    until("it tells that it stops", || {
        process.stderr().contains("stopping: 2 requests")
    });
    assert!(process.is_running(), "what is in flight is given time");
    let insisted = Instant::now();
    process.signal("INT");
    assert_eq!(process.wait().code(), Some(130));
    assert!(
        insisted.elapsed() < Duration::from_secs(10),
        "it did not wait for the grace"
    );
}

#[test]
fn a_changed_input_is_refused() {
    let (case, _sim) = Case::on_slow_sim();
    write_lines(&case.path("in.jsonl"), 100);
    case.start_until(1).kill9();
    let before = fs::read(case.path("out.jsonl")).unwrap();
    write_lines(&case.path("in.jsonl"), 101);
    check_refused(&case.run(), 1, "was changed since this run began");
    assert_eq!(fs::read(case.path("out.jsonl")).unwrap(), before);
}

#[test]
fn results_that_nothing_is_known_of_are_not_touched() {
    let case = Case::on_fast_sim();
    write_lines(&case.path("in.jsonl"), 1);
    fs::write(case.path("out.jsonl"), "precious\n").unwrap();
    check_refused(&case.run(), 1, "out.jsonl is there already");
    assert_eq!(
        fs::read_to_string(case.path("out.jsonl")).unwrap(),
        "precious\n"
    );
    assert!(!case.path("out.jsonl.overnight").exists());
}

#[test]
fn a_torn_line_behind_the_results_is_cut_off_and_anything_else_is_not() {
    let case = Case::on_fast_sim();
    write_lines(&case.path("in.jsonl"), 10);
    check_code(&case.run(), 0);
    let results = fs::read(case.path("out.jsonl")).unwrap();
    for torn in ["{\"id\":\"ba", "{\"id\":\"batch_req_1", "{\"id\0\0\0"] {
        fs::write(case.path("out.jsonl"), [&results, torn.as_bytes()].concat()).unwrap();
        check_code(&case.run(), 0);
        assert_eq!(fs::read(case.path("out.jsonl")).unwrap(), results);
    }
    for precious in ["precious\n", "{\"id\":\"mine\"}\n", "{\"id\":\"mine\""] {
        let changed = [&results, precious.as_bytes()].concat();
        fs::write(case.path("out.jsonl"), &changed).unwrap();
        check_refused(&case.run(), 1, "holds something else behind");
        assert_eq!(fs::read(case.path("out.jsonl")).unwrap(), changed);
    }
}

#[test]
fn two_runs_do_not_write_one_output() {
    let (case, _sim) = Case::on_slow_sim();
    write_lines(&case.path("in.jsonl"), 200);
    let process = case.start_until(1);
    check_refused(
        &case.run(),
        1,
        &format!("another run (process {})", process.pid),
    );
}

fn check_usage(case: &Case, arguments: &[&str], expected: &str) {
    let output = overnight(case.folder.path())
        .args(arguments)
        .output()
        .unwrap();
    check_refused(&output, 2, expected);
    assert!(!Path::new(&case.path("out.jsonl.overnight")).exists());
}

#[test]
fn wrong_usage_is_explained() {
    let case = Case::on_fast_sim();
    write_lines(&case.path("in.jsonl"), 1);
    check_usage(
        &case,
        &["run", "in.jsonl", "-o", "in.jsonl"],
        "would be overwritten",
    );
    check_usage(&case, &["run", "in.jsonl", "-o", "-"], "regular files");
    check_usage(
        &case,
        &["run", "no.jsonl", "-o", "out.jsonl"],
        "no.jsonl cannot be read",
    );
    check_usage(
        &case,
        &["run", "in.jsonl", "-o", "out.jsonl"],
        "--upstream sim",
    );
    check_usage(
        &case,
        &["run", "in.jsonl", "-o", "out.jsonl", "-c", "no"],
        "`auto` or a number",
    );
}
