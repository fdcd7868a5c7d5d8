use std::io;

use futures_util::stream;
use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn an_upload_answers_the_file_with_every_key_in_the_live_order() {
    let server = Server::new();
    let answer = server
        .submit(form(&[("purpose", "batch")], "in.jsonl", LINE))
        .await;
    assert_eq!(answer.status, 200);
    insta::assert_snapshot!(answer.text(), @r#"
    {
      "object": "file",
      "id": "file-3CACn6HZBtrNEAdxLqVoDg",
      "purpose": "batch",
      "filename": "in.jsonl",
      "bytes": 99,
      "created_at": 1761896208,
      "expires_at": 1764488208,
      "status": "processed",
      "status_details": null
    }
    "#);
}

#[tokio::test]
async fn the_file_may_come_before_its_purpose() {
    let server = Server::new();
    let mut form = file_part("in.jsonl", LINE.as_bytes());
    form.extend(fields_of(&[
        ("purpose", "batch"),
        ("expires_after[anchor]", "created_at"),
        ("expires_after[seconds]", "3600"),
    ]));
    form.extend(b"--B--");
    let answer = server.submit(form).await;
    assert_eq!(
        answer.json()["expires_at"],
        START + 3_600,
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn only_files_of_batches_expire_by_themselves() {
    let server = Server::new();
    let answer = server
        .submit(form(&[("purpose", "user_data")], "a.pdf", b"\xff\xfe"))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["expires_at"], Value::Null);
    assert_eq!(answer.json()["bytes"], 2);
}

#[tokio::test]
async fn expires_after_is_also_taken_as_one_json_part() {
    let server = Server::new();
    let fields = [
        ("purpose", "evals"),
        (
            "expires_after",
            r#"{"anchor":"created_at","seconds":2592000}"#,
        ),
    ];
    let answer = server.submit(form(&fields, "a.jsonl", LINE)).await;
    assert_eq!(
        answer.json()["expires_at"],
        START + 2_592_000,
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn later_lines_and_names_without_an_extension_are_not_judged_at_upload() {
    let server = Server::new();
    let content = "\u{feff}\r\n{\"a\":1}\r\nnot json";
    let answer = server
        .submit(form(&[("purpose", "batch")], "test-batch-file", content))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["filename"], "test-batch-file");
}

#[tokio::test]
async fn a_file_is_too_large_only_above_the_limit() {
    let server = Server::with(|api| api.settings.upload_bytes_max = LINE.len() as u64);
    let fits = server
        .submit(form(&[("purpose", "batch")], "in.jsonl", LINE))
        .await;
    assert_eq!(fits.status, 200);
    let larger = format!("{LINE}\n");
    let refused = server
        .submit(form(&[("purpose", "batch")], "in.jsonl", larger))
        .await;
    refused.is_refusal(413, "File is too large.", None, None);
    server.sweep().await;
    assert_eq!(server.blob_count().await, 1);
}

#[tokio::test]
async fn a_length_over_the_limit_is_refused_before_anything_is_read() {
    let server = Server::with(|api| api.settings.upload_bytes_max = 10);
    let mut request = form_request(Body::from_stream(stream::pending::<io::Result<Bytes>>()));
    request
        .headers_mut()
        .insert("content-length", "2000000".parse().expect("a value"));
    request
        .headers_mut()
        .insert("expect", "100-continue".parse().expect("a value"));
    server
        .send(request)
        .await
        .is_refusal(413, "File is too large.", None, None);
}

#[tokio::test]
async fn the_rest_of_a_refused_upload_is_read_so_that_its_client_sees_the_answer() {
    let server = Server::with(|api| api.settings.upload_bytes_max = 10);
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let first = form(&[("purpose", "batch")], "in.jsonl", LINE);
    let pieces = stream::iter((0..50_u64).map(move |index| {
        count.store(index + 1, Ordering::Relaxed);
        Ok::<_, io::Error>(if index == 0 {
            Bytes::from(first.clone())
        } else {
            Bytes::from("x")
        })
    }));
    let refused = server.send(form_request(Body::from_stream(pieces))).await;
    refused.is_refusal(413, "File is too large.", None, None);
    server.sweep().await;
    assert_eq!(asked.load(Ordering::Relaxed), 50);
}

#[tokio::test]
async fn draining_stops_at_its_limit() {
    let server = Server::with(|api| {
        api.settings.upload_bytes_max = 10;
        api.settings.drain_bytes_max = 1_000;
    });
    let first = form(&[("purpose", "batch")], "in.jsonl", LINE);
    let endless = stream::once(async { Ok::<_, io::Error>(Bytes::from(first)) })
        .chain(stream::repeat_with(|| Ok(Bytes::from_static(&[b'x'; 100]))));
    let refused = server.send(form_request(Body::from_stream(endless))).await;
    assert_eq!(refused.status, 413);
    server.sweep().await;
}

#[tokio::test]
async fn a_truncated_upload_is_refused_and_leaves_nothing_behind() {
    let server = Server::new();
    let mut form = form(&[("purpose", "batch")], "in.jsonl", LINE);
    form.truncate(form.len() - 9);
    let refused = server.submit(form).await;
    let message = "We could not read the form of your request: the body ended before the form was \
                   complete.";
    refused.is_refusal(400, message, None, None);
    server.sweep().await;
    assert_eq!(server.blob_count().await, 0);
    assert!(
        server
            .store
            .garbage(1, server.now())
            .await
            .expect("garbage")
            .is_empty()
    );
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let server = Server::new();
    let mut begun = fields_of(&[("purpose", "batch")]);
    begun.extend(file_part("in.jsonl", LINE.as_bytes()));
    let pieces =
        stream::once(async { Ok::<_, io::Error>(Bytes::from(begun)) }).chain(stream::pending());
    let upload = server.send(form_request(Body::from_stream(pieces)));
    let gone = tokio::time::timeout(std::time::Duration::from_millis(50), upload).await;
    assert!(gone.is_err());
    server.tasks.close();
    server.tasks.wait().await;
    let garbage = server
        .store
        .garbage(10, server.now())
        .await
        .expect("garbage");
    assert_eq!(garbage.len(), 1, "the announced blob is given up");
    assert_eq!(server.blob_count().await, 0);
}

#[tokio::test]
async fn a_client_that_sends_nothing_more_or_a_byte_now_and_then_is_refused() {
    let server = Server::with(|api| {
        api.settings.body_idle_max = std::time::Duration::from_millis(20);
        api.settings.drain_time_max = std::time::Duration::from_millis(20);
    });
    let nothing = stream::pending().boxed();
    let drops = stream::repeat(Bytes::from_static(b"x")).then(async |drop| {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        Ok::<_, io::Error>(drop)
    });
    for rest in [nothing, drops.boxed()] {
        let begun = Bytes::from(file_part("in.jsonl", LINE.as_bytes()));
        let pieces = stream::once(async { Ok::<_, io::Error>(begun) }).chain(rest);
        let refused = server.send(form_request(Body::from_stream(pieces))).await;
        let message = "We could not read the form of your request: the client sent nothing, or \
                       next to nothing, for too long.";
        refused.is_refusal(400, message, None, None);
        server.sweep().await;
        assert_eq!(server.blob_count().await, 0);
    }
}

#[tokio::test]
async fn a_json_body_that_never_ends_is_refused() {
    let server = Server::with(|api| {
        api.settings.body_idle_max = std::time::Duration::from_millis(20);
    });
    for path in ["/v1/batches", "/v1/uploads"] {
        let request =
            Request::post(path).body(Body::from_stream(stream::pending::<io::Result<Bytes>>()));
        let refused = server.send(request.unwrap()).await;
        let message = "The request's body took too long: all of it must come within 20ms.";
        refused.is_refusal(400, message, None, None);
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_ends_an_upload() {
    let asked = AtomicU64::new(0);
    let server = Server::with(|api| {
        api.has_space = Arc::new(move || asked.fetch_add(1, Ordering::Relaxed) == 0);
    });
    let content = format!("{LINE}\n").repeat(100_000);
    let answer = server
        .submit(form(&[("purpose", "batch")], "in.jsonl", content))
        .await;
    assert_eq!(answer.status, 503, "{}", answer.text());
}

#[tokio::test]
async fn a_full_disk_refuses_uploads_and_nothing_else() {
    let server = Server::with(|api| api.has_space = Arc::new(|| false));
    let answer = server
        .submit(form(&[("purpose", "batch")], "in.jsonl", LINE))
        .await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(answer.json()["error"]["type"], "server_error");
    let created = server.post("/v1/batches", &creation("file-a")).await;
    assert_eq!(created.status, 200);
}

proptest! {
    #![proptest_config(arbitrary::seeded(32))]
    #[test]
    fn any_chunking_of_an_upload_gives_the_same_file(
        content in proptest::collection::vec(any::<u8>(), 0..300),
        cuts in proptest::collection::vec(1_usize..50, 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let server = Server::new();
            let file = [b"{}\n", content.as_slice()].concat();
            let form = form(&[("purpose", "batch")], "in.jsonl", file);
            let mut rest = form.as_slice();
            let mut pieces = Vec::new();
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                pieces.push(Ok::<_, io::Error>(Bytes::copy_from_slice(piece)));
                rest = tail;
            }
            pieces.push(Ok(Bytes::copy_from_slice(rest)));
            let sent = server.send(form_request(Body::from_stream(stream::iter(pieces)))).await;
            let valid = std::str::from_utf8(&content).is_ok();
            assert_eq!(sent.status, if valid { 200 } else { 400 });
            if valid {
                let id = sent.json()["id"].as_str().expect("an id").to_owned();
                let read = server.get(&format!("/v1/files/{id}/content")).await;
                assert_eq!(read.body[3..], content);
            }
        });
    }
}
