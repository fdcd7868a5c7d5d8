//! The surface, driven in-process over a real store.

mod access;
pub(crate) mod arbitrary;
mod batches;
mod cancel;
mod create;
mod dashboard;
mod described;
mod description;
mod downloads;
mod engine;
mod events;
mod files;
mod foreign;
mod idempotency;
mod lines;
mod loopback;
mod metadata;
mod models;
mod parts;
mod refused_parts;
mod refused_uploads;
mod sockets;
mod steering;
mod surface;
mod uploads;
mod worked;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use overnight_core::id::{Entropy, ProjectId, WorkerId};
use overnight_core::time::{Clock, Timestamp};
use overnight_store::{Blobs, Blocking, Sqlite, Store as _, Wake};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use self::described::{Described, assert_described};
use crate::description::document;
use crate::{Access, Api, ApiSettings, router};

/// When the tests begin.
const START: u64 = 1_761_896_208;

/// One well-formed line of a batch.
const LINE: &str = r#"{"custom_id":"r-1","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[]}}"#;

/// The surface with its own empty store, a clock that stands still and ids that count up.
struct Server {
    router: Router,
    store: Sqlite,
    blobs: Blobs,
    wake: Wake,
    seconds: Arc<AtomicU64>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    described: Described,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Server {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Api)) -> Self {
        let seconds = Arc::new(AtomicU64::new(START));
        let drawn = AtomicU64::new(0);
        let read = Arc::clone(&seconds);
        let store = Sqlite::memory(Blocking::Pool).expect("a database in memory");
        let mut api = Api {
            store: Arc::new(store.clone()),
            blobs: Blobs::memory(),
            wake: Wake::new(),
            clock: Clock::new(move || Timestamp::from_seconds(read.load(Ordering::Relaxed))),
            entropy: Entropy::new(move || u128::from(drawn.fetch_add(1, Ordering::Relaxed)) << 64),
            access: Access::Open(ProjectId::default_project()),
            tasks: TaskTracker::new(),
            damaged: CancellationToken::new(),
            stopping: CancellationToken::new(),
            settings: ApiSettings::new(Timestamp::from_seconds(START)),
            render_metrics: Arc::new(|| "# EOF\n".to_owned()),
            role: "all",
            ready: Arc::new(|| Ok(())),
            has_space: Arc::new(|| true),
        };
        change(&mut api);
        Self {
            store,
            blobs: api.blobs.clone(),
            wake: api.wake.clone(),
            tasks: api.tasks.clone(),
            stopping: api.stopping.clone(),
            described: Described(document(&api.settings, &api.access)),
            router: router(api),
            seconds,
        }
    }

    /// Lets time pass.
    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.seconds.load(Ordering::Relaxed))
    }

    /// What is answered to a request. That it is as described is asserted for every answer.
    async fn send(&self, request: Request<Body>) -> Answer {
        let asked = (request.method().clone(), request.uri().path().to_owned());
        let sent = self.router.clone().oneshot(request).await;
        let (parts, body) = sent.expect("an answer to everything").into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let answer = Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        };
        assert_described(&self.described, &asked, &answer);
        answer
    }

    async fn call(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        self.send(
            request
                .body(Body::from(body.to_owned()))
                .expect("a request"),
        )
        .await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, "").await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.call(Method::POST, path, body).await
    }

    /// Sends a form in one piece.
    async fn submit(&self, form: Vec<u8>) -> Answer {
        self.send(form_request(Body::from(form))).await
    }

    /// Uploads a file for a batch, and answers its id.
    async fn upload(&self, content: &str) -> String {
        let answer = self
            .submit(form(&[("purpose", "batch")], "in.jsonl", content))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Creates a batch over a new file, and answers its id.
    async fn batch(&self) -> String {
        let file = self.upload(LINE).await;
        let answer = self.post("/v1/batches", &creation(&file)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// What a refused upload would leave: unfinished blobs, and garbage that is swept.
    async fn sweep(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        let garbage = self.store.garbage(100, self.now()).await.expect("garbage");
        for blob in &garbage {
            self.blobs.delete(blob).await.expect("a deletion");
        }
        self.store
            .forget_garbage(&garbage)
            .await
            .expect("forgotten garbage");
    }

    /// How many blobs there are.
    async fn blob_count(&self) -> usize {
        self.blobs.list("files").count().await
    }
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    /// Asserts that this is the documented error with these parts.
    #[track_caller]
    fn is_refusal(&self, status: u16, message: &str, param: Option<&str>, code: Option<&str>) {
        let error = &self.json()["error"];
        assert_eq!(error["message"], message, "{}", self.text());
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["param"].as_str(), param);
        assert_eq!(error["code"].as_str(), code);
        assert_eq!(self.status, status);
        assert_eq!(self.header("content-type"), "application/json");
    }
}

fn worker() -> WorkerId {
    "worker_1".into()
}

/// The body that creates a batch over that file.
fn creation(file: &str) -> String {
    format!(
        r#"{{"input_file_id":"{file}","endpoint":"/v1/chat/completions","completion_window":"24h"}}"#
    )
}

fn form_request(body: Body) -> Request<Body> {
    let request = Request::post("/v1/files");
    request
        .header(CONTENT_TYPE, "multipart/form-data; boundary=B")
        .body(body)
        .expect("a request")
}

/// A form with these fields before the file.
fn form(fields: &[(&str, &str)], filename: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut form = fields_of(fields);
    form.extend(file_part(filename, content.as_ref()));
    form.extend(b"--B--\r\n");
    form
}

fn fields_of(fields: &[(&str, &str)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| {
            format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .into_bytes()
        })
        .collect()
}

fn file_part(filename: &str, content: &[u8]) -> Vec<u8> {
    let mut part = format!(
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    part.extend(content);
    part.extend(b"\r\n");
    part
}
