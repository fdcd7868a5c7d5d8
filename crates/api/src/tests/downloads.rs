use super::*;

async fn with_file() -> (Server, String) {
    let server = Server::new();
    let id = server.upload("{\"a\":\"0123456789\"}\n").await;
    (server, id)
}

async fn fetch(server: &Server, id: &str, headers: &[(&str, &str)], method: Method) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/v1/files/{id}/content"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server
        .send(request.body(Body::empty()).expect("a request"))
        .await
}

#[tokio::test]
async fn the_content_is_the_bytes_with_the_headers_of_a_download() {
    let (server, id) = with_file().await;
    let answer = fetch(&server, &id, &[], Method::GET).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), "{\"a\":\"0123456789\"}\n");
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"in.jsonl\""
    );
    assert_eq!(answer.header("content-length"), "19");
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert_eq!(answer.header("etag"), format!("\"{id}\""));
}

#[tokio::test]
async fn head_answers_the_headers_alone_and_ignores_ranges() {
    let (server, id) = with_file().await;
    let answer = fetch(&server, &id, &[("range", "bytes=0-1")], Method::HEAD).await;
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, "19")
    );
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn a_cut_download_goes_on_by_range() {
    let (server, id) = with_file().await;
    let etag = format!("\"{id}\"");
    let headers = [("range", "bytes=6-"), ("if-range", etag.as_str())];
    let part = fetch(&server, &id, &headers, Method::GET).await;
    assert_eq!((part.status, part.text()), (206, "0123456789\"}\n"));
    assert_eq!(part.header("content-range"), "bytes 6-18/19");
    assert_eq!(part.header("content-length"), "13");
}

#[tokio::test]
async fn a_range_of_another_version_gets_the_whole_file() {
    let (server, id) = with_file().await;
    for version in ["\"file-other\"", "Wed, 21 Oct 2026 07:28:00 GMT"] {
        let headers = [("range", "bytes=6-"), ("if-range", version)];
        assert_eq!(fetch(&server, &id, &headers, Method::GET).await.status, 200);
    }
}

#[tokio::test]
async fn a_range_behind_the_end_is_refused_with_the_size() {
    let (server, id) = with_file().await;
    let answer = fetch(&server, &id, &[("range", "bytes=19-")], Method::GET).await;
    let message = "The requested range is not satisfiable: the file has 19 bytes.";
    answer.is_refusal(416, message, None, None);
    assert_eq!(answer.header("content-range"), "bytes */19");
}

#[tokio::test]
async fn only_inputs_and_results_of_batches_are_handed_out() {
    let server = Server::new();
    let sent = server
        .submit(form(&[("purpose", "user_data")], "a.pdf", b"x"))
        .await
        .json();
    let id = sent["id"].as_str().expect("an id");
    let message = "Not allowed to download files of purpose: user_data";
    fetch(&server, id, &[], Method::GET)
        .await
        .is_refusal(400, message, None, None);
}

#[tokio::test]
async fn a_name_that_is_not_ascii_is_kept_in_the_extended_form() {
    let server = Server::new();
    let sent = server
        .submit(form(&[("purpose", "batch")], "你\\\"好.jsonl", LINE))
        .await
        .json();
    assert_eq!(sent["filename"], "你\"好.jsonl");
    let id = sent["id"].as_str().expect("an id");
    let answer = fetch(&server, id, &[], Method::GET).await;
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"_\\\"_.jsonl\"; filename*=UTF-8''%E4%BD%A0%22%E5%A5%BD.jsonl"
    );
}

#[tokio::test]
async fn a_file_of_many_pieces_comes_whole() {
    let server = Server::new();
    let content = format!("{LINE}\n").repeat(20_000);
    let id = server.upload(&content).await;
    let answer = fetch(&server, &id, &[], Method::GET).await;
    assert!(answer.text() == content, "{} bytes came", answer.body.len());
    let range = format!("bytes={}-{}", 300_000, 1_200_000);
    let part = fetch(&server, &id, &[("range", &range)], Method::GET).await;
    assert!(
        part.text() == &content[300_000..=1_200_000],
        "{} bytes came",
        part.body.len()
    );
}

#[tokio::test]
async fn lost_bytes_are_an_error_and_not_an_empty_file() {
    let (server, id) = with_file().await;
    let mut blobs = server.blobs.list("files");
    while let Some(blob) = blobs.next().await {
        server
            .blobs
            .delete(&blob.expect("a blob"))
            .await
            .expect("a deletion");
    }
    let answer = fetch(&server, &id, &[], Method::GET).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["error"]["type"], "server_error");
}
