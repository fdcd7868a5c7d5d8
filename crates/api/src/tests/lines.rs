//! Lines and failures, over batches as the engine leaves them.

use overnight_core::outcome::LineError;

use super::worked::{End, Worked, input};
use super::*;

fn refused(status: u16, message: impl Into<String>) -> End {
    End::Refused(status, message.into())
}

/// Ten lines: 1 to 3 and 5 were answered, 4 and 6 refused, 7 timed out, 8 to 10 have not ended.
async fn running(server: &Server, indexed: bool) -> Worked {
    let batch = Worked::start(server, &input(10)).await;
    let first = [
        (2, End::Text("two")),
        (
            6,
            refused(400, "the limit is 9 tokens, you sent 12 (req_1a)"),
        ),
        (1, End::Text("one")),
    ];
    batch.record_with(server, &first, indexed).await;
    let second = [
        (
            4,
            refused(400, "the limit is 9 tokens, you sent 7 (req_99)"),
        ),
        (3, End::Text("three")),
        (7, End::Error(LineError::RequestTimeout)),
        (5, End::Text("five")),
    ];
    batch.record_with(server, &second, indexed).await;
    batch
}

fn numbers(answer: &Answer) -> Vec<u64> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = answer.json();
    let lines = page["data"].as_array().expect("lines");
    lines
        .iter()
        .map(|line| line["line"].as_u64().expect("a number"))
        .collect()
}

#[tokio::test]
async fn failures_are_grouped_by_what_does_not_vary() {
    for indexed in [true, false] {
        let server = Server::new();
        let batch = running(&server, indexed).await;
        let groups = batch.get(&server, "failures").await.json();
        assert_eq!(groups["total"], 3);
        let first = &groups["data"][0];
        assert_eq!(
            first["signature"],
            "400: the limit is <n> tokens, you sent <n> (<id>)"
        );
        assert_eq!(
            (&first["count"], &first["first_line"]),
            (&2.into(), &4.into())
        );
        assert_eq!(
            first["sample"],
            "the limit is 9 tokens, you sent 7 (req_99)"
        );
        assert_eq!(
            (&first["code"], &first["status_code"]),
            (&"c".into(), &400.into())
        );
        assert_eq!(first["retryable"], false);
        let second = &groups["data"][1];
        assert_eq!(
            (&second["code"], &second["first_line"]),
            (&"request_timeout".into(), &7.into())
        );
        assert_eq!(
            (&second["status_code"], &second["retryable"]),
            (&Value::Null, &true.into())
        );
        assert!(second["hint"].as_str().expect("a hint").contains("in time"));
    }
}

#[tokio::test]
async fn twelve_causes_with_varying_ids_make_twelve_groups_over_many_segments() {
    let server = Server::new();
    let batch = Worked::start(&server, &input(240)).await;
    for segment in 0..20 {
        let ends: Vec<(u32, End)> = (0..12_u16)
            .map(|cause| {
                let line = segment * 12 + u32::from(cause) + 1;
                (
                    line,
                    refused(
                        400 + cause,
                        format!("no {line} for 'x{line}' at http://h/{line}"),
                    ),
                )
            })
            .collect();
        batch.record(&server, &ends).await;
    }
    batch.seal(&server).await;
    let groups = batch.get(&server, "failures").await.json();
    let data = groups["data"].as_array().expect("groups");
    assert_eq!((data.len(), &groups["total"]), (12, &240.into()));
    for (group, status) in data.iter().zip(400..) {
        assert_eq!(
            (&group["count"], &group["status_code"]),
            (&20.into(), &status.into())
        );
        assert_eq!(group["first_line"], status - 399);
    }
}

#[tokio::test]
async fn lines_are_listed_by_number_whatever_the_order_in_which_they_ended() {
    for indexed in [true, false] {
        let server = Server::new();
        let batch = running(&server, indexed).await;
        let all = batch.get(&server, "lines").await;
        assert_eq!(numbers(&all), (1..=10).collect::<Vec<u64>>());
        let all = all.json();
        assert_eq!(all["has_more"], false);
        let ids = all["data"].as_array().expect("lines").iter();
        let ids: Vec<&str> = ids
            .map(|line| line["custom_id"].as_str().expect("an id"))
            .collect();
        assert_eq!(ids[..3], ["r-1", "r-2", "r-3"]);
        assert_eq!(
            ids[8], "r-9",
            "an id that has not ended, and is written with an escape"
        );
        assert_eq!(
            (&all["data"][1]["preview"], &all["data"][1]["status"]),
            (&"two".into(), &"completed".into())
        );
        assert_eq!(all["data"][6]["status_code"], Value::Null);
        assert_eq!(all["data"][9]["status"], "pending");
        assert_eq!(all["data"][1]["attempts"].is_null(), !indexed);

        let page = batch.get(&server, "lines?after=2&limit=3").await;
        assert_eq!(
            (numbers(&page), page.json()["has_more"] == true),
            (vec![3, 4, 5], true)
        );
        for (query, expected) in [
            ("status=completed", vec![1, 2, 3, 5]),
            ("status=failed&after=4", vec![6, 7]),
            ("status=pending&limit=2", vec![8, 9]),
            (
                "signature=400:+the+limit+is+%3Cn%3E+tokens,+you+sent+%3Cn%3E+(%3Cid%3E)",
                vec![4, 6],
            ),
            ("status=completed&signature=400", vec![]),
            ("line=7", vec![7]),
            ("line=11", vec![]),
            ("custom_id=r-6", vec![6]),
            ("custom_id=r-9", vec![9]),
            ("custom_id=r", vec![]),
        ] {
            let answer = batch.get(&server, &format!("lines?{query}")).await;
            assert_eq!(numbers(&answer), expected, "{query}");
        }
    }
}

