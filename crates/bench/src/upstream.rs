//! An inference server that costs next to nothing: it answers every POST with the same bytes.
//!
//! It shares the processor with what is measured, so it parses no more than it must: the length of a
//! body. Its requests come from clients that speak HTTP/1.1 and say their length.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A head that is longer than this is none.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Serves until the process ends; prints its address first.
pub(crate) async fn serve(latency: Duration, answer_bytes: usize) -> anyhow::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    #[expect(clippy::print_stdout, reason = "whoever started it reads the address")]
    {
        println!("http://{}", listener.local_addr()?);
    }
    let answer: &'static [u8] = answer(answer_bytes).leak();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // The other side went away: nobody to tell.
            let _ = converse(stream, latency, answer).await;
        });
    }
}

/// A chat completion of about so many bytes, with its head.
fn answer(bytes: usize) -> Vec<u8> {
    let empty = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":10,"total_tokens":30}}"#;
    let text = "x".repeat(bytes.saturating_sub(empty.len()));
    let body = empty.replace(r#""content":"""#, &format!(r#""content":"{text}""#));
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn converse(
    mut stream: TcpStream,
    latency: Duration,
    answer: &'static [u8],
) -> anyhow::Result<()> {
    let mut unread = Vec::with_capacity(16 << 10);
    loop {
        let head = loop {
            if let Some(end) = memmem::find(&unread, b"\r\n\r\n") {
                break end + 4;
            }
            anyhow::ensure!(unread.len() < HEAD_BYTES_MAX, "no head");
            if stream.read_buf(&mut unread).await? == 0 {
                return Ok(());
            }
        };
        let mut left = content_length(unread.get(..head).unwrap_or_default())?;
        let here = left.min(unread.len() - head);
        unread.drain(..head + here);
        left -= here;
        while left > 0 {
            unread.clear();
            let read = stream.read_buf(&mut unread).await?;
            anyhow::ensure!(read > 0, "cut");
            let here = left.min(read);
            unread.drain(..here);
            left -= here;
        }
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        stream.write_all(answer).await?;
    }
}

/// The length of the body behind a head; 0 when it does not say.
fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let text = std::str::from_utf8(head)?;
    let mut fields = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.map_or(Ok(0), |(_, value)| {
        value.trim().parse().context("a length that is no number")
    })
}
