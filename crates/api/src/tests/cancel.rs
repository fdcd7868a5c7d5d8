use super::*;

#[tokio::test]
async fn a_cancelled_batch_is_answered_without_white_space() {
    let server = Server::new();
    let created = server
        .post("/v1/batches", &creation("file-abc"))
        .await
        .json();
    let id = created["id"].as_str().expect("an id");
    server.pass(2);
    let answer = server.post(&format!("/v1/batches/{id}/cancel"), "").await;
    assert_eq!(answer.status, 200);
    insta::assert_snapshot!(answer.text(), @r#"{"id":"batch_69046710000000000000000000001000","object":"batch","endpoint":"/v1/chat/completions","model":null,"errors":null,"input_file_id":"file-abc","completion_window":"24h","status":"cancelling","output_file_id":null,"error_file_id":null,"created_at":1761896208,"in_progress_at":null,"expires_at":1761982608,"finalizing_at":null,"completed_at":null,"failed_at":null,"expired_at":null,"cancelling_at":1761896210,"cancelled_at":null,"request_counts":{"total":0,"completed":0,"failed":0},"usage":{"input_tokens":0,"output_tokens":0,"total_tokens":0,"input_tokens_details":{"cached_tokens":0},"output_tokens_details":{"reasoning_tokens":0}},"metadata":null}"#);
    let shown = server.get(&format!("/v1/batches/{id}")).await;
    assert_eq!(shown.json(), answer.json());
}

#[tokio::test]
async fn cancelling_again_changes_nothing() {
    let server = Server::new();
    let id = server.batch().await;
    let first = server.post(&format!("/v1/batches/{id}/cancel"), "{}").await;
    server.pass(5);
    let second = server.post(&format!("/v1/batches/{id}/cancel"), "").await;
    assert_eq!((second.status, second.json()), (200, first.json()));
}

#[tokio::test]
async fn cancelling_wakes_the_engine() {
    let server = Server::new();
    let id = server.batch().await;
    server.wake.woken().await;
    server.post(&format!("/v1/batches/{id}/cancel"), "").await;
    let woken = tokio::time::timeout(std::time::Duration::from_secs(5), server.wake.woken()).await;
    assert!(woken.is_ok());
}

#[tokio::test]
async fn an_ended_batch_cannot_be_cancelled_and_clients_do_not_try_again() {
    let server = Server::new();
    let batch = engine::Running::start(&server, 1).await;
    batch.record(&server, &[1], &[]).await;
    batch.seal(&server).await;
    let answer = server
        .post(&format!("/v1/batches/{}/cancel", batch.id), "")
        .await;
    answer.is_refusal(
        409,
        "Cannot cancel a batch with status 'completed'.",
        None,
        None,
    );
    assert_eq!(answer.header("x-should-retry"), "false");
}
