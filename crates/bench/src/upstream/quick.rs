//! Answers every POST with the same bytes, at once or after a time in one of its places.
//!
//! It parses no more than it must: the length of a body. Its requests come from clients that speak
//! HTTP/1.1 and say their length.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Shape;

/// A head that is longer than this is none.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// What all connections share.
struct Engine {
    latency: Duration,
    places: Semaphore,
    answer: Vec<u8>,
    has_gauges: bool,
    running: AtomicU64,
    waiting: AtomicU64,
}

/// A free port of loopback.
pub(crate) async fn listen() -> anyhow::Result<TcpListener> {
    Ok(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?)
}

/// Serves until the process ends; prints its address first.
pub(crate) async fn announce_and_serve(shape: Shape) -> anyhow::Result<()> {
    let listener = listen().await?;
    #[expect(clippy::print_stdout, reason = "whoever started it reads the address")]
    {
        println!("http://{}", listener.local_addr()?);
    }
    serve(listener, shape).await
}

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, shape: Shape) -> anyhow::Result<()> {
    let places = match shape.places {
        0 => Semaphore::MAX_PERMITS,
        places => places,
    };
    let engine = Arc::new(Engine {
        latency: Duration::from_millis(shape.latency_ms),
        places: Semaphore::new(places),
        answer: answer(shape.answer_bytes),
        has_gauges: shape.has_gauges,
        running: AtomicU64::new(0),
        waiting: AtomicU64::new(0),
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            // The other side went away: nobody to tell.
            let _ = engine.converse(stream).await;
        });
    }
}

/// A chat completion of about so many bytes, with its head.
fn answer(bytes: usize) -> Vec<u8> {
    let empty = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":10,"total_tokens":30}}"#;
    let text = "x".repeat(bytes.saturating_sub(empty.len()));
    let body = empty.replace(r#""content":"""#, &format!(r#""content":"{text}""#));
    response("200 OK", &body)
}

fn response(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

impl Engine {
    async fn converse(&self, mut stream: TcpStream) -> anyhow::Result<()> {
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
            let is_gauges = unread.starts_with(b"GET /metrics");
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
            if is_gauges {
                stream.write_all(&self.gauges()).await?;
            } else {
                self.work().await?;
                stream.write_all(&self.answer).await?;
            }
        }
    }

    /// Waits for a place, and for the time that an answer takes in it.
    async fn work(&self) -> anyhow::Result<()> {
        if self.latency.is_zero() {
            return Ok(());
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = self.places.acquire().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.latency).await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        drop(place?);
        Ok(())
    }

    fn gauges(&self) -> Vec<u8> {
        if !self.has_gauges {
            return response("404 Not Found", "{}");
        }
        let (running, waiting) = (
            self.running.load(Ordering::Relaxed),
            self.waiting.load(Ordering::Relaxed),
        );
        let text =
            format!("vllm:num_requests_running {running}\nvllm:num_requests_waiting {waiting}\n");
        response("200 OK", &text)
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