#[tokio::test]
async fn a_line_is_shown_with_its_request_and_its_result_as_they_stand() {
    let server = Server::new();
    let batch = running(&server, true).await;
    let request = r#""body":{"model":"m", "messages":[],"seed":3}"#;
    let ended = batch.get(&server, "lines/3").await;
    assert!(ended.text().contains(request), "{}", ended.text());
    let shown = ended.json();
    assert_eq!(shown["result"]["custom_id"], "r-3");
    assert_eq!(shown["result"]["response"]["status_code"], 200);
    let pending = batch.get(&server, "lines/9").await.json();
    assert_eq!(pending["request"]["body"]["seed"], 9);
    assert_eq!(
        (&pending["result"], &pending["result_bytes"]),
        (&Value::Null, &Value::Null)
    );
    let answer = batch.get(&server, "lines/11").await;
    let message = format!("Batch '{}' has no line 11.", batch.id);
    answer.is_refusal(404, &message, None, None);
    let answer = batch.get(&server, "lines/x").await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["param"]),
        (400, &"line".into())
    );
}

#[tokio::test]
async fn an_ended_batch_without_its_plan_answers_the_same() {
    let server = Server::new();
    let batch = running(&server, true).await;
    let unrun: Vec<(u32, End)> = (8..=10)
        .map(|line| (line, End::Error(LineError::Expired)))
        .collect();
    batch.record(&server, &unrun).await;
    batch.seal(&server).await;
    for blob in server
        .store
        .garbage(100, server.now())
        .await
        .expect("garbage")
    {
        server.blobs.delete(&blob).await.expect("a deletion");
    }
    assert_eq!(numbers(&batch.get(&server, "lines").await).len(), 10);
    assert_eq!(
        numbers(&batch.get(&server, "lines?status=failed").await),
        [4, 6, 7, 8, 9, 10]
    );
    let shown = batch.get(&server, "lines/9").await.json();
    assert_eq!(
        (&shown["request"]["body"]["seed"], &shown["custom_id"]),
        (&9.into(), &"r-9".into())
    );
    assert_eq!(shown["result"]["error"]["code"], "batch_expired");
}

#[tokio::test]
async fn what_was_deleted_is_shown_no_more_and_the_rest_stays() {
    let server = Server::new();
    let batch = Worked::start(&server, &input(2)).await;
    let ends = [(1, End::Text("one")), (2, refused(500, "no"))];
    batch.record(&server, &ends).await;
    batch.seal(&server).await;
    let batch_object = server
        .get(&format!("/v1/batches/{}", batch.id))
        .await
        .json();
    for (file, hidden) in [
        ("input_file_id", 0),
        ("output_file_id", 1),
        ("error_file_id", 2),
    ] {
        let file = batch_object[file].as_str().expect("a file");
        let deleted = server
            .call(Method::DELETE, &format!("/v1/files/{file}"), "")
            .await;
        assert_eq!(deleted.status, 200);
        let one = batch.get(&server, "lines/1").await.json();
        assert_eq!(one["request"], Value::Null);
        assert_eq!(
            (&one["status"], &one["status_code"]),
            (&"completed".into(), &200.into())
        );
        assert_eq!(one["result"].is_null(), hidden >= 1);
        assert_eq!(one["preview"].is_null(), hidden >= 1);
        let failures = batch.get(&server, "failures").await;
        assert_eq!(failures.status, if hidden == 2 { 404 } else { 200 });
    }
}

#[tokio::test]
async fn a_bad_question_for_lines_is_refused_and_a_strangers_batch_is_missing() {
    let server = Server::new();
    let batch = Worked::start(&server, &input(1)).await;
    let message =
        "Invalid value: 'done'. Supported values are: 'completed', 'failed', and 'pending'.";
    let answer = batch.get(&server, "lines?status=done").await;
    answer.is_refusal(400, message, Some("status"), Some("invalid_value"));
    let answer = batch.get(&server, "lines?limit=1001").await;
    assert_eq!(answer.json()["error"]["code"], "integer_above_max_value");
    for below in ["lines", "lines/1", "failures"] {
        let answer = server.get(&format!("/v1/batches/batch_x/{below}")).await;
        answer.is_refusal(404, "No batch found with id 'batch_x'.", None, None);
    }
    let waiting = server.batch().await;
    let answer = server.get(&format!("/v1/batches/{waiting}/lines")).await;
    assert_eq!(numbers(&answer), [0_u64; 0]);
}
