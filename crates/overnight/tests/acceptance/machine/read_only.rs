//! The data folder cannot be written.

use super::Machine;
use super::tmpfs::Tmpfs;
use crate::common::Lines;
use crate::scene::Sim;

#[test]
fn a_folder_that_cannot_be_written_is_refused_and_stays_as_it_is() {
    let sim = Sim::start(1, &[]);
    let mut machine = Machine::new(&format!("[[upstreams]]\nurl = \"{}\"\n", sim.url()));
    let disk = Tmpfs::mount(&machine.data(), 1 << 30);
    let client = machine.start();
    let lines = Lines::new("line", 100);
    let id = client.submit(&lines.bytes());
    client.until_status(&id, "completed");
    machine.process().signal("TERM");
    assert_eq!(machine.process().wait().code(), Some(0));
    let before = machine.files("");

    disk.set_read_only(true);
    let refusal = machine.refused();
    let folder = machine.data();
    let expected = format!("the data folder {} cannot be written", folder.display());
    for text in ["Read-only file system", "--data"] {
        assert!(refusal.contains(text), "{refusal}");
    }
    assert!(
        refusal.contains("cannot be written"),
        "{refusal}, not {expected}"
    );
    assert_eq!(machine.files(""), before);

    disk.set_read_only(false);
    let client = machine.start();
    let ended = client.ended(&client.batch(&id));
    ended.check_each_once(lines.ids());
}
