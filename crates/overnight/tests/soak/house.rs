//! The server and its simulators, which are killed and disturbed while they run.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use overnight_core::segment::BlobKey;
use overnight_core::time::Timestamp;
use overnight_store::blocking::Blocking;
use overnight_store::{Blobs, Sqlite, Store as _};
use tempfile::TempDir;

use crate::samples::descriptors;
use crate::support::{Process, http, overnight};

/// How the simulators misbehave in turn, for some seconds each; `kill` ends and restarts the process.
const FAULTS: [&str; 8] = [
    "normal",
    "status:500",
    "normal",
    "reset",
    "kill",
    "refuse",
    "normal",
    "status:429",
];

/// How long a fault lasts: over before the same simulator has the next.
const FAULT_MS: u64 = 1500;

/// A process that can be killed and started again at the same port.
struct Seat {
    process: Process,
    arguments: Vec<String>,
    port: u16,
}

impl Seat {
    /// Starts it on a port that was free just before.
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        arguments.extend(["--listen".to_owned(), format!("127.0.0.1:{port}")]);
        let process = run(folder, &arguments);
        Self {
            process,
            arguments,
            port,
        }
    }

    fn kill(&mut self, folder: &Path) {
        self.process.kill9();
        self.process = run(folder, &self.arguments);
    }

    /// Lets a simulator behave in a way for [`FAULT_MS`].
    fn behave(&self, mode: &str) {
        let for_ms = FAULT_MS;
        let body = format!(r#"{{"mode":"{mode}","for_ms":{for_ms}}}"#);
        let headers = [("content-type", "application/json")];
        let url = self.url();
        let reply = http::request(&url, "POST", "/sim/mode", &headers, body.as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn run(folder: &Path, arguments: &[String]) -> Process {
    let mut command: Command = overnight(folder);
    command.args(arguments);
    let mut process = Process::start(command, folder);
    process.first_line();
    process
}

/// A server that has nothing to do holds fewer descriptors.
const IDLE_DESCRIPTORS_MAX: u64 = 64;

/// Connections without a request are closed after one and a half minutes.
const IDLE_PATIENCE: Duration = Duration::from_mins(4);

/// The server, its simulators and its folder.
pub(crate) struct House {
    server: Seat,
    sims: Vec<Seat>,
    /// How often there was a disturbance.
    turn: usize,
    /// Where the server answers.
    pub(crate) base_url: String,
    folder: TempDir,
}

impl House {
    /// Starts everything.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flags = ["--ttft-ms", "20", "--tpot-ms", "1", "--fail-rate", "0.02"];
        let sims: Vec<Seat> = ["alpha", "beta", "alpha"]
            .iter()
            .map(|model| {
                let all = [&["sim", "--models", model][..], &flags[..]].concat();
                Seat::start(folder.path(), &all)
            })
            .collect();
        let mut config = "data = \"data\"\nwindows = [\"24h\", \"2s\"]\n\
            [log]\nlevel = \"warn\"\n[grace]\ncancel = \"1s\"\nexpiry = \"1s\"\n"
            .to_owned();
        for sim in &sims {
            writeln!(config, "[[upstreams]]\nurl = \"{}\"", sim.url()).unwrap();
        }
        std::fs::write(folder.path().join("overnight.toml"), config).unwrap();
        let server = Seat::start(folder.path(), &["serve"]);
        Self {
            base_url: server.url(),
            server,
            sims,
            turn: 0,
            folder,
        }
    }

    /// The server's process.
    pub(crate) const fn server_pid(&self) -> u32 {
        self.server.process.pid
    }

    /// Kills the server as a power cut would, and starts it again.
    pub(crate) fn kill_server(&mut self) {
        self.server.kill(self.folder.path());
    }

    /// Lets the next simulator misbehave in the next way.
    pub(crate) fn disturb(&mut self) {
        let (sims, turn) = (self.sims.len(), self.turn);
        self.turn += 1;
        let Some(sim) = self.sims.get_mut(turn % sims) else {
            return;
        };
        match FAULTS[turn % FAULTS.len()] {
            "kill" => sim.kill(self.folder.path()),
            mode => sim.behave(mode),
        }
    }

    /// Waits until the server holds hardly more descriptors than one that has done nothing: what it opened for the
    /// load is closed again when that is over.
    pub(crate) fn until_few_descriptors(&self) {
        let began = Instant::now();
        loop {
            let held = descriptors(self.server_pid()).unwrap();
            if held <= IDLE_DESCRIPTORS_MAX {
                return;
            }
            let waited = began.elapsed();
            assert!(
                waited < IDLE_PATIENCE,
                "{held} descriptors {waited:?} after the load"
            );
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// Asks the server to stop, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.server.process.signal("TERM");
        let status = self.server.process.wait();
        assert!(status.success(), "{}", self.server.process.stderr());
    }

    /// The blobs on the disk.
    pub(crate) fn blobs(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join("data/blobs")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path);
                }
            }
        }
        found
    }

    /// Lets everything that is kept expire, as years would, and checks that no blob is left then: one
    /// that is was forgotten.
    pub(crate) fn check_that_nothing_stays(&self) {
        let data = self.folder.path().join("data");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = Sqlite::open(&data.join("overnight.db"), Blocking::Pool).unwrap();
            let blobs = Blobs::folder(&data.join("blobs")).unwrap();
            let newest = store.newest().await.unwrap().unwrap();
            for months in 2..6 {
                let then = newest.plus(Duration::from_hours(months * 31 * 24));
                expire(&store, then).await;
                sweep_unnamed(&store, &blobs).await;
                for blob in store.garbage(usize::MAX >> 1, then).await.unwrap() {
                    blobs.delete(&blob).await.unwrap();
                    store.forget_garbage(&[blob]).await.unwrap();
                }
            }
        });
        let left = self.blobs();
        assert!(
            left.is_empty(),
            "{} blobs are left, such as {:?}",
            left.len(),
            left[0]
        );
    }
}

async fn expire(store: &Sqlite, then: Timestamp) {
    let many = 1_000_000;
    store.expire_files(many, then).await.unwrap();
    store.expire_uploads(many, then).await.unwrap();
    store
        .forget_batches(Duration::ZERO, many, then)
        .await
        .unwrap();
}

/// Deletes what the server wrote but never recorded, because it was killed just then.
async fn sweep_unnamed(store: &Sqlite, blobs: &Blobs) {
    for folder in ["segments", "plans"] {
        let listed: Vec<BlobKey> = blobs.list(folder).map(Result::unwrap).collect().await;
        for blob in store.unnamed(&listed).await.unwrap() {
            blobs.delete(&blob).await.unwrap();
        }
    }
}
