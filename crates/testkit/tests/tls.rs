//! An upstream behind TLS, with a certificate that only its `ca` setting makes trusted.
//!
//! The certificate in `tls/` names `localhost` and 127.0.0.1, signs itself and is good until 2126.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has to fail"
)]

use std::path::PathBuf;
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
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/tls", name]
        .iter()
        .collect()
}

fn acceptor() -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(file("certificate.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn upstream(listener: &TcpListener, ca: Option<PathBuf>) -> HttpUpstream {
    let port = listener.local_addr().unwrap().port();
    let time = Duration::from_secs(10);
    let settings = UpstreamSettings {
        ca,
        ..UpstreamSettings::new(format!("https://127.0.0.1:{port}/v1"))
    };
    let timeouts = Timeouts {
        connect: time,
        head: time,
        idle: time,
    };
    let budget = AnswerBudget::new(AnswerLimits::new(std::env::temp_dir()));
    HttpUpstream::new(settings, timeouts, budget).unwrap()
}

fn call() -> Call {
    Call {
        path: Arc::from("/v1/embeddings"),
        model: Arc::from("m"),
        body: CallBody::Held(Bytes::from_static(b"{}")),
        leave: Leave::default(),
        span: None,
    }
}

#[tokio::test]
async fn a_certificate_of_the_ca_setting_is_trusted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = upstream(&listener, Some(file("certificate.pem")));
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor().accept(stream).await.unwrap();
        let mut request = vec![0; 4096];
        let mut length = 0;
        while !request[..length].ends_with(b"\r\n\r\n{}") {
            length += stream.read(&mut request[length..]).await.unwrap();
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(answer).await.unwrap();
        stream.flush().await.unwrap();
        String::from_utf8(request[..length].to_vec()).unwrap()
    };
    let (received, request) = tokio::join!(upstream.send(call()), serve);
    assert!(
        matches!(received.reply, Reply::Answered { status: 200, .. }),
        "{received:?}"
    );
    assert!(
        request.starts_with("POST /v1/embeddings HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("host: 127.0.0.1:"), "{request}");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = upstream(&listener, None);
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor().accept(stream).await.is_err()
    };
    let (received, was_refused) = tokio::join!(upstream.send(call()), serve);
    assert!(was_refused);
    assert_eq!(received.reply, Reply::NoAnswer(NoAnswer::Refused));
    assert!(received.detail.unwrap().contains("certificate"));
}
