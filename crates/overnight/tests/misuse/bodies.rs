//! Bodies that are bombs.

use std::time::{Duration, Instant};

use crate::wire::{Host, message, open_form, status, upload};

fn post_json(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/batches HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn forms_without_end_measure_or_sense_are_refused_and_leave_nothing() {
    let host = Host::start("");
    let tiny = b"--B\r\ncontent-disposition: form-data; name=\"x\"\r\n\r\n1\r\n".repeat(100_000);
    let headers = [
        &b"--B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n"[..],
        &b"x-more: 1\r\n".repeat(100_000),
    ]
    .concat();
    let line = [&b"--B\r\ncontent-disposition: "[..], &vec![b'x'; 4 << 20]].concat();
    let preamble = vec![b'x'; 4 << 20];
    let no_end = open_form(b"filename=\"in.jsonl\"", b"{}\n");
    for (name, form) in [
        ("tiny parts", tiny),
        ("headers", headers),
        ("one line", line),
        ("preamble", preamble),
        ("no end", no_end),
        ("nothing", Vec::new()),
    ] {
        let began = Instant::now();
        let answer = host.say(&upload(&form));
        assert_eq!(status(&answer), 400, "{name}: {answer}");
        assert!(message(&answer).contains("form"), "{name}: {answer}");
        assert!(began.elapsed() < Duration::from_secs(20), "{name}");
    }
    crate::support::until("no blob stays", || host.blobs("").is_empty());
}

#[test]
fn json_that_is_deep_wide_or_large_is_refused() {
    let host = Host::start("");
    let deep = "[".repeat(500_000);
    let nested = format!(
        "{{\"metadata\":{}1{}}}",
        "{\"a\":".repeat(90_000),
        "}".repeat(90_000)
    );
    let keys: Vec<String> = (0..60_000).map(|key| format!("\"k{key}\":1")).collect();
    let wide = format!("{{{}}}", keys.join(","));
    let number = format!("{{\"input_file_id\":{}}}", "9".repeat(900_000));
    for (name, body) in [
        ("deep", deep),
        ("nested", nested),
        ("wide", wide),
        ("number", number),
    ] {
        let answer = host.say(&post_json(body.as_bytes()));
        assert_eq!(status(&answer), 400, "{name}: {answer:.300}");
        assert!(
            answer.len() < 20_000,
            "{name}: the answer is a bomb as well"
        );
    }
    let answer = host.say(&post_json(&vec![b' '; 2 << 20]));
    assert_eq!(status(&answer), 413, "{answer}");
    assert_eq!(host.client.get("/health").status, 200);
}

#[test]
fn chunks_of_no_size_are_refused() {
    let host = Host::start("");
    for chunk in [
        "zz\r\n{}\r\n",
        "-1\r\n{}\r\n",
        "ffffffffffffffffff\r\n{}\r\n",
        "2\r\n{}x",
    ] {
        let head = "POST /v1/batches HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
            transfer-encoding: chunked\r\n\r\n";
        let answer = host.say(format!("{head}{chunk}0\r\n\r\n").as_bytes());
        assert_eq!(status(&answer), 400, "{chunk}: {answer}");
    }
}
