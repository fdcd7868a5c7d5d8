//! One HTTP exchange on a connection of its own, as bytes.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Read as _, Write};
use std::net::TcpStream;

use crate::pattern::Known;
use crate::request::{Body, Request, form_ends};

/// The bytes of a chunk of a body whose length is not told.
const CHUNK_BYTES: usize = 1000;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In the order of the wire, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> Result<&str, String> {
        std::str::from_utf8(&self.body).map_err(|error| format!("the body: {error}"))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = lines.map(header).collect::<Option<_>>()?;
        let body = bytes[end + 4..].to_vec();
        Some(Self {
            status,
            headers,
            body,
        })
    }
}

/// Sends a request to a server and reads the whole answer.
pub(crate) fn exchange(base_url: &str, request: &Request, known: &Known) -> Result<Answer, String> {
    let host = base_url.trim_start_matches("http://");
    let told = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    let mut stream = TcpStream::connect(host).map_err(|error| told("connecting", &error))?;
    let path = known.fill(&request.path)?;
    let mut head = format!(
        "{} {path} HTTP/1.1\r\nconnection: close\r\n",
        request.method
    );
    if !request.headers.iter().any(|(name, _)| *name == "host") {
        // Writing to a String cannot fail.
        let _ = write!(head, "host: {host}\r\n");
    }
    for (name, value) in &request.headers {
        let _ = write!(head, "{name}: {}\r\n", known.fill(value)?);
    }
    let body = match &request.body {
        Body::Text(text) => Body::Raw(known.fill(text)?.into_bytes()),
        Body::Made(made) => {
            let (begin, end) = form_ends("in.jsonl");
            Body::Raw([begin, (made.content)(), end].concat().into_bytes())
        }
        Body::None | Body::Raw(_) | Body::Long(_) => request.body.clone(),
    };
    // A server that refuses early may close its side while this one still sends.
    let sent = send(&mut stream, &mut head, &body, request.chunked);
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    if let Err(error) = read {
        return Err(format!("the answer was cut: {error} (sending: {sent:?})"));
    }
    Answer::parse(&bytes).ok_or_else(|| format!("no answer (sending: {sent:?})"))
}

fn send(stream: &mut TcpStream, head: &mut String, body: &Body, chunked: bool) -> io::Result<()> {
    let length = match body {
        Body::None | Body::Text(_) | Body::Made(_) => 0,
        Body::Raw(bytes) => bytes.len() as u64,
        Body::Long(long) => (long.bytes)(),
    };
    let framing = if chunked {
        "transfer-encoding: chunked".to_owned()
    } else {
        format!("content-length: {length}")
    };
    head.push_str(&framing);
    head.push_str(
        "

",
    );
    stream.write_all(head.as_bytes())?;
    match body {
        Body::None | Body::Text(_) | Body::Made(_) => Ok(()),
        Body::Raw(bytes) if chunked => {
            for chunk in bytes.chunks(CHUNK_BYTES) {
                write!(stream, "{:x}\r\n", chunk.len())?;
                stream.write_all(chunk)?;
                stream.write_all(b"\r\n")?;
            }
            stream.write_all(b"0\r\n\r\n")
        }
        Body::Raw(bytes) => stream.write_all(bytes),
        Body::Long(long) => {
            let mut stream = BufWriter::with_capacity(1 << 20, stream);
            (long.write)(&mut stream)?;
            stream.flush()
        }
    }
}
