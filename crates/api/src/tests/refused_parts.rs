use serde_json::json;

use super::*;

/// What is changed in a good request, and the message, param and code of its refusal.
type CreateCase = (
    Value,
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
);

#[tokio::test]
async fn a_size_that_cannot_be_is_refused_with_its_documented_error() {
    are_refused([
        (
            json!({"bytes": null}),
            "Invalid type for 'bytes': expected an integer, but got null instead.",
            Some("bytes"),
            Some("invalid_type"),
        ),
        (
            json!({"bytes": "9"}),
            "Invalid type for 'bytes': expected an integer, but got a string instead.",
            Some("bytes"),
            Some("invalid_type"),
        ),
        (
            json!({"bytes": 0}),
            "Invalid 'bytes': integer below minimum value. Expected a value >= 1, but got 0 \
             instead.",
            Some("bytes"),
            Some("integer_below_min_value"),
        ),
        (
            json!({"bytes": 8_589_934_593_u64}),
            "Invalid 'bytes': integer above maximum value. Expected a value <= 8589934592, but \
             got 8589934593 instead.",
            Some("bytes"),
            Some("integer_above_max_value"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn every_wrong_creation_is_refused_with_its_documented_error() {
    are_refused([
        (
            json!({"filename": ["a"]}),
            "Invalid type for 'filename': expected a string, but got an array instead.",
            Some("filename"),
            Some("invalid_type"),
        ),
        (
            json!({"filename": "folder/"}),
            "Invalid 'filename': expected the name of a file, such as 'in.jsonl'.",
            Some("filename"),
            Some("invalid_value"),
        ),
        (
            json!({"filename": "a".repeat(513)}),
            "Invalid 'filename': string too long. Expected a string with maximum length 512, but \
             got a string with length 513 instead.",
            Some("filename"),
            Some("string_above_max_length"),
        ),
        (
            json!({"filename": "notes.txt"}),
            "Invalid file format for Batch API. Must be .jsonl",
            None,
            None,
        ),
        (
            json!({"mime_type": 7}),
            "Invalid type for 'mime_type': expected a string, but got an integer instead.",
            Some("mime_type"),
            Some("invalid_type"),
        ),
        (
            json!({"purpose": "world_domination"}),
            "'world_domination' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', \
             'vision', 'evals'] - 'purpose'",
            Some("purpose"),
            None,
        ),
        (
            json!({"expires_after": {"anchor": "created_at", "seconds": 1}}),
            "Invalid 'expires_after.seconds': integer below minimum value. Expected a value >= \
             3600, but got 1 instead.",
            Some("expires_after.seconds"),
            Some("integer_below_min_value"),
        ),
        (
            json!({"part_size": 7}),
            "Unknown parameter: 'part_size'.",
            Some("part_size"),
            Some("unknown_parameter"),
        ),
    ])
    .await;
}

async fn are_refused<const N: usize>(cases: [CreateCase; N]) {
    let server = Server::new();
    for (change, message, param, code) in cases {
        let mut asked = asked();
        let change = change.as_object().expect("an object").clone();
        asked.as_object_mut().expect("an object").extend(change);
        let answer = server.post("/v1/uploads", &asked.to_string()).await;
        answer.is_refusal(400, message, param, code);
    }
}

#[tokio::test]
async fn a_creation_that_lacks_something_is_refused() {
    let server = Server::new();
    for param in ["bytes", "filename", "mime_type", "purpose"] {
        let mut asked = asked();
        asked.as_object_mut().expect("an object").remove(param);
        let answer = server.post("/v1/uploads", &asked.to_string()).await;
        let message = format!("Missing required parameter: '{param}'.");
        let code = Some("missing_required_parameter");
        answer.is_refusal(400, &message, Some(param), code);
    }
}

fn asked() -> Value {
    json!({"bytes": 9, "filename": "in.jsonl", "mime_type": "text/jsonl", "purpose": "batch"})
}

async fn upload_of(server: &Server, bytes: usize, purpose: &str) -> String {
    let asked = json!({
        "bytes": bytes, "filename": "in", "mime_type": "text/plain", "purpose": purpose,
    });
    let created = server.post("/v1/uploads", &asked.to_string()).await;
    created.json()["id"].as_str().expect("an id").to_owned()
}

fn part_form(name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

async fn send(server: &Server, upload: &str, parts: &[Vec<u8>]) -> Answer {
    let form = [parts.concat(), b"--B--\r\n".to_vec()].concat();
    let request = Request::post(format!("/v1/uploads/{upload}/parts"))
        .header(CONTENT_TYPE, "multipart/form-data; boundary=B")
        .body(Body::from(form));
    server.send(request.expect("a request")).await
}

#[tokio::test]
async fn a_form_that_is_no_part_is_refused_and_leaves_nothing_behind() {
    let server = Server::with(|api| api.settings.part_bytes_max = 4);
    let upload = upload_of(&server, 9, "batch").await;
    let data = |content: &[u8]| part_form("data", content);
    let large = send(&server, &upload, &[data(b"12345")]).await;
    large.is_refusal(413, "Part is too large.", None, None);
    let missing = send(&server, &upload, &[part_form("file", b"1234")]).await;
    let message = "'data' is a required property";
    missing.is_refusal(400, message, Some("data"), None);
    let empty = send(&server, &upload, &[data(b"")]).await;
    let message = "Invalid 'data': the Part is empty.";
    empty.is_refusal(400, message, Some("data"), Some("invalid_value"));
    let twice = send(&server, &upload, &[data(b"12"), data(b"34")]).await;
    assert_eq!(twice.status, 400, "{}", twice.text());
    let other = server
        .post(&format!("/v1/uploads/{upload}/parts"), "{}")
        .await;
    assert_eq!(other.status, 400, "{}", other.text());
    server.sweep().await;
    assert_eq!(server.blob_count().await, 0);
    let fits = send(&server, &upload, &[data(b"1234")]).await;
    assert_eq!(fits.status, 200, "{}", fits.text());
}

#[tokio::test]
async fn a_full_disk_refuses_parts() {
    let server = Server::with(|api| api.has_space = Arc::new(|| false));
    let upload = upload_of(&server, 9, "batch").await;
    let refused = send(&server, &upload, &[part_form("data", b"1")]).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.header("retry-after"), "5");
}

#[tokio::test]
async fn what_does_not_make_the_file_is_refused_and_can_be_mended() {
    let server = Server::new();
    let upload = upload_of(&server, 7, "batch").await;
    let mut ids = Vec::new();
    for content in [b"{}\n{".as_slice(), b"\"a\":1}"] {
        let sent = send(&server, &upload, &[part_form("data", content)]).await;
        ids.push(sent.json()["id"].as_str().expect("an id").to_owned());
    }
    let (a, b) = (&ids[0], &ids[1]);
    let cases = [
        (
            json!({}),
            "Missing required parameter: 'part_ids'.".to_owned(),
        ),
        (
            json!({"part_ids": a}),
            "Invalid type for 'part_ids': expected an array, but got a string instead.".to_owned(),
        ),
        (
            json!({"part_ids": [a, 7]}),
            "Invalid type for 'part_ids[1]': expected a string, but got an integer instead."
                .to_owned(),
        ),
        (
            json!({"part_ids": []}),
            "Invalid 'part_ids': expected an array of 1 to 10000 ids of Parts, but got 0 elements \
             instead."
                .to_owned(),
        ),
        (
            json!({"part_ids": [a, "part_fake"]}),
            format!(
                "Upload '{upload}' has no Part 'part_fake'. Name the Parts by the ids that their \
                 uploads were answered with."
            ),
        ),
        (
            json!({"part_ids": [a, a]}),
            format!(
                "Part '{a}' is named twice. Name each Part once, in the order of the file's bytes."
            ),
        ),
        (
            json!({"part_ids": [a, b]}),
            format!(
                "The Parts have 10 bytes together, but Upload '{upload}' was created with \
                 'bytes': 7. Name every Part of the file, or create an Upload of the right size."
            ),
        ),
        (
            json!({"part_ids": [a], "md5": "nonsense"}),
            "Invalid 'md5': expected 32 hexadecimal digits, but got 'nonsense' instead.".to_owned(),
        ),
    ];
    let path = format!("/v1/uploads/{upload}/complete");
    for (asked, message) in cases {
        let refused = server.post(&path, &asked.to_string()).await;
        assert_eq!(refused.json()["error"]["message"], message);
        assert_eq!(refused.status, 400);
    }
    let sent = send(&server, &upload, &[part_form("data", b"{}\n")]).await;
    let small = sent.json()["id"].clone();
    let asked = json!({"part_ids": [a, small]});
    let completed = server.post(&path, &asked.to_string()).await;
    assert_eq!(completed.status, 200, "{}", completed.text());
}

#[tokio::test]
async fn bytes_of_another_checksum_are_refused() {
    let server = Server::new();
    let upload = upload_of(&server, 6, "evals").await;
    let mut ids = Vec::new();
    for content in [b"abc", b"def"] {
        let sent = send(&server, &upload, &[part_form("data", content)]).await;
        ids.push(sent.json()["id"].clone());
    }
    let path = format!("/v1/uploads/{upload}/complete");
    let right = "e80b5017098950fc58aad83c8c14978e";
    let wrong = json!({"part_ids": [ids[1], ids[0]], "md5": right});
    let refused = server.post(&path, &wrong.to_string()).await;
    let found = format!("{:x}", md5::compute(b"defabc"));
    let message = format!(
        "The MD5 checksum of the Parts in this order is '{found}', but the request says \
         '{right}'. Check the order of 'part_ids', or send the damaged Parts again."
    );
    refused.is_refusal(400, &message, Some("md5"), Some("invalid_value"));
    let right = json!({"part_ids": ids, "md5": right});
    let completed = server.post(&path, &right.to_string()).await;
    assert_eq!(completed.status, 200, "{}", completed.text());
}

#[tokio::test]
async fn what_is_no_input_of_a_batch_is_refused_when_its_parts_are_put_together() {
    let cases: [(&[&[u8]], Option<&str>); 4] = [
        // A character that two parts share is whole.
        (&[b"{\"a\":\"\xe4", b"\xbd\xa0\"}"], None),
        (
            &[b"{\"a\":\"\xe4", b"\"}"],
            Some("Invalid file for Batch API. Must be utf-8 encoded"),
        ),
        (
            &[b"custom", b"_id,method\n{}"],
            Some("Invalid file format. The file is not jsonl: its first line is not valid JSON."),
        ),
        (
            &[b" \r\n", b"\n"],
            Some(
                "Invalid file format. The file is empty: a jsonl file with one request a line is \
                 expected.",
            ),
        ),
    ];
    for (contents, refusal) in cases {
        let server = Server::new();
        let size = contents.concat().len();
        let upload = upload_of(&server, size, "batch").await;
        let mut ids = Vec::new();
        for content in contents {
            let sent = send(&server, &upload, &[part_form("data", content)]).await;
            ids.push(sent.json()["id"].clone());
        }
        let path = format!("/v1/uploads/{upload}/complete");
        let asked = json!({"part_ids": ids}).to_string();
        let answer = server.post(&path, &asked).await;
        match refusal {
            Some(message) => answer.is_refusal(400, message, None, None),
            None => assert_eq!(answer.status, 200, "{}", answer.text()),
        }
    }
}
