//! The disk fills up: during an upload, while results are written, and before a batch is sealed.

use serde_json::json;

use super::Machine;
use super::tmpfs::Tmpfs;
use crate::common::{Client, Lines, count_of, status_of};
use crate::scene::Sim;
use crate::support::http;
use crate::support::until;

/// The size of the disk.
const DISK_BYTES: u64 = 24 << 20;

/// A server on a small disk that it may use up to the last byte.
struct SmallDisk {
    // Dropped in this order: the server lets go of the disk.
    machine: Machine,
    disk: Tmpfs,
    sim: Sim,
}

impl SmallDisk {
    fn new(latency_ms: u64) -> Self {
        let sim = Sim::start(latency_ms, &["--slots", "16"]);
        let machine = Machine::new(&format!(
            "disk = {{ reserve = 0 }}\ngrace = {{ cancel = \"1s\" }}\n\
             [[upstreams]]\nurl = \"{}\"\nlimit = 16\n",
            sim.url()
        ));
        let disk = Tmpfs::mount(&machine.data(), DISK_BYTES);
        Self { machine, disk, sim }
    }

    /// The bytes of all blobs, finished or not.
    fn blob_bytes(&self) -> u64 {
        let files = self.machine.files("blobs");
        files.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Waits until the batch says that it waits for room.
    fn until_it_waits(client: &Client, id: &str) {
        until("the batch waits for room", || {
            let progress = client.get(&format!("/v1/batches/{id}/progress")).json();
            progress["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("the disk is nearly full"))
        });
    }
}

#[test]
fn an_upload_that_fills_the_disk_is_refused_and_leaves_nothing() {
    let mut small = SmallDisk::new(1);
    let client = small.machine.start();
    let form = {
        let mut form = b"--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
            --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
            .to_vec();
        let line = b"{\"a\":1}\n";
        while form.len() < 2 * usize::try_from(DISK_BYTES).unwrap() {
            form.extend_from_slice(line);
        }
        form.extend_from_slice(b"\r\n--b--\r\n");
        form
    };
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let reply = http::request(client.base_url(), "POST", "/v1/files", &headers, &form);
    assert_eq!(reply.status, 503, "{}", reply.text());
    let said = reply.json()["error"]["message"].to_string();
    assert!(said.contains("disk is"), "{said}");
    until("nothing is left of it", || small.blob_bytes() == 0);
    assert_eq!(client.get("/v1/files").json()["data"], json!([]));

    let lines = Lines::new("line", 100);
    let id = client.submit(&lines.bytes());
    let ended = client.ended(&client.until_status(&id, "completed"));
    ended.check_each_once(lines.ids());
}

#[test]
fn results_wait_for_room_and_none_is_lost_even_if_the_server_dies_meanwhile() {
    let mut small = SmallDisk::new(4);
    let client = small.machine.start();
    let lines = Lines::new("line", 5_000);
    let id = client.submit(&lines.bytes());
    client.until(&id, "some results", |batch| {
        count_of(batch, "completed") >= 200
    });
    small.disk.fill(0);
    SmallDisk::until_it_waits(&client, &id);
    until("nothing is in flight", || small.sim.stats().in_flight == 0);
    let recorded = count_of(&client.batch(&id), "completed");
    let sent = small.sim.stats().received;
    assert!(sent < lines.count as u64, "it went on sending: {sent}");

    small.machine.process().kill9();
    let refusal = small.machine.refused();
    assert!(refusal.contains("disk is full"), "{refusal}");
    small.disk.make_room();
    let client = small.machine.start();
    assert!(count_of(&client.batch(&id), "completed") >= recorded);
    let ended = client.ended(&client.until_status(&id, "completed"));
    ended.check_each_once(lines.ids());
    let unfinished = small.machine.files("blobs");
    let unfinished = unfinished
        .iter()
        .filter(|(path, _)| path.to_string_lossy().contains('#'));
    assert_eq!(unfinished.count(), 0, "what could not be written is swept");
}

#[test]
fn a_seal_waits_for_room() {
    let mut small = SmallDisk::new(50);
    let client = small.machine.start();
    let lines = Lines::new("line", 20_000);
    let id = client.submit(&lines.bytes());
    client.until(&id, "some results", |batch| {
        count_of(batch, "completed") >= 20
    });
    // Enough to say that it is cancelled, and far too little for the lines that were not run.
    small.disk.fill(512 << 10);
    assert_eq!(status_of(&client.cancel(&id)), "cancelling");
    until("nothing is in flight", || small.sim.stats().in_flight == 0);
    until("the disk is full", || {
        small.machine.process().stderr().contains("No space left")
    });
    assert_eq!(status_of(&client.batch(&id)), "cancelling");
    small.disk.make_room();
    let ended = client.ended(&client.until_status(&id, "cancelled"));
    ended.check_each_once(lines.ids());
}
