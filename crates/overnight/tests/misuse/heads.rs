//! Heads of requests that are too large, lie, or lead out of the house.

use serde_json::json;

use crate::wire::{Host, message, open_form, status, upload};

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")
        .into_bytes()
}

#[test]
fn heads_beyond_the_bounds_are_refused_in_words_as_far_as_anybody_has_words() {
    let host = Host::start("");
    let large = |bytes| get("/v1/files", &format!("x-large: {}\r\n", "x".repeat(bytes)));
    let answer = host.say(&large(60_000));
    assert_eq!(status(&answer), 200, "{answer}");
    let answer = host.say(&large(100_000));
    assert_eq!(status(&answer), 431);
    assert!(
        message(&answer).contains("at most 65536 are taken"),
        "{answer}"
    );
    assert_eq!(status(&host.say(&large(1_000_000))), 431);

    let many = |count| get("/v1/files", &"x-many: 1\r\n".repeat(count));
    assert_eq!(status(&host.say(&many(90))), 200);
    let answer = host.say(&many(150));
    assert_eq!(status(&answer), 431);
    assert!(
        message(&answer).contains("at most 100 are taken"),
        "{answer}"
    );
    assert_eq!(status(&host.say(&many(5000))), 431);

    let path = format!("/v1/files?after={}", "x".repeat(70_000));
    assert_eq!(status(&host.say(&get(&path, ""))), 414);
    assert_eq!(host.client.get("/health").status, 200);
}

#[test]
fn bodies_of_two_lengths_are_refused_or_end_their_connection() {
    let host = Host::start("");
    let smuggled = "0\r\n\r\nGET /v1/files HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let post = |lengths: &str| {
        let head = format!("POST /v1/batches HTTP/1.1\r\nhost: localhost\r\n{lengths}\r\n");
        host.say((head + smuggled).as_bytes())
    };
    for lengths in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: +5\r\n",
        "content-length: 5, 6\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: chunked, identity\r\n",
    ] {
        let answer = post(lengths);
        assert_eq!(status(&answer), 400, "{lengths}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{lengths}: {answer}"
        );
    }
    // The library drops the second length: what follows is not read as a request.
    let answer = post("transfer-encoding: chunked\r\ncontent-length: 5\r\n");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[test]
fn who_waits_to_be_asked_for_a_body_is_asked() {
    let host = Host::start("");
    let body = b"{}";
    let head = "POST /v1/batches HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
        connection: close\r\ncontent-length: 2\r\n\r\n";
    let answer = host.say(&[head.as_bytes(), body].concat());
    assert!(answer.starts_with("HTTP/1.1 100 "), "{answer}");
    assert!(answer.contains("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn no_path_leads_out_of_the_data_folder() {
    let host = Host::start("");
    let secret = host.server.folder.path().join("secret.jsonl");
    std::fs::write(secret, "{\"secret\":true}\n").unwrap();
    for path in [
        "/v1/files/../../secret.jsonl/content",
        "/v1/files/..%2f..%2fsecret.jsonl/content",
        "/v1/files/%2e%2e/%2e%2e/secret.jsonl/content",
        "/v1/files/..%5c..%5csecret.jsonl/content",
        "/v1/files/....//....//secret.jsonl/content",
        "/v1/files/%2Fetc%2Fpasswd/content",
        "/v1/files/file-%00/content",
        "/v1/files/%00/content",
        "/v1/files/./content",
        "//v1//files//..//secret.jsonl//content",
        "/v1/batches/../../secret.jsonl",
        "/v1/batches/..%2f..%2foverlord/results?file=..%2fsecret",
        "/v1/uploads/..%2f../parts",
        "/../../../../etc/passwd",
        "/openapi.json/../../secret.jsonl",
    ] {
        let answer = host.say(&get(path, ""));
        assert!(
            [400, 404, 405].contains(&status(&answer)),
            "{path}: {answer}"
        );
        assert!(
            !answer.contains("secret\":true") && !answer.contains("root:"),
            "{path}"
        );
    }
    assert_eq!(host.client.get("/health").status, 200);
}

#[test]
fn the_name_of_a_file_puts_nothing_into_a_head() {
    let host = Host::start("");
    let names: [&[u8]; 9] = [
        b"filename=\"a\rb.jsonl\"",
        b"filename=\"a\nset-cookie: x=1.jsonl\"",
        b"filename*=utf-8''a%0d%0aset-cookie:%20x=1.jsonl",
        b"filename=\"a\\\"; filename=\\\"b.jsonl\"",
        b"filename=\"../../../etc/cron.d/x.jsonl\"",
        b"filename=\"C:\\\\windows\\\\x.jsonl\"",
        b"filename=\"a\0b.jsonl\"",
        "filename=\"\u{202e}lnosj.jsonl\"".as_bytes(),
        b"filename=\"\xff\xfe.jsonl\"",
    ];
    for name in names {
        let mut form = open_form(name, b"{}\n");
        form.extend_from_slice(b"\r\n--B--\r\n");
        let shown = String::from_utf8_lossy(name);
        let answer = host.say(&upload(&form));
        if status(&answer) == 400 {
            continue;
        }
        assert_eq!(status(&answer), 200, "{shown}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let file: serde_json::Value = serde_json::from_str(body).unwrap();
        let id = file["id"].as_str().unwrap();
        let reply = host.client.get(&format!("/v1/files/{id}/content"));
        assert_eq!(reply.body, b"{}\n");
        let lines = reply.head.split("\r\n").collect::<Vec<_>>();
        assert!(
            lines.iter().all(|line| !line.contains(['\r', '\n', '\0'])),
            "{lines:?}"
        );
        assert!(
            !lines.iter().any(|line| line.starts_with("set-cookie")),
            "{lines:?}"
        );
        let is_disposition = |line: &&&str| line.starts_with("content-disposition: attachment");
        assert_eq!(lines.iter().filter(is_disposition).count(), 1, "{lines:?}");
        assert!(!file["filename"].as_str().unwrap().contains('/'), "{file}");
    }
    assert_ne!(host.client.get("/v1/files").json()["data"], json!([]));
}
