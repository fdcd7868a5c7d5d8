//! A large file through `overnight run`, killed in the middle, and run again.

use std::time::Duration;
use std::{fs, thread};

use tokio::time::Instant;

use crate::common::{Lines, parse_lines};
use crate::support::input::{check_each_once, count};
use crate::support::{Process, TestSim, overnight};
use crate::watch::MemoryWatch;

/// The lines of the file.
const LINES: usize = 100_000;

/// What the process may take while it runs them.
const MEMORY_MAX: u64 = 50_000_000;

/// How long half of the lines may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// Requests in flight.
const IN_FLIGHT: usize = 64;

/// What the kill may cause to be sent again: what is in flight, two times as much for what waits for
/// its flush, and what ends while a flush lasts, which is not slower than half a second at this rate.
const SENT_AGAIN_MAX: usize = 3 * IN_FLIGHT + 5_000;

#[test]
fn a_large_file_survives_a_kill_in_flat_memory() {
    let folder = tempfile::tempdir().unwrap();
    let sim = TestSim::start(
        folder.path(),
        &["--slots", "256", "--ttft-ms", "0", "--tpot-ms", "0"],
    );
    let lines = Lines::new("line", LINES);
    fs::write(folder.path().join("in.jsonl"), lines.bytes()).unwrap();
    let output = folder.path().join("out.jsonl");

    let mut process = start(&folder, &sim);
    let watch = MemoryWatch::start(process.pid);
    until("half of the results", || count(&output) >= LINES / 2);
    process.kill9();
    assert!(count(&output) < LINES, "it was killed in the middle");
    let first_peak = watch.end();

    let mut process = start(&folder, &sim);
    let watch = MemoryWatch::start(process.pid);
    until("the end", || !process.is_running());
    assert_eq!(process.wait().code(), Some(0), "{}", process.stderr());
    let second_peak = watch.end();

    check_each_once(&parse_lines(&fs::read(&output).unwrap()), LINES);
    assert_eq!(count(&folder.path().join("out.errors.jsonl")), 0);
    let again = sim.requests() - LINES;
    println!("peaks {first_peak} and {second_peak} bytes, {again} lines sent again");
    assert!(again <= SENT_AGAIN_MAX, "{again} lines were sent again");
    for peak in [first_peak, second_peak] {
        assert!(peak < MEMORY_MAX, "RssAnon went up to {peak} bytes");
    }
}

fn start(folder: &tempfile::TempDir, sim: &TestSim) -> Process {
    let mut command = overnight(folder.path());
    let concurrency = IN_FLIGHT.to_string();
    command.args(["run", "in.jsonl", "-o", "out.jsonl", "-c", &concurrency]);
    command.args(["--upstream", &sim.url]);
    Process::start(command, folder.path())
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "in vain waited for {what}");
        thread::sleep(Duration::from_millis(100));
    }
}
