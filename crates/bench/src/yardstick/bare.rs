//! The yardstick: the least that anybody could do who wants the answers of a file of lines.
//!
//! It reads the file into memory, posts each body through one pooled client, so many at a time, and
//! appends the answers to a file. It checks nothing, retries nothing and survives nothing.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use memchr::{memchr_iter, memmem};

/// How much the file of answers holds back.
const WRITE_BYTES: usize = 1 << 20;

/// Runs every line of a file.
pub(crate) async fn run(
    url: &str,
    input: &Path,
    output: &Path,
    in_flight: usize,
) -> anyhow::Result<()> {
    let file = Bytes::from(std::fs::read(input)?);
    let bodies: Arc<Vec<Bytes>> = Arc::new(bodies(&file)?);
    let writer = std::io::BufWriter::with_capacity(WRITE_BYTES, std::fs::File::create(output)?);
    let writer = Arc::new(Mutex::new(writer));
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
    let next = Arc::new(AtomicUsize::new(0));
    let target: http::Uri = format!("{url}/v1/chat/completions").parse()?;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (bodies, next) = (Arc::clone(&bodies), Arc::clone(&next));
        let (writer, client, target) = (Arc::clone(&writer), client.clone(), target.clone());
        tasks.spawn(async move {
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let request = Request::post(target.clone())
                    .header("content-type", "application/json")
                    .body(Full::new(body.clone()))?;
                let reply = client.request(request).await?;
                anyhow::ensure!(reply.status().is_success(), "refused");
                let answer = reply.into_body().collect().await?.to_bytes();
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.write_all(&answer)?;
                writer.write_all(b"\n")?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
    writer.flush()?;
    writer.get_ref().sync_all()?;
    Ok(())
}

/// The body of each line, which is its last key.
fn bodies(file: &Bytes) -> anyhow::Result<Vec<Bytes>> {
    let finder = memmem::Finder::new(r#""body":"#);
    let mut start = 0;
    memchr_iter(b'\n', file)
        .map(|end| {
            let line = file.slice(start..end);
            start = end + 1;
            let at = finder.find(&line).context("a line without a body")? + 7;
            Ok(line.slice(at..line.len() - 1))
        })
        .collect()
}
