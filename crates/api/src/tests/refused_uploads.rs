use super::*;

/// Fields, and the message, param and code of their refusal.
type FieldCase = (
    &'static [(&'static str, &'static str)],
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
);

#[tokio::test]
async fn every_wrong_field_is_refused_with_its_documented_error() {
    let cases: [FieldCase; 8] = [
        (
            &[("purpose", "world_domination")],
            "'world_domination' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', \
             'vision', 'evals'] - 'purpose'",
            Some("purpose"),
            None,
        ),
        (
            &[],
            "'purpose' is a required property",
            Some("purpose"),
            None,
        ),
        (
            &[("purpose", "batch"), ("purpose", "batch")],
            "Duplicate parameter: 'purpose'. You provided multiple values for this parameter, \
             whereas only one is allowed.",
            Some("purpose"),
            Some("duplicate_parameter"),
        ),
        (
            &[("purpose", "batch"), ("expires_after[anchor]", "now")],
            "Invalid value: 'now'. Supported values are: 'created_at'.",
            Some("expires_after.anchor"),
            Some("invalid_value"),
        ),
        (
            &[("purpose", "batch"), ("expires_after[seconds]", "3599")],
            "Invalid 'expires_after.seconds': integer below minimum value. Expected a value >= \
             3600, but got 3599 instead.",
            Some("expires_after.seconds"),
            Some("integer_below_min_value"),
        ),
        (
            &[("purpose", "batch"), ("expires_after[seconds]", "2592001")],
            "Invalid 'expires_after.seconds': integer above maximum value. Expected a value <= \
             2592000, but got 2592001 instead.",
            Some("expires_after.seconds"),
            Some("integer_above_max_value"),
        ),
        (
            &[("purpose", "batch"), ("expires_after[seconds]", "soon")],
            "Invalid type for 'expires_after.seconds': expected an integer, but got a string \
             instead.",
            Some("expires_after.seconds"),
            Some("invalid_type"),
        ),
        (
            &[
                ("purpose", "batch"),
                ("expires_after[anchor]", "created_at"),
            ],
            "Missing required parameter: 'expires_after.seconds'.",
            Some("expires_after.seconds"),
            Some("missing_required_parameter"),
        ),
    ];
    for (fields, message, param, code) in cases {
        let server = Server::new();
        let answer = server.submit(form(fields, "in.jsonl", LINE)).await;
        answer.is_refusal(400, message, param, code);
        server.sweep().await;
        assert_eq!(server.blob_count().await, 0, "{message}");
    }
}

#[tokio::test]
async fn what_is_no_input_of_a_batch_is_refused_and_leaves_nothing_behind() {
    let cases: [(&str, &[u8], &str); 6] = [
        (
            "notes.txt",
            LINE.as_bytes(),
            "Invalid file format for Batch API. Must be .jsonl",
        ),
        (
            "in.jsonl",
            b"{\"a\":\"\xff\"}",
            "Invalid file for Batch API. Must be utf-8 encoded",
        ),
        (
            "in.jsonl",
            b"{}\n\xe4\xbd",
            "Invalid file for Batch API. Must be utf-8 encoded",
        ),
        (
            "in.jsonl",
            b"",
            "Invalid file format. The file is empty: a jsonl file with one request a line is \
             expected.",
        ),
        (
            "in.jsonl",
            b"\xef\xbb\xbf \r\n\n",
            "Invalid file format. The file is empty: a jsonl file with one request a line is \
             expected.",
        ),
        (
            "in.jsonl",
            b"custom_id,method\n{}",
            "Invalid file format. The file is not jsonl: its first line is not valid JSON.",
        ),
    ];
    for (filename, content, message) in cases {
        let server = Server::new();
        let answer = server
            .submit(form(&[("purpose", "batch")], filename, content))
            .await;
        answer.is_refusal(400, message, None, None);
        server.sweep().await;
        assert_eq!(server.blob_count().await, 0, "{message}");
        assert_eq!(
            server.get("/v1/files").await.json()["data"],
            Value::Array(Vec::new())
        );
    }
}

#[tokio::test]
async fn a_form_without_a_file_is_refused() {
    let server = Server::new();
    let mut form = fields_of(&[("purpose", "batch"), ("file", "text")]);
    form.extend(b"--B--");
    let answer = server.submit(form).await;
    let message = "'file' is a required property: the part of that name is a text, and must be a file, \
                   with a filename";
    answer.is_refusal(400, message, Some("file"), None);
    let mut form = fields_of(&[("purpose", "batch")]);
    form.extend(b"--B--");
    let answer = server.submit(form).await;
    answer.is_refusal(400, "'file' is a required property", Some("file"), None);
}

#[tokio::test]
async fn what_is_not_multipart_is_refused() {
    let server = Server::new();
    let answer = server.post("/v1/files", "{}").await;
    let message = "We could not read the form of your request: the body must be \
                   multipart/form-data with a boundary.";
    answer.is_refusal(400, message, None, None);
}

#[tokio::test]
async fn errors_of_the_files_api_carry_their_second_copy() {
    let answer = Server::new().get("/v1/files/fake_id").await;
    assert_eq!(answer.status, 404);
    insta::assert_snapshot!(answer.text(), @r#"
    {
      "error": {
        "message": "No such File object: fake_id",
        "type": "invalid_request_error",
        "param": "id",
        "code": null
      },
      "detail": {
        "message": "No such File object: fake_id",
        "code": null
      }
    }
    "#);
}

#[tokio::test]
async fn a_name_that_no_download_could_send_back_is_refused() {
    let server = Server::new();
    let fields = [("purpose", "batch")];
    let name = |chars: usize| format!("{}.jsonl", "é".repeat(chars - ".jsonl".len()));
    let longest = server.submit(form(&fields, &name(512), LINE)).await;
    assert_eq!(longest.status, 200, "{}", longest.text());
    let longer = server.submit(form(&fields, &name(513), LINE)).await;
    longer.is_refusal(
        400,
        "Invalid 'filename': string too long. Expected a string with maximum length 512, but got \
         a string with length 513 instead.",
        Some("filename"),
        Some("string_above_max_length"),
    );
}
