use overnight_core::batch::{Event, Lease, Plan, Tally};
use overnight_core::file::{File, Purpose};
use overnight_core::id::FileId;
use overnight_core::segment::{BlobKey, Part, Segment};
use overnight_core::usage::Usage;
use overnight_store::status::{BatchProgress, Pace};
use overnight_store::store::Sealing;

use super::*;

/// A batch in the hands of a worker, which is the test.
pub(super) struct Running {
    pub(super) id: String,
    lease: Lease,
    recorded: AtomicU64,
}

impl Running {
    /// A validated batch of so many lines.
    pub(super) async fn start(server: &Server, total: u64) -> Self {
        let id = server.batch().await;
        let claimed = server
            .store
            .claim(&worker(), 1, server.now())
            .await
            .expect("a claim");
        let lease = claimed[0].lease.clone();
        let key = BlobKey::plan(&lease.batch, lease.epoch, 1);
        let entries = server
            .blobs
            .put(&key, vec![Bytes::from("plan")])
            .await
            .expect("a plan");
        let validated = Event::Validated(Plan {
            entries,
            total,
            model: Some("m".into()),
        });
        server
            .store
            .advance(&lease, validated, server.now())
            .await
            .expect("a running batch");
        Self {
            id,
            lease,
            recorded: AtomicU64::new(0),
        }
    }

    /// Records a segment in which those lines completed and those failed.
    pub(super) async fn record(&self, server: &Server, completed: &[u32], failed: &[u32]) {
        let seq = self.recorded.fetch_add(1, Ordering::Relaxed);
        let put = async |part: Part, lines: &[u32]| {
            let text: Vec<String> = lines
                .iter()
                .map(|line| {
                    format!(
                        "{{\"{line}\"}}
"
                    )
                })
                .collect();
            let key = BlobKey::segment(&self.lease.batch, self.lease.epoch, seq, part, 1);
            let extent = server
                .blobs
                .put(&key, vec![Bytes::from(text.concat())])
                .await
                .expect("a blob");
            (!lines.is_empty()).then_some(extent)
        };
        let segment = Segment {
            epoch: self.lease.epoch,
            seq,
            output: put(Part::Output, completed).await,
            error: put(Part::Error, failed).await,
            index: None,
            lines: completed.iter().chain(failed).copied().collect(),
            tally: Tally {
                completed: completed.len() as u64,
                failed: failed.len() as u64,
                unrun: 0,
            },
            usage: Usage {
                input_tokens: 3,
                total_tokens: 3,
                ..Usage::default()
            },
        };
        server
            .store
            .record(&self.lease, &segment)
            .await
            .expect("a recorded segment");
    }

    /// Ends the batch.
    pub(super) async fn seal(&self, server: &Server) {
        let file = |id: &str, name: &str| File {
            id: FileId::from(id),
            project: ProjectId::default_project(),
            purpose: Purpose::BatchOutput,
            filename: name.to_owned(),
            bytes: 0,
            created_at: server.now(),
            expires_at: None,
        };
        let sealing = Sealing {
            output: file("file-output", "output.jsonl"),
            error: file("file-error", "error.jsonl"),
        };
        server
            .store
            .seal(&self.lease, &sealing, server.now())
            .await
            .expect("a sealed batch");
    }

    async fn results(&self, server: &Server, query: &str) -> Answer {
        server
            .get(&format!("/v1/batches/{}/results{query}", self.id))
            .await
    }
}

#[tokio::test]
async fn counts_usage_and_model_show_while_the_batch_runs() {
    let server = Server::new();
    let batch = Running::start(&server, 3).await;
    batch.record(&server, &[1], &[2]).await;
    let shown = server
        .get(&format!("/v1/batches/{}", batch.id))
        .await
        .json();
    assert_eq!(shown["status"], "in_progress");
    assert_eq!(shown["model"], "m");
    assert_eq!(
        shown["request_counts"].to_string(),
        r#"{"completed":1,"failed":1,"total":3}"#
    );
    assert_eq!(shown["usage"]["input_tokens"], 3);
    assert_eq!(shown["output_file_id"], Value::Null);
}

