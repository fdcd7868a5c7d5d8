//! What only shows on a real connection: clients that send everything before they read.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;
use crate::Keyring;

/// Serves the surface on a port of this machine, until the runtime ends.
async fn connect(server: &Server) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = server.router.clone();
    TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
    TcpStream::connect(address).await.expect("a connection")
}

/// Sends all of a request, however long it is, and only then reads what the server says.
async fn send_all_then_read(stream: &mut TcpStream, head: &str, body: &[u8]) -> String {
    stream
        .write_all(head.as_bytes())
        .await
        .expect("a head that is sent");
    stream
        .write_all(body)
        .await
        .expect("a body that is sent, though nobody wants it");
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !answer.ends_with(b"}\n}") {
        let read = stream
            .read(&mut piece)
            .await
            .expect("an answer and not a reset");
        assert!(read > 0, "the connection ended early");
        answer.extend_from_slice(&piece[..read]);
    }
    String::from_utf8(answer).expect("text")
}

fn head(length: &str) -> String {
    format!(
        "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; \
         boundary=B\r\n{length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_client_sees_the_413_of_an_announced_length_and_not_a_reset() {
    let server = Server::with(|api| api.settings.upload_bytes_max = 1_000);
    let mut stream = connect(&server).await;
    let form = form(&[("purpose", "batch")], "in.jsonl", vec![b'x'; 20_000_000]);
    let head = head(&format!("Content-Length: {}", form.len()));
    let answer = send_all_then_read(&mut stream, &head, &form).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_client_sees_the_413_of_a_chunked_upload_and_not_a_reset() {
    let server = Server::with(|api| api.settings.upload_bytes_max = 1_000);
    let mut stream = connect(&server).await;
    let form = form(&[("purpose", "batch")], "in.jsonl", vec![b'x'; 20_000_000]);
    let mut body = format!("{:x}\r\n", form.len()).into_bytes();
    body.extend(form);
    body.extend(b"\r\n0\r\n\r\n");
    let head = head("Transfer-Encoding: chunked");
    let answer = send_all_then_read(&mut stream, &head, &body).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_client_sees_the_401_of_a_wrong_key_and_not_a_reset() {
    let server = Server::with(|api| api.access = Access::Keys(Keyring::new(Vec::new())));
    let form = form(&[("purpose", "batch")], "in.jsonl", vec![b'x'; 20_000_000]);
    for path in ["/v1/files", "/nowhere"] {
        let mut stream = connect(&server).await;
        let key = "Authorization: Bearer sk-wrong\r\n";
        let head = head(&format!("{key}Content-Length: {}", form.len())).replace("/v1/files", path);
        let answer = send_all_then_read(&mut stream, &head, &form).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(answer.contains("invalid_api_key"), "{answer}");
    }
    assert_eq!(server.blob_count().await, 0);
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_gets_its_401_at_once() {
    let server = Server::with(|api| api.access = Access::Keys(Keyring::new(Vec::new())));
    let mut stream = connect(&server).await;
    let head = head("Expect: 100-continue\r\nContent-Length: 20000000");
    let answer = send_all_then_read(&mut stream, &head, b"").await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn a_connection_that_breaks_in_an_upload_leaves_nothing_behind() {
    let begun = Arc::new(Notify::new());
    let signal = Arc::clone(&begun);
    let server = Server::with(|api| {
        // The second draw of a request, after its id, is for the blob that it begins.
        let draws = AtomicU64::new(0);
        api.entropy = Entropy::new(move || {
            if draws.fetch_add(1, Ordering::Relaxed) == 1 {
                signal.notify_one();
            }
            0
        });
    });
    let mut stream = connect(&server).await;
    stream
        .write_all(head("Content-Length: 100000").as_bytes())
        .await
        .expect("a head");
    stream
        .write_all(&file_part("in.jsonl", LINE.as_bytes()))
        .await
        .expect("a part");
    begun.notified().await;
    drop(stream);
    let abandoned = async {
        while server
            .store
            .garbage(1, server.now())
            .await
            .expect("garbage")
            .is_empty()
        {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(10), abandoned).await;
    waited.expect("the announced blob is given up");
    server.sweep().await;
    assert_eq!(server.blob_count().await, 0);
}
