//! One connection to a server, which stays open: what looks at a batch a thousand times a second
//! must cost little itself.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use anyhow::Context as _;
use serde_json::Value;

/// A connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

/// The head of an answer.
struct Head {
    is_ok: bool,
    length: u64,
}

impl Client {
    /// Connects to an address.
    pub(crate) fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::with_capacity(64 << 10, stream),
            host: address.to_owned(),
        })
    }

    /// Asks for a path, and reads the answer as JSON.
    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        self.ask("GET", path, "application/json", b"")
    }

    /// Sends a body, and reads the answer as JSON.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(
            "POST",
            path,
            "application/json",
            body.to_string().as_bytes(),
        )
    }

    fn ask(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> anyhow::Result<Value> {
        self.begin(method, path, kind, body.len() as u64)?;
        self.stream.get_mut().write_all(body)?;
        self.answer()
    }

    /// Sends the head of a request whose body follows.
    pub(crate) fn begin(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        length: u64,
    ) -> anyhow::Result<&mut TcpStream> {
        let host = &self.host;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\n\
             content-length: {length}\r\n\r\n"
        );
        self.stream.get_mut().write_all(head.as_bytes())?;
        Ok(self.stream.get_mut())
    }

    /// Reads an answer as JSON.
    pub(crate) fn answer(&mut self) -> anyhow::Result<Value> {
        let head = self.head()?;
        let mut body = Vec::new();
        self.stream
            .by_ref()
            .take(head.length)
            .read_to_end(&mut body)?;
        let text = String::from_utf8_lossy(&body);
        anyhow::ensure!(head.is_ok, "refused: {text}");
        Ok(serde_json::from_slice(&body)?)
    }

    /// Asks for a path and throws its bytes away as they come; answers how many they were.
    pub(crate) fn download(&mut self, path: &str) -> anyhow::Result<u64> {
        self.begin("GET", path, "application/json", 0)?;
        let head = self.head()?;
        anyhow::ensure!(head.is_ok, "{path} is refused");
        let mut left = head.length;
        let mut piece = vec![0; 1 << 20];
        while left > 0 {
            let read = self.stream.read(&mut piece)? as u64;
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            left -= read;
        }
        Ok(head.length)
    }

    fn head(&mut self) -> anyhow::Result<Head> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let is_ok = line.contains(" 200 ");
        anyhow::ensure!(line.starts_with("HTTP/1.1 "), "no answer: {line:?}");
        let mut length = None;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse()?);
            }
        }
        let length = length.context("an answer that does not say its length")?;
        Ok(Head { is_ok, length })
    }
}
