//! One connection: HTTP/1.1 until it ends, the mode ends it, or the server stops.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::mode::Mode;
use crate::respond::respond;
use crate::sim::Inner;

/// How long requests in flight may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(1);

/// A stream that can be ended rudely.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Ends it without a goodbye: the peer sees a reset, where the transport has one.
    fn sever(self);
}

impl Stream for TcpStream {
    fn sever(self) {
        // Closed with no time to linger, a socket sends RST. When that fails the peer is gone.
        self.set_zero_linger().unwrap_or_default();
    }
}

impl Stream for UnixStream {
    fn sever(self) {}
}

/// Serves a connection to its end.
pub(crate) async fn run<S: Stream>(sim: Arc<Inner>, stream: S, stop: CancellationToken) {
    let mut changes = sim.modes.watch();
    // Set between the accept and the watch, a reset would be missed.
    if sim.modes.now() == Mode::Reset {
        return stream.sever();
    }
    let hang_up = Arc::new(Notify::new());
    let service = {
        let hang_up = Arc::clone(&hang_up);
        service_fn(move |request| respond(Arc::clone(&sim), request, Arc::clone(&hang_up)))
    };
    let mut http = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    loop {
        // The connection goes first, so that what it has to say is sent before it is cut.
        let next = tokio::select! {
            biased;
            _ = &mut http => return,
            () = hang_up.notified() => Next::Sever,
            mode = changes.next() => Next::of(mode),
            () = stop.cancelled() => Next::Stop,
        };
        match next {
            Next::GoOn => {}
            Next::Finish => Pin::new(&mut http).graceful_shutdown(),
            Next::Sever => break,
            Next::Stop => {
                Pin::new(&mut http).graceful_shutdown();
                drop(tokio::time::timeout(GRACE, http).await);
                return;
            }
        }
    }
    http.into_parts().io.into_inner().sever();
}

/// What is to become of a connection.
enum Next {
    GoOn,
    /// No new requests; those in flight are answered.
    Finish,
    /// A reset, at once.
    Sever,
    /// As `Finish`, for a limited time.
    Stop,
}

impl Next {
    fn of(mode: Mode) -> Self {
        match mode {
            Mode::Reset => Self::Sever,
            Mode::Refuse => Self::Finish,
            Mode::Normal | Mode::Status(_) | Mode::Stall | Mode::Html => Self::GoOn,
        }
    }
}
