//! An upstream behind a Unix socket.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use overnight_core::attempt::{NoAnswer, Reply};
use overnight_engine::lease::Leave;
use overnight_engine::upstream::answer::{AnswerBudget, AnswerLimits};
use overnight_engine::upstream::http::HttpUpstream;
use overnight_engine::upstream::settings::UpstreamSettings;
use overnight_engine::upstream::{Call, CallBody, Timeouts, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

fn call() -> Call {
    Call {
        path: Arc::from("/v1/completions"),
        model: Arc::from("m"),
        body: CallBody::Held(Bytes::from_static(b"{}")),
        leave: Leave::default(),
        span: None,
    }
}

#[tokio::test]
async fn a_socket_is_spoken_to_like_a_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let second = Duration::from_secs(10);
    let upstream = HttpUpstream::new(
        UpstreamSettings::new(format!("unix:{}", path.display())),
        Timeouts {
            connect: second,
            head: second,
            idle: second,
        },
        AnswerBudget::new(AnswerLimits::new(folder.path().to_owned())),
    )
    .unwrap();
    assert_eq!(
        upstream.send(call()).await.reply,
        Reply::NoAnswer(NoAnswer::Refused)
    );

    let listener = UnixListener::bind(&path).unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let mut length = 0;
        while !request[..length].ends_with(b"\r\n\r\n{}") {
            length += stream.read(&mut request[length..]).await.unwrap();
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(answer).await.unwrap();
        String::from_utf8(request[..length].to_vec()).unwrap()
    };
    let (received, request) = tokio::join!(upstream.send(call()), serve);
    assert!(matches!(
        received.reply,
        Reply::Answered { status: 200, .. }
    ));
    assert!(
        request.starts_with("POST /v1/completions HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("host: localhost\r\n"), "{request}");
}