#[tokio::test]
async fn results_are_read_while_the_batch_runs_and_offsets_stay_good_after_it() {
    let server = Server::new();
    let batch = Running::start(&server, 3).await;
    let empty = batch.results(&server, "").await;
    assert_eq!((empty.status, empty.text()), (200, ""));
    assert_eq!(empty.header("x-overnight-next-offset"), "0");
    assert_eq!(empty.header("x-overnight-status"), "in_progress");

    batch.record(&server, &[1], &[2]).await;
    let first = batch.results(&server, "?file=output").await;
    assert_eq!(first.text(), "{\"1\"}\n");
    assert_eq!(first.header("x-overnight-next-offset"), "6");
    assert_eq!(first.header("content-length"), "6");
    assert_eq!(
        batch.results(&server, "?file=error").await.text(),
        "{\"2\"}\n"
    );
    assert_eq!(batch.results(&server, "?offset=6").await.text(), "");

    batch.record(&server, &[3], &[]).await;
    batch.seal(&server).await;
    let rest = batch.results(&server, "?file=output&offset=6").await;
    assert_eq!(rest.text(), "{\"3\"}\n");
    assert_eq!(rest.header("x-overnight-status"), "completed");
    assert_eq!(batch.results(&server, "?offset=8").await.text(), "3\"}\n");
    let sealed = server.get("/v1/files/file-output/content").await;
    assert_eq!(sealed.text(), "{\"1\"}\n{\"3\"}\n");
}

#[tokio::test]
async fn a_bad_question_for_results_is_refused() {
    let server = Server::new();
    let batch = Running::start(&server, 1).await;
    let message = "Invalid value: 'all'. Supported values are: 'output' and 'error'.";
    let answer = batch.results(&server, "?file=all").await;
    answer.is_refusal(400, message, Some("file"), Some("invalid_value"));
    let message = "Invalid 'offset': the batch has not recorded 7 bytes of that file.";
    let answer = batch.results(&server, "?offset=7").await;
    answer.is_refusal(400, message, Some("offset"), Some("invalid_value"));
    let answer = batch.results(&server, "?offset=-7").await;
    assert_eq!(answer.json()["error"]["code"], "integer_below_min_value");
    let answer = server.get("/v1/batches/batch_x/results").await;
    answer.is_refusal(404, "No batch found with id 'batch_x'.", None, None);
}

#[tokio::test]
async fn deleted_results_are_gone_from_both_routes_and_the_batch_keeps_their_id() {
    let server = Server::new();
    let batch = Running::start(&server, 1).await;
    batch.record(&server, &[1], &[]).await;
    batch.seal(&server).await;
    assert_eq!(
        server
            .call(Method::DELETE, "/v1/files/file-output", "")
            .await
            .status,
        200
    );
    let gone = batch.results(&server, "").await;
    gone.is_refusal(404, "No such File object: file-output", Some("id"), None);
    let shown = server
        .get(&format!("/v1/batches/{}", batch.id))
        .await
        .json();
    assert_eq!(shown["output_file_id"], "file-output");
    assert_eq!(shown["error_file_id"], Value::Null);
}

#[tokio::test]
async fn progress_says_why_a_batch_waits_until_it_has_ended() {
    let server = Server::new();
    let batch = Running::start(&server, 1).await;
    let path = format!("/v1/batches/{}/progress", batch.id);
    assert_eq!(server.get(&path).await.json()["updated_at"], Value::Null);
    let progress = BatchProgress {
        batch: batch.lease.batch.clone(),
        in_flight: 0,
        retrying: 1,
        lines_per_second: 0.5,
        eta_seconds: None,
        reason: Some("The upstream 'a' refuses connections.".to_owned()),
        pace: Pace::default(),
        updated_at: server.now(),
    };
    server
        .store
        .save_progress(&[progress])
        .await
        .expect("saved progress");
    insta::assert_snapshot!(server.get(&path).await.text(), @r#"
    {
      "object": "batch.progress",
      "batch_id": "batch_69046710000000000000000000004000",
      "status": "in_progress",
      "request_counts": {
        "total": 1,
        "completed": 0,
        "failed": 0
      },
      "in_flight": 0,
      "retrying": 1,
      "lines_per_second": 0.5,
      "eta_seconds": null,
      "reason": "The upstream 'a' refuses connections.",
      "tokens_per_second": {
        "input": 0.0,
        "output": 0.0
      },
      "eta_range_seconds": null,
      "limit": 0,
      "limited_by": null,
      "latency_ms": null,
      "paused": false,
      "parent": null,
      "children": [],
      "history": [],
      "updated_at": 1761896208
    }
    "#);
    batch.record(&server, &[1], &[]).await;
    batch.seal(&server).await;
    let ended = server.get(&path).await.json();
    assert_eq!(
        (&ended["status"], &ended["reason"]),
        (&"completed".into(), &Value::Null)
    );
}
