//! The product: the real binary on a folder of its own, and what a client does with it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::Bench;
use crate::client::Client;
use crate::input::Lines;
use crate::process::Process;
use crate::trace::Perf;

/// The pause between two looks at a batch, where the moment does not matter much.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// The same where it does.
pub(crate) const CLOSE_LOOK: Duration = Duration::from_millis(1);

/// How long a batch may take.
const PATIENCE: Duration = Duration::from_mins(20);

/// The head and the end of a form with one file.
const FORM: (&str, &str) = (
    "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
     --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n",
    "\r\n--b--\r\n",
);

/// A running server.
pub(crate) struct Server {
    /// Ends before the process does.
    _perf: Option<Perf>,
    pub(crate) process: Process,
    pub(crate) address: String,
    folder: TempDir,
    binary: PathBuf,
}

impl Server {
    /// Starts the binary with this configuration beside what every measure needs: no limits on
    /// files, nothing but warnings in the log.
    pub(crate) fn start(bench: &Bench, configuration: &str) -> anyhow::Result<Self> {
        let folder = bench.scratch()?;
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndata = \"data\"\nlog = {{ level = \"warn\" }}\n\
             limits = {{ lines_max = 0, file_bytes_max = 0, upload_bytes_max = 0 }}\n{configuration}"
        );
        std::fs::write(folder.path().join("overnight.toml"), text)?;
        let (process, address) = serve(&bench.overnight, folder.path())?;
        let perf = match &bench.profiles {
            Some(profiles) => Some(Perf::attach(profiles, process.id())?),
            None => None,
        };
        Ok(Self {
            _perf: perf,
            process,
            address,
            folder,
            binary: bench.overnight.clone(),
        })
    }

    /// Ends the process as a power failure would, and starts another on the same folder.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.process.kill();
        (self.process, self.address) = serve(&self.binary, self.folder.path())?;
        Ok(())
    }

    /// The folder that it keeps everything in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> anyhow::Result<Client> {
        Client::connect(&self.address)
    }

    /// Uploads a file from the disk, and answers its id.
    pub(crate) fn upload(&self, path: &Path) -> anyhow::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        self.upload_of(length, |stream| {
            std::io::copy(&mut file, stream)?;
            Ok(())
        })
    }

    /// Uploads lines as they are made, and answers the file's id.
    pub(crate) fn upload_lines(&self, lines: Lines) -> anyhow::Result<String> {
        self.upload_of(lines.total_bytes(), |stream| lines.write_to(stream))
    }

    fn upload_of(
        &self,
        length: u64,
        write: impl FnOnce(&mut std::net::TcpStream) -> anyhow::Result<()>,
    ) -> anyhow::Result<String> {
        let (head, tail) = FORM;
        let mut client = self.connect()?;
        let length = length + (head.len() + tail.len()) as u64;
        let kind = "multipart/form-data; boundary=b";
        let stream = client.begin("POST", "/v1/files", kind, length)?;
        stream.write_all(head.as_bytes())?;
        write(stream)?;
        stream.write_all(tail.as_bytes())?;
        id(&client.answer()?)
    }

    /// Creates a batch of a file, and answers its id.
    pub(crate) fn create(&self, file: &str) -> anyhow::Result<String> {
        let body = json!({
            "input_file_id": file,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        });
        id(&self.connect()?.post("/v1/batches", &body)?)
    }

    /// Asks that a batch be cancelled.
    pub(crate) fn cancel(&self, batch: &str) -> anyhow::Result<()> {
        let path = format!("/v1/batches/{batch}/cancel");
        self.connect()?.post(&path, &json!({}))?;
        Ok(())
    }

    /// Looks at a batch again and again until it is as wanted.
    pub(crate) fn until(
        &self,
        batch: &str,
        pause: Duration,
        mut is_wanted: impl FnMut(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        let mut client = self.connect()?;
        let path = format!("/v1/batches/{batch}");
        loop {
            let batch = client.get(&path)?;
            if is_wanted(&batch) {
                return Ok(batch);
            }
            let status = batch["status"].as_str();
            let is_over = matches!(
                status,
                Some("completed" | "failed" | "expired" | "cancelled")
            );
            anyhow::ensure!(!is_over, "it ended otherwise: {batch}");
            anyhow::ensure!(Instant::now() < deadline, "it takes too long: {batch}");
            std::thread::sleep(pause);
        }
    }

    /// Waits for a status.
    pub(crate) fn until_status(
        &self,
        batch: &str,
        pause: Duration,
        status: &str,
    ) -> anyhow::Result<Value> {
        self.until(batch, pause, |batch| batch["status"] == status)
    }

    /// Waits until a batch has completed, every line with an answer.
    pub(crate) fn completed(&self, batch: &str, pause: Duration) -> anyhow::Result<Value> {
        let batch = self.until_status(batch, pause, "completed")?;
        let counts = &batch["request_counts"];
        anyhow::ensure!(counts["completed"] == counts["total"], "{batch}");
        Ok(batch)
    }

    /// Creates a batch, waits until it has completed, and answers how long that took.
    pub(crate) fn run(&self, file: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let batch = self.create(file)?;
        self.completed(&batch, LOOK)?;
        Ok(began.elapsed())
    }
}

fn serve(binary: &Path, folder: &Path) -> anyhow::Result<(Process, String)> {
    let mut command = Command::new(binary);
    command.current_dir(folder).arg("serve");
    let (process, line) = Process::start(&mut command)?;
    let url = line.rsplit(' ').next().unwrap_or_default();
    let address = url.strip_prefix("http://").context("no address")?;
    Ok((process, address.to_owned()))
}

fn id(object: &Value) -> anyhow::Result<String> {
    Ok(object["id"].as_str().context("no id")?.to_owned())
}
