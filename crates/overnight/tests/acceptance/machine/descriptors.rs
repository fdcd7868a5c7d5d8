//! The process may open very few files.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Machine;
use crate::common::{Lines, count_of};
use crate::scene::Sim;
use crate::support::overnight;

/// How many files and sockets the server may have open.
const DESCRIPTORS: usize = 64;

fn with_few_descriptors(folder: &Path) -> Command {
    let inner = overnight(folder);
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\""))
        .arg(inner.get_program())
        .current_dir(folder)
        .stdin(Stdio::null());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[test]
fn without_descriptors_things_wait_and_no_line_fails() {
    let sim = Sim::start(20, &["--slots", "256"]);
    // Twice as many requests in flight as there are descriptors, if it went by the setting.
    let mut machine = Machine::new(&format!(
        "[[upstreams]]\nurl = \"{}\"\nlimit = {}\n",
        sim.url(),
        2 * DESCRIPTORS
    ))
    .started_by(with_few_descriptors);
    let client = machine.start();
    let lines = Lines::new("line", 3_000);
    let id = client.submit(&lines.bytes());
    client.until(&id, "some results", |batch| {
        count_of(batch, "completed") >= 50
    });
    // Clients that say nothing take what is left. Those that the server cannot accept wait in the
    // system's queue.
    let address = client.base_url().strip_prefix("http://").unwrap();
    let idle: Vec<TcpStream> = (0..DESCRIPTORS)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let sent = sim.stats().received;
    crate::support::until("it goes on beside them", || {
        sim.stats().received > sent + 200
    });
    drop(idle);
    let ended = client.ended(&client.until_status(&id, "completed"));
    ended.check_each_once(lines.ids());
    assert!(ended.error.is_empty(), "{:?}", ended.error.first());
}
