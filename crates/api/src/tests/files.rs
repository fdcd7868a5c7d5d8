use super::*;

#[tokio::test]
async fn a_file_is_shown_until_it_is_deleted() {
    let server = Server::new();
    let id = server.upload(LINE).await;
    let shown = server.get(&format!("/v1/files/{id}")).await;
    assert_eq!(
        (shown.status, &shown.json()["id"]),
        (200, &Value::from(id.clone()))
    );
    let deleted = server
        .call(Method::DELETE, &format!("/v1/files/{id}"), "")
        .await;
    assert_eq!(deleted.status, 200);
    let expected =
        format!("{{\n  \"object\": \"file\",\n  \"deleted\": true,\n  \"id\": \"{id}\"\n}}\n");
    assert_eq!(deleted.text(), expected);
    for method in [Method::GET, Method::DELETE] {
        let gone = server.call(method, &format!("/v1/files/{id}"), "").await;
        gone.is_refusal(404, &format!("No such File object: {id}"), Some("id"), None);
    }
    let gone = server.get(&format!("/v1/files/{id}/content")).await;
    gone.is_refusal(404, &format!("No such File object: {id}"), Some("id"), None);
}

#[tokio::test]
async fn an_expired_file_is_a_missing_one() {
    let server = Server::new();
    let id = server.upload(LINE).await;
    server.pass(2_592_001);
    let gone = server.get(&format!("/v1/files/{id}")).await;
    gone.is_refusal(404, &format!("No such File object: {id}"), Some("id"), None);
}

#[tokio::test]
async fn an_empty_page_has_null_cursors() {
    let answer = Server::new().get("/v1/files").await;
    insta::assert_snapshot!(answer.text(), @r#"
    {
      "object": "list",
      "data": [],
      "has_more": false,
      "first_id": null,
      "last_id": null
    }
    "#);
}

#[tokio::test]
async fn pages_follow_each_other_in_both_orders() {
    let server = Server::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(server.upload(LINE).await);
        server.pass(1);
    }
    let first = server.get("/v1/files?limit=2&order=asc").await.json();
    assert_eq!(first["first_id"], Value::from(ids[0].clone()));
    assert_eq!(first["last_id"], Value::from(ids[1].clone()));
    assert_eq!(first["has_more"], true);
    let second = server
        .get(&format!("/v1/files?limit=2&order=asc&after={}", ids[1]))
        .await
        .json();
    assert_eq!(second["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(second["has_more"], false);
    let newest = server.get("/v1/files?limit=1").await.json();
    assert_eq!(newest["first_id"], Value::from(ids[2].clone()));
}

#[tokio::test]
async fn files_are_listed_by_purpose_and_an_unknown_one_has_none() {
    let server = Server::new();
    server.upload(LINE).await;
    let count = async |query: &str| {
        let page = server
            .get(&format!("/v1/files?purpose={query}"))
            .await
            .json();
        page["data"].as_array().map(Vec::len)
    };
    assert_eq!(count("batch").await, Some(1));
    assert_eq!(count("fine-tune").await, Some(0));
    assert_eq!(count("world_domination").await, Some(0));
}

#[tokio::test]
async fn a_bad_list_query_is_refused() {
    let server = Server::new();
    let limit = "limit must be between 1 and 10000.";
    let above = Some("integer_above_max_value");
    let below = Some("integer_below_min_value");
    server
        .get("/v1/files?limit=10001")
        .await
        .is_refusal(400, limit, Some("limit"), above);
    server
        .get("/v1/files?limit=0")
        .await
        .is_refusal(400, limit, Some("limit"), below);
    let order = "Invalid value: 'up'. Supported values are: 'asc' and 'desc'.";
    let invalid = Some("invalid_value");
    server
        .get("/v1/files?order=up")
        .await
        .is_refusal(400, order, Some("order"), invalid);
    let after = server.get("/v1/files?after=file-x").await;
    after.is_refusal(404, "Resource not found.", Some("after"), None);
}
