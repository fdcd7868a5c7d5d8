//! The misbehaviours, and what becomes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use overnight_testkit::rogue::{Move, Rogue};

use crate::answers::{answer, chunks, good, good_with, last, old, status, well};
use crate::stage::{Line, Row, Stage};

/// A row whose line ends with that status and a message that has that text; while every line is
/// treated so, the reason has the other text.
fn row(name: &'static str, bad: Vec<Move>, line: (u64, &'static str), reason: &'static str) -> Row {
    Row {
        name,
        bad,
        line: Line::Ends {
            status: line.0,
            says: line.1,
        },
        outage: Some(reason),
    }
}

/// A row that is no misbehaviour after all.
fn fine(name: &'static str, moves: Vec<Move>) -> Row {
    Row {
        name,
        bad: moves,
        line: Line::Well,
        outage: None,
    }
}

const LOST: (u64, &str) = (503, "closed the connection before answering");
const CUT: (u64, &str) = (503, "cut its answer short");
const NOT_HTTP: (u64, &str) = (503, "not HTTP");
const NOT_JSON: (u64, &str) = (502, "not valid JSON");

fn connections() -> Vec<Row> {
    let begun = "HTTP/1.1 200 OK\r\ncontent-ty";
    let long = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"id\":";
    let cut_chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n{\"id\":";
    let send = |text: &'static str| Move::Send(Bytes::from_static(text.as_bytes()));
    vec![
        row("reset-before", vec![Move::Reset], LOST, LOST.1),
        row("closed-before", vec![Move::Close], LOST, LOST.1),
        row(
            "reset-in-head",
            vec![send(begun), Move::Reset],
            LOST,
            LOST.1,
        ),
        row("closed-in-head", last(begun), LOST, LOST.1),
        row("cut-of-length", last(long), CUT, CUT.1),
        row("reset-in-body", vec![send(long), Move::Reset], CUT, CUT.1),
        row("cut-of-chunks", last(cut_chunk), CUT, CUT.1),
        fine(
            "keep-alive-lie",
            last(good_with(
                "connection: keep-alive\r\nkeep-alive: timeout=600\r\n",
            )),
        ),
        fine(
            "extra-answer",
            vec![Move::Send([good(), good()].concat().into())],
        ),
        fine("extra-bytes", last([&*good(), b"and more"].concat())),
    ]
}

fn times() -> Vec<Row> {
    let times_out = |name, bad, reason| Row {
        name,
        bad,
        line: Line::TimesOut,
        outage: Some(reason),
    };
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"id\":";
    let stall = vec![Move::Send(Bytes::from_static(begun.as_bytes())), Move::Hang];
    vec![
        times_out("slow-head", vec![Move::Hang], "did not begin to answer"),
        times_out("stalled-body", stall, "stopped in the middle"),
        fine(
            "byte-by-byte",
            vec![Move::Drip(good(), Duration::from_millis(5))],
        ),
    ]
}

fn bodies() -> Vec<Row> {
    let html = "content-type: text/html\r\n";
    let page = |line: &str| vec![Move::Send(answer(line, html, b"<html>gateway</html>"))];
    let body = |bytes: &[u8]| vec![Move::Send(answer("200 OK", "", bytes))];
    let endless = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    let gzip = answer(
        "200 OK",
        "content-encoding: gzip\r\n",
        b"\x1f\x8b\x08\0\0\0\0\0",
    );
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let trailers = format!(
        "{}0\r\nx-after: all\r\n\r\n",
        chunks("trailer: x-after\r\n")
    );
    let both = format!("{}0\r\n\r\n", chunks("content-length: 5\r\n"));
    let too_large = Line::Ends {
        status: 502,
        says: "larger than",
    };
    vec![
        row("html", page("200 OK"), NOT_JSON, "not JSON"),
        row("empty", body(b""), NOT_JSON, "not JSON"),
        row(
            "no-content",
            last("HTTP/1.1 204 No Content\r\n\r\n"),
            NOT_JSON,
            "not JSON",
        ),
        row("not-utf-8", body(b"\"\xff\""), NOT_JSON, "not JSON"),
        row("too-deep", body(deep.as_bytes()), NOT_JSON, "not JSON"),
        row(
            "events",
            body(b"data: {}\n\ndata: [DONE]\n\n"),
            NOT_JSON,
            "not JSON",
        ),
        row(
            "gzip",
            vec![Move::Send(gzip)],
            (502, "encoded with gzip, which was not asked for"),
            "encoded with gzip",
        ),
        row(
            "html-502",
            page("502 Bad Gateway"),
            (502, "gateway"),
            "status 502",
        ),
        Row {
            name: "endless",
            bad: vec![
                Move::Send(Bytes::from_static(endless.as_bytes())),
                Move::Forever(Bytes::from(vec![b' '; 64 << 10])),
            ],
            line: too_large,
            // An answer that is too large is its line's own.
            outage: None,
        },
        Row {
            name: "says-too-large",
            bad: last("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n{"),
            line: too_large,
            outage: None,
        },
        fine("trailers", vec![Move::Send(trailers.into())]),
        fine("length-and-chunks", last(both)),
    ]
}

fn heads() -> Vec<Row> {
    let bomb = |bytes: usize| good_with(&format!("x-bomb: {}\r\n", "b".repeat(bytes)));
    let many = "x-many: 1\r\n".repeat(1000);
    let lengths = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} ";
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n";
    let interim = |line: &str| {
        let mut bytes = format!("HTTP/1.1 {line}\r\n\r\n").into_bytes();
        bytes.extend_from_slice(&good());
        vec![Move::Send(bytes.into())]
    };
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    vec![
        row("two-lengths", last(lengths), NOT_HTTP, NOT_HTTP.1),
        row(
            "garbage",
            last("\0\u{1}SSH-2.0-nothing\r\n\r\n"),
            NOT_HTTP,
            NOT_HTTP.1,
        ),
        row(
            "bad-status",
            last("HTTP/1.1 abc OK\r\n\r\n"),
            NOT_HTTP,
            NOT_HTTP.1,
        ),
        row("head-bomb", last(bomb(1 << 20)), NOT_HTTP, NOT_HTTP.1),
        row("many-headers", last(good_with(&many)), NOT_HTTP, NOT_HTTP.1),
        row("bad-chunk", last(chunk), CUT, CUT.1),
        row("upgrade", last(upgrade), (101, "status 101"), "status 101"),
        fine("large-head", vec![Move::Send(bomb(12 << 10))]),
        fine("continue", interim("100 Continue")),
        fine(
            "early-hints",
            interim("103 Early Hints\r\nlink: </a>; rel=preload"),
        ),
        fine("http-1.0", last(old())),
    ]
}

