//! The stream of events.

use std::time::Duration;

use axum::body::BodyDataStream;

use super::worked::{End, Worked, input};
use super::*;

/// An open stream of events.
struct Events(BodyDataStream);

impl Events {
    async fn open(server: &Server, query: &str) -> Self {
        let request = Request::get(format!("/v1/events{query}")).body(Body::empty());
        let sent = server
            .router
            .clone()
            .oneshot(request.expect("a request"))
            .await;
        let answer = sent.expect("an answer");
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/event-stream");
        Self(answer.into_body().into_data_stream())
    }

    /// The next event: its name and its data.
    async fn next(&mut self) -> (String, Value) {
        let event = self.0.next().await.expect("an event").expect("bytes");
        let event = std::str::from_utf8(&event).expect("text");
        let (name, data) = event.split_once("\ndata: ").expect("a name and data");
        let name = name.strip_prefix("event: ").expect("a name");
        let data = serde_json::from_str(data.strip_suffix("\n\n").expect("an end"));
        (name.to_owned(), data.expect("JSON"))
    }
}

#[tokio::test]
async fn open_batches_are_shown_first_and_then_whatever_changes() {
    let server = Server::new();
    let past = Worked::start(&server, &input(1)).await;
    past.record(&server, &[(1, End::Text("x"))]).await;
    past.seal(&server).await;
    let batch = Worked::start(&server, &input(2)).await;
    let mut events = Events::open(&server, "").await;
    let (name, first) = events.next().await;
    assert_eq!(
        (name.as_str(), first["batch"]["id"].as_str()),
        ("batch", Some(&*batch.id))
    );
    assert_eq!(first["progress"]["object"], "batch.progress");
    let (name, upstreams) = events.next().await;
    assert_eq!(
        (name.as_str(), &upstreams["object"]),
        ("upstreams", &"list".into())
    );

    batch.record(&server, &[(1, End::Text("x"))]).await;
    let (_, moved) = events.next().await;
    assert_eq!(moved["batch"]["request_counts"]["completed"], 1);
    batch.record(&server, &[(2, End::Text("x"))]).await;
    batch.seal(&server).await;
    let (_, ended) = events.next().await;
    assert_eq!(ended["batch"]["status"], "completed");
    server.stopping.cancel();
    assert!(
        events.0.next().await.is_none(),
        "the stream ends with the server"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_one_batch_shows_no_other_and_says_that_it_is_there() {
    let server = Server::new();
    let id = server.batch().await;
    server.batch().await;
    let mut events = Events::open(&server, &format!("?batch={id}")).await;
    assert_eq!(events.next().await.1["batch"]["id"], id.as_str());
    let before = tokio::time::Instant::now();
    let comment = events.0.next().await.expect("a comment").expect("bytes");
    assert_eq!(&comment[..], b": nothing new\n\n");
    assert!((15..20).contains(&before.elapsed().as_secs()));
    let missing = server.get("/v1/events?batch=batch_x").await;
    missing.is_refusal(404, "No batch found with id 'batch_x'.", None, None);
    let soon = Duration::from_millis(1);
    server.stopping.cancel();
    let end = tokio::time::timeout(soon, events.0.next())
        .await
        .expect("it ends at once");
    assert!(end.is_none());
}
