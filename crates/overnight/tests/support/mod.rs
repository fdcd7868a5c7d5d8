//! Starts the real binary on free ports and folders of its own, and ends exactly what it started.
//!
//! Every test file is a program of its own and uses a part of this.
#![expect(dead_code, reason = "each test file uses a part of it")]

mod elsewhere;
pub(crate) mod http;
pub(crate) mod input;
pub(crate) mod keys;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use self::elsewhere::Elsewhere;

/// How long a test waits for something that should have happened by then.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The binary, with no configuration but what a test gives it.
pub(crate) fn overnight(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_overnight"));
    command.current_dir(folder).stdin(Stdio::null());
    // The settings of whoever runs the tests are not those of the tests.
    command.env("XDG_CONFIG_HOME", folder);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OVERNIGHT_") {
            command.env_remove(name);
        }
    }
    command
}

/// A process that is killed when the test ends, whichever way.
pub(crate) struct Process {
    child: Child,
    /// Its id.
    pub(crate) pid: u32,
    stderr: PathBuf,
}

impl Process {
    /// Starts a command, its stderr going to a file in the folder.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Self {
        let stderr = folder.join(format!("stderr-{:08x}.log", unique()));
        command
            .stderr(File::create(&stderr).unwrap())
            .stdout(Stdio::piped());
        let child = command.spawn().unwrap();
        Self {
            pid: child.id(),
            child,
            stderr,
        }
    }

    /// The first line of its stdout.
    pub(crate) fn first_line(&mut self) -> String {
        let mut stdout = BufReader::new(self.child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(
            !line.is_empty(),
            "it ended before it was ready:\n{}",
            self.stderr()
        );
        // Nobody reads on, but the process must be able to write.
        thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        line
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        let mut text = String::new();
        File::open(&self.stderr)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    /// Sends a signal: `TERM`, `INT`, `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid.to_string();
        let status = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(status.success(), "the signal was not delivered");
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.wait();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end:\n{}",
                self.stderr()
            );
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number that no other call of this process gets.
fn unique() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A running `overnight serve`.
pub(crate) struct TestServer {
    /// Where it answers: `http://127.0.0.1:PORT`.
    pub(crate) base_url: String,
    /// Its process id; another one after [`Self::restart`].
    pub(crate) pid: u32,
    /// The folder with its data folder, which is `data` in it.
    pub(crate) folder: TempDir,
    process: Process,
    arguments: Vec<String>,
    elsewhere: Option<Elsewhere>,
}

impl TestServer {
    /// Starts a server on a free port and an empty data folder, with the arguments that `add` adds:
    /// at least an upstream.
    pub(crate) fn start(add: impl FnOnce(&mut Vec<String>)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut arguments: Vec<String> = ["serve", "--listen", "127.0.0.1:0", "--data", "data"]
            .map(str::to_owned)
            .into();
        add(&mut arguments);
        let elsewhere = Elsewhere::if_wanted();
        let (process, base_url) = start_server(&arguments, elsewhere.as_ref(), folder.path());
        Self {
            base_url,
            pid: process.pid,
            folder,
            process,
            arguments,
            elsewhere,
        }
    }

    /// Starts a server on the simulator inside its process.
    pub(crate) fn with_sim() -> Self {
        Self::start(|arguments| arguments.extend(["--upstream", "sim"].map(str::to_owned)))
    }

    /// Whether it keeps neither rows nor blobs on a server.
    pub(crate) fn keeps_all_in_its_folder(&self) -> bool {
        self.elsewhere.is_none()
    }

    /// The process, for its signals and its stderr.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn sigterm(&mut self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.wait()
    }

    /// Starts it again on the same data folder, killing it first when it still runs. It listens on another port.
    pub(crate) fn restart(&mut self) {
        if self.process.is_running() {
            self.process.kill9();
        }
        let elsewhere = self.elsewhere.as_ref();
        let (process, base_url) = start_server(&self.arguments, elsewhere, self.folder.path());
        self.pid = process.pid;
        self.process = process;
        self.base_url = base_url;
    }

    /// One request.
    pub(crate) fn get(&self, path: &str) -> http::Reply {
        http::request(&self.base_url, "GET", path, &[], b"")
    }

    /// One request with a JSON body.
    pub(crate) fn post(&self, path: &str, json: &serde_json::Value) -> http::Reply {
        let headers = [("content-type", "application/json")];
        http::request(
            &self.base_url,
            "POST",
            path,
            &headers,
            json.to_string().as_bytes(),
        )
    }
}

fn start_server(
    arguments: &[String],
    elsewhere: Option<&Elsewhere>,
    folder: &Path,
) -> (Process, String) {
    let mut command = overnight(folder);
    command.args(arguments);
    if let Some(elsewhere) = elsewhere {
        elsewhere.apply(&mut command);
    }
    let mut process = Process::start(command, folder);
    let line = process.first_line();
    let url = line
        .trim()
        .strip_prefix("overnight is ready on ")
        .unwrap()
        .to_owned();
    (process, url)
}

/// A running `overnight sim` that logs its requests to `sim.log` in the folder.
pub(crate) struct TestSim {
    /// Where it answers.
    pub(crate) url: String,
    process: Process,
    log: PathBuf,
}

impl TestSim {
    /// Starts a simulator with these flags.
    pub(crate) fn start(folder: &Path, flags: &[&str]) -> Self {
        let log = folder.join("sim.log");
        let mut command = overnight(folder);
        command
            .args(["sim", "--listen", "127.0.0.1:0", "--log"])
            .arg(&log)
            .args(flags);
        let mut process = Process::start(command, folder);
        let line = process.first_line();
        let url = line
            .split(' ')
            .find(|word| word.starts_with("http://"))
            .unwrap()
            .to_owned();
        Self { url, process, log }
    }

    /// How often it was asked so far.
    pub(crate) fn requests(&self) -> usize {
        std::fs::read_to_string(&self.log)
            .unwrap_or_default()
            .lines()
            .count()
    }

    /// Its process.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "in vain waited for: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What a command that ended has written to stderr.
pub(crate) fn stderr_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Checks how a command ended; tells its stderr when it was another way.
pub(crate) fn check_code(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "stderr:\n{}",
        stderr_of(output)
    );
}