fn statuses() -> Vec<Row> {
    vec![
        row(
            "moved",
            status("301 Moved Permanently"),
            (301, "no"),
            "status 301",
        ),
        row(
            "unauthorized",
            status("401 Unauthorized"),
            (401, "no"),
            "status 401",
        ),
        row(
            "not-found",
            status("404 Not Found"),
            (404, "no"),
            "status 404",
        ),
        row(
            "request-timeout",
            status("408 Request Timeout"),
            (408, "no"),
            "status 408",
        ),
        row(
            "server-error",
            status("500 Internal Server Error"),
            (500, "no"),
            "status 500",
        ),
        Row {
            name: "bad-request",
            bad: status("400 Bad Request"),
            line: Line::Ends {
                status: 400,
                says: "no",
            },
            // A 400 is its line's own.
            outage: None,
        },
        Row {
            name: "overload",
            bad: status("429 Too Many Requests\r\nretry-after: 1"),
            // Its line would wait for ever, which is right.
            line: Line::NotTried,
            outage: Some("has too much to do"),
        },
        Row {
            name: "unavailable",
            bad: status("503 Service Unavailable"),
            line: Line::NotTried,
            outage: Some("has too much to do"),
        },
    ]
}

#[test]
fn whatever_an_upstream_does_its_lines_end_once_or_wait_and_nobody_else_suffers() {
    let groups = [connections(), times(), bodies(), heads(), statuses()];
    Stage::play(groups.into_iter().flatten().collect());
}

#[test]
fn a_redirection_is_an_answer_and_leads_the_key_nowhere() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let led_there = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&led_there);
    let other = Rogue::start(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        well()
    });
    let other = runtime.block_on(other).unwrap();
    let to = format!(
        "location: http://{}/v1/chat/completions\r\n",
        other.address()
    );
    let redirect = |line: &str| vec![Move::Send(answer(line, &to, b""))];
    Stage::play(vec![
        row(
            "found",
            redirect("302 Found"),
            (302, "status 302"),
            "status 302",
        ),
        row(
            "temporary",
            redirect("307 Temporary Redirect"),
            (307, "status 307"),
            "status 307",
        ),
    ]);
    assert_eq!(led_there.load(Ordering::SeqCst), 0);
}
