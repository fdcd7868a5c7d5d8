//! Takes what a server sends as it comes, and takes it up again where the connection was cut.

use std::time::Duration;

use anyhow::Context as _;
use http::header::RANGE;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use indicatif::ProgressBar;
use tokio::time::{sleep, timeout};

use super::wire::is_final;
use super::{Client, IDLE_PATIENCE, body};
use crate::lines::output::Output;

/// How often a download is taken up again without a byte having come.
const VAIN_MAX: u32 = 5;

/// How long to wait before it is taken up again.
const PAUSE: Duration = Duration::from_secs(1);

/// How a stretch of a download ended.
enum Came {
    /// With its end.
    Whole,
    /// The connection was cut.
    Cut(String),
}

/// Which result file of a batch is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The answers.
    Output,
    /// The failures.
    Errors,
}

/// Reads the results of a batch from where it stopped.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    path: String,
    /// The bytes that were read.
    pub(crate) offset: u64,
    vain: u32,
}

impl Client {
    /// Reads a file to its end; answers with its bytes.
    ///
    /// # Errors
    ///
    /// There is no such file, the output cannot be written, or the server was lost for good.
    pub(crate) async fn download(
        &self,
        id: &str,
        output: &mut Output,
        bar: &ProgressBar,
    ) -> anyhow::Result<u64> {
        let path = format!("/v1/files/{id}/content");
        let (mut got, mut vain) = (0, 0);
        loop {
            let range = HeaderValue::from_str(&format!("bytes={got}-"))?;
            let headers = if got > 0 {
                vec![(RANGE, range)]
            } else {
                Vec::new()
            };
            let before = got;
            let why = match self
                .send((Method::GET, &path), &headers, body::empty())
                .await
            {
                Ok(response) => {
                    let is_rest = response.status() == StatusCode::PARTIAL_CONTENT;
                    anyhow::ensure!(
                        got == 0 || is_rest,
                        "{} cannot send the rest of a file, and the connection was cut",
                        self.server()
                    );
                    match self.take(response, output, bar, &mut got).await? {
                        Came::Whole => return Ok(got),
                        Came::Cut(why) => why,
                    }
                }
                Err(error) if got > 0 && error.is_absence() => error.to_string(),
                Err(error) => return Err(error.into()),
            };
            vain = if got > before { 0 } else { vain + 1 };
            anyhow::ensure!(vain < VAIN_MAX, "the download was cut: {why}");
            sleep(PAUSE).await;
        }
    }

    /// Writes the body of an answer as it comes.
    async fn take(
        &self,
        response: Response<Incoming>,
        output: &mut Output,
        bar: &ProgressBar,
        got: &mut u64,
    ) -> anyhow::Result<Came> {
        let mut body = response.into_body();
        loop {
            let Ok(next) = timeout(IDLE_PATIENCE, body.frame()).await else {
                return Ok(Came::Cut("nothing comes any more".to_owned()));
            };
            match next {
                None => return Ok(Came::Whole),
                Some(Err(error)) => return Ok(Came::Cut(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        output.put(&piece)?;
                        *got += piece.len() as u64;
                        bar.inc(piece.len() as u64);
                    }
                }
            }
        }
    }
}

impl Follower {
    /// Begins at the first byte.
    pub(crate) fn new(id: &str, which: Which) -> Self {
        let file = match which {
            Which::Output => "output",
            Which::Errors => "error",
        };
        Self {
            path: format!("/v1/batches/{id}/results?file={file}"),
            offset: 0,
            vain: 0,
        }
    }

    /// Writes what is recorded behind what was read. Whether it was nothing and will stay so: the batch has
    /// ended. A server that is away for a moment has recorded nothing.
    ///
    /// # Errors
    ///
    /// The server refuses, is lost for good, or the output cannot be written.
    pub(crate) async fn step(
        &mut self,
        client: &Client,
        output: &mut Output,
        bar: &ProgressBar,
    ) -> anyhow::Result<bool> {
        let path = format!("{}&offset={}", self.path, self.offset);
        let before = self.offset;
        let why = match client.send((Method::GET, &path), &[], body::empty()).await {
            Ok(response) => {
                let status = response.headers().get("x-overnight-status").cloned();
                let status = status.context("the server does not say how the batch is")?;
                let came = client.take(response, output, bar, &mut self.offset).await?;
                match came {
                    Came::Whole => {
                        self.vain = 0;
                        let is_final = status.to_str().is_ok_and(is_final);
                        return Ok(is_final && self.offset == before);
                    }
                    Came::Cut(why) => why,
                }
            }
            Err(error) if error.is_absence() => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        self.vain = if self.offset > before {
            0
        } else {
            self.vain + 1
        };
        anyhow::ensure!(self.vain < VAIN_MAX, "{why}");
        sleep(PAUSE).await;
        Ok(false)
    }
}
