//! The clock jumps: by days, ahead and back, while batches run and between two starts.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Machine;
use crate::common::{Client, Lines, count_of};
use crate::scene::Sim;
use crate::support::{overnight, until};

/// What fakes the clock of a process that it is loaded into.
fn libfaketime() -> PathBuf {
    let libraries = std::fs::read_dir("/usr/lib").unwrap();
    libraries
        .map(|entry| entry.unwrap().path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
        .expect("libfaketime is missing: install Debian's package `faketime`")
}

/// A server whose clock reads what the file `clock` in its folder says, and whose monotonic clock
/// goes on as ever.
fn with_clock(folder: &Path) -> Command {
    let mut command = overnight(folder);
    command
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME_TIMESTAMP_FILE", clock_file(folder))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}

fn clock_file(folder: &Path) -> PathBuf {
    folder.join("clock")
}

/// Sets the clock by so much off the true time.
fn set_clock(folder: &Path, offset: &str) {
    let new = folder.join("clock.new");
    std::fs::write(&new, format!("{offset}\n")).unwrap();
    std::fs::rename(new, clock_file(folder)).unwrap();
}

/// Waits until `/ready` says something of the clock.
fn until_concerned(client: &Client) {
    until("the jump is noticed", || {
        let ready = client.get("/ready");
        ready.status == 503 && ready.text().contains("the clock ")
    });
}

/// A machine whose clock is right so far, and its folder.
fn on_time(sim: &Sim) -> (Machine, PathBuf) {
    let upstream = format!("[[upstreams]]\nurl = \"{}\"\nlimit = 8\n", sim.url());
    let machine = Machine::new(&upstream).started_by(with_clock);
    let folder = machine.folder.path().to_owned();
    set_clock(&folder, "+0d");
    (machine, folder)
}

#[test]
fn no_batch_expires_by_a_clock_that_jumps() {
    let sim = Sim::start(20, &["--slots", "8"]);
    let (mut machine, folder) = on_time(&sim);
    let client = machine.start();
    assert_eq!(client.get("/ready").status, 200);
    for (name, offset) in [("ahead", "+3d"), ("back", "-3d")] {
        let lines = Lines::new(name, 600);
        let id = client.submit(&lines.bytes());
        client.until(&id, "some results", |batch| {
            count_of(batch, "completed") >= 50
        });
        set_clock(&folder, offset);
        until_concerned(&client);
        let ended = client.ended(&client.until_status(&id, "completed"));
        ended.check_each_once(lines.ids());
    }
}

#[test]
fn a_start_with_a_clock_that_is_behind_expires_nothing_and_goes_on() {
    let sim = Sim::start(20, &["--slots", "8"]);
    let (mut machine, folder) = on_time(&sim);
    let client = machine.start();
    let lines = Lines::new("line", 600);
    let id = client.submit(&lines.bytes());
    client.until(&id, "some results", |batch| {
        count_of(batch, "completed") >= 50
    });
    machine.process().kill9();

    set_clock(&folder, "-3d");
    let client = machine.start();
    until_concerned(&client);
    let ended = client.ended(&client.until_status(&id, "completed"));
    ended.check_each_once(lines.ids());
}
