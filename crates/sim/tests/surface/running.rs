//! A simulator on a free port, and a client for it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use overnight_sim::settings::SimSettings;
use overnight_sim::sim::{Sim, Stats};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Longer than anything here takes; only a broken test gets there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running simulator; it stops when this is dropped.
pub(crate) struct Running {
    pub(crate) sim: Sim,
    pub(crate) address: SocketAddr,
    pub(crate) tasks: TaskTracker,
    _stop: DropGuard,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("the answer is JSON")
    }

    /// The code and the param of an error object.
    pub(crate) fn error(&self) -> (Value, Value) {
        let body = self.json();
        assert!(
            body["error"]["message"].is_string(),
            "no error object: {body}"
        );
        (
            body["error"]["code"].clone(),
            body["error"]["param"].clone(),
        )
    }
}

pub(crate) fn instant() -> SimSettings {
    SimSettings::instant()
}

/// Settings under which each request takes this many milliseconds.
pub(crate) fn taking(ms: f64) -> SimSettings {
    SimSettings {
        ttft_ms: ms,
        tpot_ms: 0.0,
        jitter: 0.0,
        ..SimSettings::default()
    }
}

pub(crate) fn chat(text: &str) -> String {
    format!(r#"{{"model":"sim","messages":[{{"role":"user","content":"{text}"}}]}}"#)
}

impl Running {
    pub(crate) async fn start(settings: SimSettings) -> Self {
        let sim = Sim::new(settings).expect("the settings are right");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (serving, token) = (sim.clone(), stop.clone());
        tasks.spawn(async move { serving.serve(listener, token).await.expect("it serves") });
        Self {
            sim,
            address,
            tasks,
            _stop: stop.drop_guard(),
        }
    }

    pub(crate) async fn connect(&self) -> std::io::Result<http1::SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        self.tasks.spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<Answer, String> {
        let mut sender = self.connect().await.map_err(|error| error.to_string())?;
        send_on(&mut sender, method, path, body).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.try_send("POST", path, body).await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_send("GET", path, "").await.expect("an answer")
    }

    /// Sends without waiting for the answer.
    pub(crate) fn begin(&self, body: String) -> tokio::task::JoinHandle<Result<Answer, String>> {
        let there = Self {
            sim: self.sim.clone(),
            address: self.address,
            tasks: self.tasks.clone(),
            _stop: CancellationToken::new().drop_guard(),
        };
        self.tasks
            .spawn(async move { there.try_send("POST", "/v1/chat/completions", &body).await })
    }

    /// Waits until the counters say so.
    pub(crate) async fn until(&self, what: impl Fn(Stats) -> bool) {
        let waiting = async {
            while !what(self.sim.stats()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let arrived = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(arrived.is_ok(), "it never came: {:?}", self.sim.stats());
    }
}

pub(crate) async fn send_on(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    method: &str,
    path: &str,
    body: &str,
) -> Result<Answer, String> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "sim")
        .body(Full::from(body.to_owned()))
        .map_err(|error| error.to_string())?;
    let exchange = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let bytes = body
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            bytes,
        })
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .map_err(|_| "no answer in time".to_owned())?
}
