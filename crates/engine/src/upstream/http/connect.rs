//! Connects to an upstream: over TCP, through a proxy, or to a socket; plain or with TLS.
//!
//! Every connection knows whether it has brought an answer. One that has, and is lost before the next, was
//! idle in between: that, and nothing else, tells a stale connection from an upstream that dies of a
//! line.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::{TcpStream, UnixStream};
use tower_service::Service;

/// Silence on a connection after which TCP asks whether the other side is still there. Answers may
/// take an hour to begin, so a dead peer must not be waited for.
const KEEPALIVE: Duration = Duration::from_secs(30);

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// A proxy to go through.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub(super) uri: Uri,
    pub(super) authorization: Option<HeaderValue>,
}

/// How many answers an encrypted connection has brought.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Arc<AtomicU32>);

impl Answers {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// Opens plain connections.
#[derive(Clone, Debug)]
pub(super) enum Dial {
    /// To the host itself.
    Direct(HttpConnector),
    /// To a proxy that is told the whole URL with each request.
    Forward(HttpConnector, Uri),
    /// Through a proxy, by CONNECT.
    Tunnel(Tunnel<HttpConnector>),
    /// To a socket.
    Socket(Arc<Path>),
}

impl Dial {
    pub(super) fn socket(path: &Path) -> Self {
        Self::Socket(path.into())
    }

    pub(super) fn tcp(proxy: Option<&Proxy>, is_tls: bool) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        match proxy {
            None => Self::Direct(tcp),
            Some(proxy) if is_tls => {
                let tunnel = Tunnel::new(proxy.uri.clone(), tcp);
                Self::Tunnel(match &proxy.authorization {
                    Some(authorization) => tunnel.with_auth(authorization.clone()),
                    None => tunnel,
                })
            }
            Some(proxy) => Self::Forward(tcp, proxy.uri.clone()),
        }
    }
}

impl Service<Uri> for Dial {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        match self {
            Self::Direct(tcp) => {
                let connecting = tcp.call(destination);
                Box::pin(async move { Ok(Stream::new(Wire::Tcp(connecting.await?))) })
            }
            Self::Forward(tcp, proxy) => {
                let connecting = tcp.call(proxy.clone());
                Box::pin(async move {
                    Ok(Stream {
                        is_proxied: true,
                        ..Stream::new(Wire::Tcp(connecting.await?))
                    })
                })
            }
            Self::Tunnel(tunnel) => {
                let connecting = tunnel.call(destination);
                Box::pin(async move { Ok(Stream::new(Wire::Tcp(connecting.await?))) })
            }
            Self::Socket(path) => {
                let path = Arc::clone(path);
                Box::pin(async move {
                    let socket = UnixStream::connect(path).await?;
                    Ok(Stream::new(Wire::Socket(TokioIo::new(socket))))
                })
            }
        }
    }
}

impl Dial {
    /// Opens a plain connection within a time: name, proxy and TCP together.
    pub(super) async fn open(
        &self,
        destination: Uri,
        timeout: Duration,
    ) -> Result<Stream, BoxError> {
        let opening = self.clone().call(destination);
        within(timeout, opening).await
    }
}

async fn within<T>(
    timeout: Duration,
    opening: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    let opened = tokio::time::timeout(timeout, opening).await;
    opened.unwrap_or_else(|_| {
        let text = "no connection within the time for it";
        Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
    })
}

/// Opens connections within a time: name, proxy, TCP and TLS together.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    dial: HttpsConnector<Dial>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(dial: Dial, tls: ClientConfig, timeout: Duration) -> Self {
        let dial = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(dial);
        Self { dial, timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Stream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.dial.poll_ready(context)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        Box::pin(within(self.timeout, self.dial.call(destination)))
    }
}

/// A plain connection.
#[derive(Debug)]
pub(super) struct Stream {
    wire: Wire,
    answers: Answers,
    is_proxied: bool,
}

#[derive(Debug)]
enum Wire {
    Tcp(TokioIo<TcpStream>),
    Socket(TokioIo<UnixStream>),
}

impl Stream {
    fn new(wire: Wire) -> Self {
        Self {
            wire,
            answers: Answers::default(),
            is_proxied: false,
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
            .proxy(self.is_proxied)
            .extra(self.answers.clone())
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Tcp(wire) => Pin::new(wire).poll_read(context, buffer),
            Wire::Socket(wire) => Pin::new(wire).poll_read(context, buffer),
        }
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Tcp(wire) => Pin::new(wire).poll_write(context, bytes),
            Wire::Socket(wire) => Pin::new(wire).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Tcp(wire) => Pin::new(wire).poll_flush(context),
            Wire::Socket(wire) => Pin::new(wire).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Tcp(wire) => Pin::new(wire).poll_shutdown(context),
            Wire::Socket(wire) => Pin::new(wire).poll_shutdown(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Tcp(wire) => wire.is_write_vectored(),
            Wire::Socket(wire) => wire.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Tcp(wire) => Pin::new(wire).poll_write_vectored(context, buffers),
            Wire::Socket(wire) => Pin::new(wire).poll_write_vectored(context, buffers),
        }
    }
}
