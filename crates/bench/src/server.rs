//! The product: the real binary on a folder of its own, and what a client does with it.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;

/// The pause between two looks at a batch.
const LOOK: Duration = Duration::from_millis(5);

/// How long a batch may take.
const PATIENCE: Duration = Duration::from_mins(20);

/// A running server.
pub(crate) struct Server {
    pub(crate) process: Process,
    address: String,
    _folder: TempDir,
}

impl Server {
    /// Starts the binary with this configuration beside what every measurement needs: no limits on
    /// files, nothing but warnings in the log.
    pub(crate) fn start(binary: &Path, configuration: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndata = \"data\"\nlog = {{ level = \"warn\" }}\n\
             limits = {{ lines_max = 0, file_bytes_max = 0, upload_bytes_max = 0 }}\n{configuration}"
        );
        std::fs::write(folder.path().join("overnight.toml"), text)?;
        let mut command = Command::new(binary);
        command.current_dir(folder.path()).arg("serve");
        let (process, line) = Process::start(&mut command)?;
        let url = line.rsplit(' ').next().unwrap_or_default();
        let address = url.strip_prefix("http://").context("no address")?;
        Ok(Self {
            process,
            address: address.to_owned(),
            _folder: folder,
        })
    }

    /// Uploads a file, and answers its id.
    pub(crate) fn upload(&self, path: &Path) -> anyhow::Result<String> {
        const HEAD: &str = "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
            --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n";
        const TAIL: &str = "\r\n--b--\r\n";
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len() + (HEAD.len() + TAIL.len()) as u64;
        let kind = "multipart/form-data; boundary=b";
        let mut stream = self.begin("POST", "/v1/files", kind, length)?;
        stream.write_all(HEAD.as_bytes())?;
        std::io::copy(&mut file, &mut stream)?;
        stream.write_all(TAIL.as_bytes())?;
        id(&reply(stream)?)
    }

    /// Creates a batch of a file, and answers its id.
    pub(crate) fn create(&self, file: &str) -> anyhow::Result<String> {
        let body = json!({
            "input_file_id": file,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        });
        id(&self.post("/v1/batches", &body)?)
    }

    /// Asks for a path.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        reply(self.begin("GET", path, "application/json", 0)?)
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = body.to_string();
        let kind = "application/json";
        let mut stream = self.begin("POST", path, kind, body.len() as u64)?;
        stream.write_all(body.as_bytes())?;
        reply(stream)
    }

    /// Waits until a batch has completed, every line with an answer.
    pub(crate) fn completed(&self, id: &str) -> anyhow::Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let batch = self.get(&format!("/v1/batches/{id}"))?;
            match batch["status"].as_str() {
                Some("completed") => {
                    let counts = &batch["request_counts"];
                    anyhow::ensure!(counts["completed"] == counts["total"], "{batch}");
                    return Ok(batch);
                }
                Some("validating" | "in_progress" | "finalizing") => {}
                _ => anyhow::bail!("it ended otherwise: {batch}"),
            }
            anyhow::ensure!(Instant::now() < deadline, "it takes too long: {batch}");
            std::thread::sleep(LOOK);
        }
    }

    /// A connection with the head of a request on it.
    fn begin(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        length: u64,
    ) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.address)?;
        let mut head = format!("{method} {path} HTTP/1.0\r\nhost: {}\r\n", self.address);
        write!(
            head,
            "content-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        )?;
        stream.write_all(head.as_bytes())?;
        Ok(stream)
    }
}

fn reply(mut stream: TcpStream) -> anyhow::Result<Value> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no head")?;
    anyhow::ensure!(head.contains(" 200 "), "refused: {text}");
    Ok(serde_json::from_str(body)?)
}

fn id(object: &Value) -> anyhow::Result<String> {
    Ok(object["id"].as_str().context("no id")?.to_owned())
}
