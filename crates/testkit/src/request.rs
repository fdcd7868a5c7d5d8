//! Reads requests off a connection.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use overnight_engine::upstream::scripted::Seen;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The largest head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A connection and what was read beyond the last request.
pub(crate) struct Requests {
    stream: TcpStream,
    unread: BytesMut,
}

impl Requests {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            unread: BytesMut::new(),
        }
    }

    pub(crate) const fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The next request with its body; `None` when the client is done.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Seen>> {
        let head = loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head = self.unread.split_to(end);
                self.unread.advance(4);
                break head;
            }
            if self.unread.len() > HEAD_BYTES_MAX || !self.fill().await? {
                return Ok(None);
            }
        };
        let mut seen = read_head(&String::from_utf8_lossy(&head))
            .ok_or_else(|| io::Error::other("not a request"))?;
        seen.body = if seen.header("transfer-encoding").is_some() {
            self.chunks().await?
        } else {
            let length = seen
                .header("content-length")
                .and_then(|length| length.parse().ok());
            self.exactly(length.unwrap_or(0)).await?
        };
        Ok(Some(seen))
    }

    /// Reads more; whether there was more.
    async fn fill(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.unread).await? > 0)
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Bytes> {
        while self.unread.len() < length {
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.unread.split_to(length).freeze())
    }

    async fn chunks(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let line = loop {
                if let Some(end) = find(&self.unread, b"\r\n") {
                    break self.unread.split_to(end + 2);
                }
                if !self.fill().await? {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            };
            let digits = String::from_utf8_lossy(&line);
            let length = usize::from_str_radix(digits.trim(), 16).map_err(io::Error::other)?;
            let chunk = self.exactly(length + 2).await?;
            body.extend_from_slice(chunk.get(..length).unwrap_or_default());
            if length == 0 {
                return Ok(body.freeze());
            }
        }
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}

/// Method, path and headers; no body yet.
fn read_head(head: &str) -> Option<Seen> {
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers = lines.map(header).collect::<Option<_>>()?;
    Some(Seen {
        path,
        model: None,
        headers,
        body: Bytes::new(),
    })
}
