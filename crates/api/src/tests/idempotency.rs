use futures_util::future::join_all;
use overnight_store::faulty::{Fault, Faulty};
use serde_json::json;

use super::*;

const HOURS: u64 = 3_600;

impl Server {
    async fn post_named(&self, path: &str, key: &str, body: &str) -> Answer {
        let request = Request::post(path).header("Idempotency-Key", key);
        let request = request.body(Body::from(body.to_owned()));
        self.send(request.expect("a request")).await
    }

    async fn batch_ids(&self) -> Vec<String> {
        let page = self.get("/v1/batches").await.json();
        let batches = page["data"].as_array().expect("a list").iter();
        batches
            .map(|batch| batch["id"].as_str().expect("an id").to_owned())
            .collect()
    }
}

#[tokio::test]
async fn a_named_request_is_answered_alike_for_a_day() {
    let server = Server::new();
    let body = creation(&server.upload(LINE).await);
    let first = server.post_named("/v1/batches", "k-1", &body).await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.header("idempotent-replayed"), "");
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    // What became of the batch since changes nothing of its first answer.
    server.post(&format!("/v1/batches/{id}/cancel"), "").await;
    server.pass(24 * HOURS - 1);
    let again = server.post_named("/v1/batches", "k-1", &body).await;
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("content-type"), "application/json");
    assert_eq!(server.batch_ids().await, [id.as_str()]);

    server.pass(1);
    let fresh = server.post_named("/v1/batches", "k-1", &body).await;
    assert_eq!(fresh.status, 200, "{}", fresh.text());
    assert_ne!(fresh.json()["id"], id);
    assert_eq!(server.batch_ids().await.len(), 2);
}

#[tokio::test]
async fn an_answer_is_that_of_its_request_without_a_name() {
    let server = Server::new();
    let body = creation(&server.upload(LINE).await);
    let plain = server.post("/v1/batches", &body).await;
    let named = server.post_named("/v1/batches", "k", &body).await;
    let id = |answer: &Answer| answer.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        named.text().replace(&id(&named), ""),
        plain.text().replace(&id(&plain), "")
    );
}

#[tokio::test]
async fn a_name_that_was_used_for_another_request_is_refused() {
    let server = Server::new();
    let body = creation(&server.upload(LINE).await);
    server.post_named("/v1/batches", "k", &body).await;
    let other = creation("file-other");
    let upload = json!({
        "bytes": 1, "filename": "in", "mime_type": "text/plain", "purpose": "evals",
    });
    for (path, body) in [
        ("/v1/batches", other.as_str()),
        ("/v1/batches", "{"),
        ("/v1/uploads", &upload.to_string()),
        ("/v1/uploads", body.as_str()),
    ] {
        let refused = server.post_named(path, "k", body).await;
        refused.is_refusal(
            400,
            "The idempotency key 'k' was used for another request within the last 24 hours. Send \
             that request unchanged, or use a new key for a new request.",
            Some("Idempotency-Key"),
            Some("idempotency_key_reused"),
        );
    }
    assert_eq!(server.batch_ids().await.len(), 1);
}

#[tokio::test]
async fn a_refused_request_can_be_mended_under_its_name() {
    let server = Server::new();
    let refused = server.post_named("/v1/batches", "k", "{}").await;
    assert_eq!(refused.status, 400);
    let body = creation(&server.upload(LINE).await);
    let mended = server.post_named("/v1/batches", "k", &body).await;
    assert_eq!(mended.status, 200, "{}", mended.text());
}

#[tokio::test]
async fn requests_at_the_same_time_under_one_name_make_one_batch() {
    let server = Server::new();
    let body = creation(&server.upload(LINE).await);
    let sent = (0..8).map(|_| server.post_named("/v1/batches", "k", &body));
    let answers = join_all(sent).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    assert_eq!(server.batch_ids().await.len(), 1);
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_not_made_again() {
    let store = Sqlite::memory(Blocking::Pool).expect("a database in memory");
    let lost = AtomicU64::new(0);
    let faulty = Faulty::new(store, move |verb, _| match verb {
        "insert_once" if lost.fetch_add(1, Ordering::Relaxed) == 0 => Fault::DoThenFail,
        _ => Fault::None,
    });
    let server = Server::with(|api| api.store = Arc::new(faulty));
    let body = creation("file-missing");
    let failed = server.post_named("/v1/batches", "k", &body).await;
    assert_eq!(failed.status, 503);
    let again = server.post_named("/v1/batches", "k", &body).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    let id = again.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(server.batch_ids().await, [id]);
}

#[tokio::test]
async fn a_name_is_its_projects() {
    let server = Server::new();
    let store = server.store.clone();
    let stranger = Server::with(|api| {
        api.store = Arc::new(store);
        api.access = Access::Open("stranger".into());
        api.entropy = Entropy::new(|| 7 << 100);
    });
    let body = creation("file-missing");
    let ours = server.post_named("/v1/batches", "k", &body).await;
    let theirs = stranger.post_named("/v1/batches", "k", &body).await;
    assert_eq!((ours.status, theirs.status), (200, 200));
    assert_ne!(ours.json()["id"], theirs.json()["id"]);
}

#[tokio::test]
async fn an_upload_is_created_once_under_a_name() {
    let server = Server::new();
    let asked = json!({
        "bytes": 2, "filename": "in", "mime_type": "text/plain", "purpose": "evals",
    })
    .to_string();
    let first = server.post_named("/v1/uploads", "k", &asked).await;
    let again = server.post_named("/v1/uploads", "k", &asked).await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(again.body, first.body);
    let other = server.post_named("/v1/uploads", "l", &asked).await;
    assert_ne!(other.json()["id"], first.json()["id"]);
}

#[tokio::test]
async fn names_have_their_bounds() {
    let server = Server::new();
    let body = creation("file-missing");
    let longest = "k".repeat(255);
    let fits = server.post_named("/v1/batches", &longest, &body).await;
    assert_eq!(fits.status, 200);
    let long = server
        .post_named("/v1/batches", &"k".repeat(256), &body)
        .await;
    let message = "Invalid 'Idempotency-Key': string too long. Expected a string with maximum \
                   length 255, but got a string with length 256 instead.";
    let param = Some("Idempotency-Key");
    long.is_refusal(400, message, param, Some("string_above_max_length"));
    for key in ["", "  ", "schl\u{fc}ssel"] {
        let refused = server.post_named("/v1/batches", key, &body).await;
        let message = "Invalid 'Idempotency-Key': expected 1 to 255 visible ASCII characters. \
                       Leave the header out to send a request without a key.";
        refused.is_refusal(400, message, param, Some("invalid_value"));
    }
    let mut twice = Request::post("/v1/batches")
        .header("Idempotency-Key", "a")
        .body(Body::from(body))
        .expect("a request");
    let second = http::HeaderValue::from_static("b");
    twice.headers_mut().append("idempotency-key", second);
    let refused = server.send(twice).await;
    assert_eq!(refused.json()["error"]["code"], "duplicate_parameter");
    assert_eq!(server.batch_ids().await.len(), 1);
}
