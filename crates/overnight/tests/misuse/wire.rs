//! Bytes as a client may send them, and a server that soon loses its patience.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Client, serve};
use crate::support::TestServer;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server on the simulator.
pub(crate) struct Host {
    pub(crate) server: TestServer,
    pub(crate) client: Client,
    _folder: TempDir,
}

impl Host {
    /// Starts a server with further settings.
    pub(crate) fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!("{settings}\n[[upstreams]]\nurl = \"sim\"\n");
        let server = serve(folder.path(), &config);
        Self {
            client: Client::new(&server.base_url),
            server,
            _folder: folder,
        }
    }

    /// Connects.
    pub(crate) fn connect(&self) -> TcpStream {
        connect(&self.server.base_url)
    }

    /// Sends bytes over a connection of their own, and answers all that comes back until the server
    /// closes it.
    pub(crate) fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // A server that refuses the beginning need not take the rest.
        let _ = stream.write_all(bytes);
        rest(&mut stream)
    }

    /// The blobs on the disk whose keys begin with this, finished or not.
    pub(crate) fn blobs(&self, prefix: &str) -> Vec<PathBuf> {
        let root = self.server.folder.path().join("data/blobs");
        let mut found = Vec::new();
        walk(&root.join(prefix), &mut found);
        found
    }
}

/// Connects to a server.
pub(crate) fn connect(base_url: &str) -> TcpStream {
    let stream = TcpStream::connect(base_url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What comes until the connection ends, whichever way.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        let is_over = error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(is_over, "the server keeps the connection: {error}");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    let word = answer.split(' ').nth(1).unwrap_or_default();
    word.parse()
        .unwrap_or_else(|_| panic!("no answer: {answer:?}"))
}

/// The message of a refusal in the documented form.
pub(crate) fn message(answer: &str) -> String {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let json: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer:?}"));
    json["error"]["message"].as_str().unwrap().to_owned()
}

/// A form with one file of that name, whose last boundary is left out.
pub(crate) fn open_form(disposition: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut form = b"--B\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
        --B\r\ncontent-disposition: form-data; name=\"file\"; "
        .to_vec();
    form.extend_from_slice(disposition);
    form.extend_from_slice(b"\r\n\r\n");
    form.extend_from_slice(bytes);
    form
}

/// The head of an upload of so many bytes.
pub(crate) fn upload_head(length: usize) -> String {
    format!(
        "POST /v1/files HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: multipart/form-data; boundary=B\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// An upload.
pub(crate) fn upload(form: &[u8]) -> Vec<u8> {
    [upload_head(form.len()).as_bytes(), form].concat()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}
