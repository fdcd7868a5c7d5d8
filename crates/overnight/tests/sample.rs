//! The sample that the README starts with does what it says, against the simulator and against a real
//! model.

#![cfg(test)]

mod support;

use std::path::Path;
use std::process::Command;

fn sample_works(flags: &[&str], expected: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/sample");
    let output = Command::new(script)
        .args(["--binary", env!("CARGO_BIN_EXE_overnight")])
        .args(flags)
        .output()
        .unwrap();
    support::check_code(&output, 0);
    let answers = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(answers.lines().count(), 20, "{answers}");
    let play = answers.lines().find(|line| line.contains("question-04"));
    assert!(play.unwrap().contains(expected), "{answers}");
    let told = support::stderr_of(&output);
    assert!(told.contains("20 lines answered, 0 failed"), "{told}");
}

#[test]
fn the_sample_runs_on_the_simulator() {
    sample_works(&[], "Simulated answer");
}

#[test]
fn the_sample_runs_on_a_real_model() {
    sample_works(&["--real"], "Shakespeare");
}
