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
    insta::assert_snapshot!(answer.text(), @"");
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
