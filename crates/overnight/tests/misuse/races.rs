//! Many at once on one thing.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::thread;

use serde_json::json;

use crate::common::{Client, Lines, count_of, status_of};
use crate::support::http;
use crate::wire::Host;

/// Slow enough for a batch to be under way while others do things to it.
const SLOW_SIM: &str = "[sim]\nttft_ms = 20.0\ntpot_ms = 0.0\n";

/// Does something so often, by eight at a time; answers what came of it.
fn at_once<T: Send>(times: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let act = &act;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|first| {
                scope.spawn(move || (first..times).step_by(8).map(act).collect::<Vec<_>>())
            })
            .collect();
        let done = workers.into_iter().map(|worker| worker.join().unwrap());
        done.flatten().collect()
    })
}

#[test]
fn a_thousand_creates_under_one_key_make_one_batch() {
    let host = Host::start(SLOW_SIM);
    let file = host.client.upload(&Lines::new("line", 50).bytes());
    let spec = json!({
        "input_file_id": file,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    })
    .to_string();
    let base_url = &host.server.base_url;
    let ids = at_once(1000, |_| {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", "the-same"),
        ];
        let reply = http::request(base_url, "POST", "/v1/batches", &headers, spec.as_bytes());
        (reply.status, reply.json()["id"].as_str().map(str::to_owned))
    });
    let made: BTreeSet<_> = ids.iter().filter(|(status, _)| *status == 200).collect();
    assert_eq!(made.len(), 1, "{made:?}");
    let others: BTreeSet<u16> = ids.iter().map(|(status, _)| *status).collect();
    assert!(others.is_subset(&[200, 409].into()), "{others:?}");
    let listed = host.client.get("/v1/batches").json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let id = made.first().unwrap().1.clone().unwrap();
    let batch = host.client.until_status(&id, "completed");
    host.client
        .ended(&batch)
        .check_each_once(Lines::new("line", 50).ids());
}

#[test]
fn a_thousand_cancels_of_one_batch_are_one_cancel() {
    let host = Host::start(SLOW_SIM);
    let lines = Lines::new("line", 5000);
    let id = host.client.submit(&lines.bytes());
    host.client
        .until(&id, "it to run", |batch| count_of(batch, "completed") > 0);
    let answers = at_once(1000, |_| host.client.cancel(&id));
    let moments: BTreeSet<i64> = answers
        .iter()
        .map(|batch| batch["cancelling_at"].as_i64().unwrap())
        .collect();
    assert_eq!(moments.len(), 1, "one cancel: {moments:?}");
    for batch in &answers {
        assert!(
            ["cancelling", "cancelled"].contains(&status_of(batch)),
            "{batch}"
        );
    }
    let batch = host.client.until_status(&id, "cancelled");
    assert_eq!(batch["cancelling_at"].as_i64(), moments.first().copied());
    host.client.ended(&batch).check_each_once(lines.ids());
}

#[test]
fn pages_of_a_list_skip_and_double_nothing_that_was_there_while_more_is_inserted() {
    let host = Host::start("");
    let insert = |client: &Client| client.upload(b"{}\n");
    let there: BTreeSet<String> = (0..60).map(|_| insert(&host.client)).collect();
    for order in ["asc", "desc"] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let after = seen
                .last()
                .map_or_else(String::new, |id| format!("&after={id}"));
            let path = format!("/v1/files?limit=7&order={order}{after}");
            let page = host.client.get(&path).json();
            let ids = page["data"].as_array().unwrap().iter();
            seen.extend(ids.map(|file| file["id"].as_str().unwrap().to_owned()));
            // In ascending order these come at the end, where the list grows as fast as it is read.
            if seen.len() < 100 {
                at_once(3, |_| insert(&host.client));
            }
            if page["has_more"] == false {
                break;
            }
        }
        let distinct: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(distinct.len(), seen.len(), "{order}: doubled");
        assert!(there.is_subset(&distinct), "{order}: skipped");
    }
}

#[test]
fn files_that_are_in_use_are_deleted_without_harm() {
    let host = Host::start(SLOW_SIM);
    let lines = Lines::new("line", 3000);
    let bytes = [lines.bytes(), b"\n".repeat(24 << 20)].concat();
    let file = host.client.upload(&bytes);
    let batch = host.client.create(&file);
    host.client.until(&batch, "it to run", |batch| {
        count_of(batch, "completed") > 0
    });
    // More than the system buffers, so that the end is read after the file was deleted.
    let get = format!(
        "GET /v1/files/{file}/content HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    );
    let mut download = host.connect();
    download.write_all(get.as_bytes()).unwrap();
    download.read_exact(&mut [0; 1000]).unwrap();
    let path = format!("/v1/files/{file}");
    let delete = || http::request(&host.server.base_url, "DELETE", &path, &[], b"").status;
    assert_eq!(delete(), 200);
    assert_eq!(delete(), 404);
    let mut rest = Vec::new();
    download.read_to_end(&mut rest).unwrap();
    assert!(
        rest.len() + 1000 > bytes.len(),
        "the download was cut: {}",
        rest.len()
    );
    let batch = host.client.until_status(&batch, "completed");
    let ended = host.client.ended(&batch);
    ended.check_each_once(lines.ids());
    // Its results, while they are read.
    let output = batch["output_file_id"].as_str().unwrap();
    let path = format!("/v1/files/{output}");
    let whole = host.client.content(output);
    let mut download = host.connect();
    download
        .write_all(get.replace(&file, output).as_bytes())
        .unwrap();
    download.read_exact(&mut [0; 1000]).unwrap();
    let deleted = http::request(&host.server.base_url, "DELETE", &path, &[], b"");
    assert_eq!(deleted.status, 200);
    rest.clear();
    download.read_to_end(&mut rest).unwrap();
    assert!(
        rest.ends_with(&whole[whole.len() - 1000..]),
        "the download was cut"
    );
}
