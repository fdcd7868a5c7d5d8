use std::io;
use std::sync::Mutex;

use futures_util::future::{FutureExt as _, join_all};
use futures_util::stream;
use overnight_store::faulty::{Fault, Faulty};
use overnight_store::store::Completion;
use serde_json::json;

use super::*;

/// What creates an upload of that many bytes for a batch.
fn declaration(bytes: usize) -> String {
    json!({
        "bytes": bytes,
        "filename": "in.jsonl",
        "mime_type": "application/jsonl",
        "purpose": "batch",
    })
    .to_string()
}

fn data_form(content: &[u8]) -> Vec<u8> {
    let mut form = b"--B\r\nContent-Disposition: form-data; name=\"data\"; \
        filename=\"upload\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        .to_vec();
    form.extend(content);
    form.extend(b"\r\n--B--\r\n");
    form
}

impl Server {
    async fn create_upload(&self, declaration: &str) -> String {
        let answer = self.post("/v1/uploads", declaration).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    async fn send_part(&self, upload: &str, body: Body) -> Answer {
        let request = Request::post(format!("/v1/uploads/{upload}/parts"))
            .header(CONTENT_TYPE, "multipart/form-data; boundary=B")
            .body(body);
        self.send(request.expect("a request")).await
    }

    async fn add_part(&self, upload: &str, content: &[u8]) -> String {
        let answer = self.send_part(upload, data_form(content).into()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    async fn complete(&self, upload: &str, body: &Value) -> Answer {
        let path = format!("/v1/uploads/{upload}/complete");
        self.post(&path, &body.to_string()).await
    }

    async fn cancel_upload(&self, upload: &str) -> Answer {
        self.post(&format!("/v1/uploads/{upload}/cancel"), "").await
    }
}

#[tokio::test]
async fn an_upload_and_its_parts_have_the_live_keys_in_the_live_order() {
    let server = Server::new();
    let created = server.post("/v1/uploads", &declaration(LINE.len())).await;
    assert_eq!(created.status, 200, "{}", created.text());
    insta::assert_snapshot!(created.text(), @r#"
    {
      "id": "upload_69046710000000000000000000001000",
      "object": "upload",
      "bytes": 99,
      "created_at": 1761896208,
      "filename": "in.jsonl",
      "purpose": "batch",
      "status": "pending",
      "expires_at": 1761899808
    }
    "#);
    let id = created.json()["id"].as_str().expect("an id").to_owned();
    let part = server
        .send_part(&id, data_form(LINE.as_bytes()).into())
        .await;
    insta::assert_snapshot!(part.text(), @r#"
    {
      "id": "part_69046710000000000000000000004000",
      "object": "upload.part",
      "created_at": 1761896208,
      "upload_id": "upload_69046710000000000000000000001000"
    }
    "#);
    let completed = server
        .complete(&id, &json!({"part_ids": [part.json()["id"]]}))
        .await;
    insta::assert_snapshot!(completed.text(), @r#"
    {
      "id": "upload_69046710000000000000000000001000",
      "object": "upload",
      "bytes": 99,
      "created_at": 1761896208,
      "filename": "in.jsonl",
      "purpose": "batch",
      "status": "completed",
      "expires_at": 1761899808,
      "file": {
        "object": "file",
        "id": "file-3CACn6HZBtrNEAdxLqVsTw",
        "purpose": "batch",
        "filename": "in.jsonl",
        "bytes": 99,
        "created_at": 1761896208,
        "expires_at": 1764488208,
        "status": "processed",
        "status_details": null
      }
    }
    "#);
    let cancelled = server.create_upload(&declaration(9)).await;
    let cancelled = server.cancel_upload(&cancelled).await;
    assert_eq!(cancelled.json()["status"], "cancelled");
    assert_eq!(cancelled.json().get("file"), None);
}

#[tokio::test]
async fn parts_that_come_together_make_a_file_in_the_order_of_the_completion() {
    let server = Server::new();
    let content = format!("{LINE}\n").repeat(50).into_bytes();
    let upload = server.create_upload(&declaration(content.len())).await;
    let chunks: Vec<&[u8]> = content.chunks(777).collect();
    let sent = chunks.iter().rev();
    let ids = join_all(sent.map(|chunk| server.add_part(&upload, chunk))).await;
    let unused = server.add_part(&upload, b"unused").await;
    let order: Vec<&String> = ids.iter().rev().collect();
    let sum = format!("{:X}", md5::compute(&content));
    let asked = json!({"part_ids": order, "md5": sum});
    let completed = server.complete(&upload, &asked).await;
    assert_eq!(completed.status, 200, "{}", completed.text());
    let file = completed.json()["file"].clone();
    let id = file["id"].as_str().expect("an id");
    let path = format!("/v1/files/{id}");
    assert_eq!(server.get(&path).await.json(), file);
    let read = server.get(&format!("{path}/content")).await;
    assert_eq!(read.body, content);
    assert_eq!(server.blob_count().await, chunks.len() + 1);
    server.sweep().await;
    assert_eq!(server.blob_count().await, chunks.len(), "but {unused}");
    let batch = server.post("/v1/batches", &creation(id)).await;
    assert_eq!(batch.status, 200, "{}", batch.text());

    // The answer was lost, and the client asks again: also when the file is gone by then.
    server.call(Method::DELETE, &path, "").await;
    server.pass(9_000);
    let again = server.complete(&upload, &asked).await;
    assert_eq!(again.body, completed.body);
    let listed = server.get("/v1/files").await;
    assert_eq!(listed.json()["data"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn the_file_of_an_upload_expires_as_any_other() {
    let server = Server::new();
    for (purpose, more, expires_at) in [
        ("batch", Value::Null, json!(START + 30 + 2_592_000)),
        ("user_data", Value::Null, Value::Null),
        (
            "assistants",
            json!({"anchor": "created_at", "seconds": 3600}),
            json!(START + 30 + 3_600),
        ),
    ] {
        server.seconds.store(START, Ordering::Relaxed);
        let declared = json!({
            "bytes": 2, "filename": "../a/in", "mime_type": "text/plain", "purpose": purpose,
            "expires_after": more,
        });
        let upload = server.create_upload(&declared.to_string()).await;
        let part = server.add_part(&upload, b"{}").await;
        server.pass(30);
        let completed = server
            .complete(&upload, &json!({"part_ids": [part], "md5": null}))
            .await;
        let file = &completed.json()["file"];
        assert_eq!(file["expires_at"], expires_at, "{}", completed.text());
        assert_eq!(file["created_at"], START + 30);
        assert_eq!(file["filename"], "in");
    }
}

#[tokio::test]
async fn an_upload_is_over_after_an_hour_and_leaves_nothing_behind() {
    let server = Server::new();
    let upload = server.create_upload(&declaration(2)).await;
    let part = server.add_part(&upload, b"{}").await;
    server.pass(3_600);
    let message = format!(
        "Upload '{upload}' has status 'expired'. Only a pending Upload takes Parts and can be \
         completed or cancelled. Create a new Upload."
    );
    let late = server.send_part(&upload, data_form(b"{}").into()).await;
    late.is_refusal(400, &message, None, None);
    let late = server.complete(&upload, &json!({"part_ids": [part]})).await;
    late.is_refusal(400, &message, None, None);
    let late = server.cancel_upload(&upload).await;
    late.is_refusal(400, &message, None, None);
    let expired = server.store.expire_uploads(9, server.now()).await;
    assert_eq!(expired.expect("a sweep"), 1);
    server.sweep().await;
    assert_eq!(server.blob_count().await, 0);
}

#[tokio::test]
async fn a_cancelled_upload_takes_nothing_more_and_leaves_nothing_behind() {
    let server = Server::new();
    let upload = server.create_upload(&declaration(2)).await;
    let part = server.add_part(&upload, b"{}").await;
    for _ in 0..2 {
        let cancelled = server.cancel_upload(&upload).await;
        assert_eq!(cancelled.status, 200, "{}", cancelled.text());
    }
    let message = format!(
        "Upload '{upload}' has status 'cancelled'. Only a pending Upload takes Parts and can be \
         completed or cancelled. Create a new Upload."
    );
    let late = server.send_part(&upload, data_form(b"{}").into()).await;
    late.is_refusal(400, &message, None, None);
    let late = server.complete(&upload, &json!({"part_ids": [part]})).await;
    late.is_refusal(400, &message, None, None);
    server.sweep().await;
    assert_eq!(server.blob_count().await, 0);
}

#[tokio::test]
async fn an_upload_that_is_cancelled_while_a_part_comes_does_not_keep_it() {
    let server = Server::new();
    let upload = server.create_upload(&declaration(2)).await;
    let form = data_form(b"{}");
    let (begun, rest) = form.split_at(form.len() - 4);
    let (begun, rest) = (Bytes::copy_from_slice(begun), Bytes::copy_from_slice(rest));
    let store = server.store.clone();
    let (id, now) = (upload.as_str().into(), server.now());
    let pieces =
        stream::once(async { Ok::<_, io::Error>(begun) }).chain(stream::once(async move {
            let project = ProjectId::default_project();
            let cancelled = store.cancel_upload(&project, &id, now).await;
            cancelled.expect("a cancelled upload");
            Ok(rest)
        }));
    let late = server.send_part(&upload, Body::from_stream(pieces)).await;
    assert_eq!(late.status, 400, "{}", late.text());
    server.sweep().await;
    assert_eq!(server.blob_count().await, 0);
}

#[tokio::test]
async fn an_upload_whose_parts_go_while_they_are_read_is_refused_as_what_it_is_then() {
    let store = Sqlite::memory(Blocking::Pool).expect("a database in memory");
    let asked = Arc::new(AtomicU64::new(0));
    let later = Arc::new(AtomicU64::new(u64::MAX));
    let (count, last) = (Arc::clone(&asked), Arc::clone(&later));
    let seconds = Arc::new(AtomicU64::new(START));
    let clock = Arc::clone(&seconds);
    // So many times it is asked for the upload, and then its hour is over.
    let faulty = Faulty::new(store, move |verb, _| {
        if verb == "upload" && count.fetch_add(1, Ordering::Relaxed) == last.load(Ordering::Relaxed)
        {
            clock.store(START + 3_600, Ordering::Relaxed);
        }
        Fault::None
    });
    let clock = Arc::clone(&seconds);
    let server = Server::with(|api| {
        api.store = Arc::new(faulty);
        api.clock = Clock::new(move || Timestamp::from_seconds(clock.load(Ordering::Relaxed)));
    });
    let upload = server.create_upload(&declaration(2)).await;
    let part = server.add_part(&upload, b"{}").await;
    let blobs: Vec<_> = server.blobs.list("files").collect().await;
    for blob in blobs {
        let blob = blob.expect("a key");
        server.blobs.delete(&blob).await.expect("a deletion");
    }
    let body = json!({"part_ids": [part]});
    let damaged = server.complete(&upload, &body).await;
    assert_eq!(damaged.status, 500, "{}", damaged.text());
    later.store(asked.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    let late = server.complete(&upload, &body).await;
    assert_eq!(late.status, 400, "{}", late.text());
    assert!(late.text().contains("status 'expired'"), "{}", late.text());
}

#[tokio::test]
async fn a_completion_that_comes_twice_at_a_time_is_answered_the_same_both_times() {
    let store = Sqlite::memory(Blocking::Inline).expect("a database in memory");
    let (inner, armed) = (store.clone(), Arc::new(Mutex::new(None::<Completion>)));
    let twin = Arc::clone(&armed);
    // The other request completes the upload while this one is about to look at the parts.
    let faulty = Faulty::new(store, move |verb, _| {
        let completion = (verb == "parts").then(|| twin.lock().expect("a lock").take());
        if let Some(completion) = completion.flatten() {
            let (project, at) = (ProjectId::default_project(), Timestamp::from_seconds(START));
            let completed = inner.complete_upload(&project, &completion, at);
            let completed = completed.now_or_never().expect("an answer on the spot");
            completed.expect("a completed upload");
        }
        Fault::None
    });
    let server = Server::with(|api| api.store = Arc::new(faulty));
    let upload = server.create_upload(&declaration(2)).await;
    let part = server.add_part(&upload, b"{}").await;
    let completion = Completion {
        upload: upload.as_str().into(),
        order: vec![part.as_str().into()],
        file: "file-of-the-other".into(),
    };
    *armed.lock().expect("a lock") = Some(completion);
    let answer = server.complete(&upload, &json!({"part_ids": [part]})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["file"]["id"], "file-of-the-other");
    assert!(armed.lock().expect("a lock").is_none(), "they met");
}

#[tokio::test]
async fn another_projects_upload_is_a_missing_one() {
    let server = Server::new();
    let upload = server.create_upload(&declaration(2)).await;
    let part = server.add_part(&upload, b"{}").await;
    let (store, blobs) = (server.store.clone(), server.blobs.clone());
    let stranger = Server::with(|api| {
        api.store = Arc::new(store);
        api.blobs = blobs;
        api.access = Access::Open("stranger".into());
    });
    let asked = json!({"part_ids": [part]});
    for (asker, id) in [(&stranger, upload.as_str()), (&server, "upload_fake")] {
        let message = format!("No such Upload object: {id}");
        let answers = [
            asker.send_part(id, data_form(b"{}").into()).await,
            asker.complete(id, &asked).await,
            asker.cancel_upload(id).await,
        ];
        for answer in answers {
            answer.is_refusal(404, &message, Some("id"), None);
        }
    }
    let completed = server.complete(&upload, &asked).await;
    assert_eq!(completed.status, 200, "{}", completed.text());
}

#[tokio::test]
async fn an_upload_cannot_be_read_as_the_live_service_has_no_such_route() {
    let server = Server::new();
    let upload = server.create_upload(&declaration(2)).await;
    let answer = server.get(&format!("/v1/uploads/{upload}")).await;
    let message = format!("Invalid URL (GET /v1/uploads/{upload})");
    answer.is_refusal(404, &message, None, None);
}
