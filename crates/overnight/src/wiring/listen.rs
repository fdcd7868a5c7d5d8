//! The HTTP server: accepts connections, bounds them, and ends them well.

mod idle;
pub(crate) mod places;
pub(crate) mod pulse;
mod stream;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use overnight_api::Peer;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::places::{Place, PlaceLimits, Places};
use self::pulse::{Overdue, Patience, Pulse};
use self::stream::{Answer, Watched};

/// How much more than the documented head the library reads, so that who sends somewhat too much is
/// told so in the documented form. Beyond that it answers a bare 431.
const HEAD_MARGIN: usize = 2;

/// The least that the library can be told to hold for a connection.
const CONNECTION_BYTES_LEAST: usize = 8 << 10;

/// Requests at a time over one connection of HTTP/2.
const STREAMS_MAX: u32 = 100;

/// What a connection of HTTP/2 may send before it is taken, a request and all together.
const WINDOW_BYTES: u32 = 256 << 10;

/// How long nothing is accepted after the system refused a connection, for want of descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on an address, which that flag sets.
///
/// # Errors
///
/// A sentence that says what is in the way, and what to do.
pub(crate) async fn bind(address: &str, flag: &str) -> anyhow::Result<TcpListener> {
    let addresses: Vec<SocketAddr> = lookup_host(address)
        .await
        .with_context(|| format!("the address {address} to listen on is not known"))?
        .collect();
    let bound = TcpListener::bind(addresses.as_slice()).await;
    bound.map_err(|error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            return anyhow::anyhow!(
                "another process listens on {address} already: stop it, or choose another port \
                 with `{flag}` (port 0 picks a free one)"
            );
        }
        anyhow::Error::new(error).context(format!("cannot listen on {address}"))
    })
}

/// The URL that reaches the listener from this machine.
pub(crate) fn url(listener: &TcpListener) -> anyhow::Result<String> {
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let port = address.port();
    Ok(match address {
        address if !address.ip().is_unspecified() => format!("http://{address}"),
        SocketAddr::V4(_) => format!("http://127.0.0.1:{port}"),
        SocketAddr::V6(_) => format!("http://[::1]:{port}"),
    })
}

/// Prints a line to stdout, at once: scripts wait for it.
pub(crate) fn announce(line: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .context("stdout cannot be written")
}

/// What bounds connections, and each of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// How many there may be.
    pub(crate) places: PlaceLimits,
    /// How long their clients may take.
    pub(crate) patience: Patience,
    /// The bytes of the head of a request.
    pub(crate) head_bytes_max: usize,
    /// The headers of a request.
    pub(crate) headers_max: usize,
}

/// What is served, how, and until when.
pub(crate) struct Serving {
    /// What answers requests.
    pub(crate) router: Router,
    /// What bounds connections.
    pub(crate) limits: ConnectionLimits,
    /// Ends it.
    pub(crate) stop: CancellationToken,
    /// How long requests that are under way then may go on.
    pub(crate) grace: Duration,
}

/// Serves until it is stopped, then accepts nothing more and gives requests that are under way the
/// grace.
pub(crate) async fn serve(listener: TcpListener, serving: Serving) {
    let Serving {
        router,
        limits,
        stop,
        grace,
    } = serving;
    let server = Server {
        router,
        limits,
        stop: stop.clone(),
        connections: TaskTracker::new(),
    };
    let places = Places::new(limits.places);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok(Some((stream, peer, place))) => {
                let connection = server.clone().connection(stream, peer, place);
                server.connections.spawn(connection);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = %error, "a connection could not be accepted");
                places.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    server.connections.close();
    if tokio::time::timeout(grace, server.connections.wait())
        .await
        .is_err()
    {
        let open = server.connections.len();
        tracing::warn!(
            connections.open = open,
            "requests were cut off by the end of the process"
        );
    }
}

/// Waits for a connection, and then for a place for it. `None` when its client has too many.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Places>,
) -> io::Result<Option<(TcpStream, Peer, Place)>> {
    let (stream, address) = listener.accept().await?;
    let client = address.ip().to_canonical();
    let Some(place) = places.take(client).await else {
        tracing::debug!(%client, "a client has more connections than it may have");
        return Ok(None);
    };
    // One that is gone already says so when it is read.
    let _ = stream.set_nodelay(true);
    Ok(Some((stream, Peer(address.ip()), place)))
}

#[derive(Clone)]
struct Server {
    router: Router,
    limits: ConnectionLimits,
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Server {
    async fn connection(self, stream: TcpStream, peer: Peer, place: Place) {
        let builder = self.builder();
        let watched = from_fn_with_state(Arc::clone(&place.pulse), watch);
        let router = self.router.layer(Extension(peer)).layer(watched);
        let service = TowerToHyperService::new(router);
        let stream = TokioIo::new(Watched::new(stream, Arc::clone(&place.pulse)));
        let mut connection = pin!(builder.serve_connection(stream, service));
        let patience = self.limits.patience;
        let mut overdue = pin!(place.pulse.overdue(&patience));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            overdue = overdue.as_mut() => {
                tracing::debug!("a connection was closed: the client {}", overdue.as_str());
                if overdue != Overdue::Displaced || place.pulse.is_unasked() {
                    return;
                }
                // It was asked for something in the meantime.
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    _ = place.pulse.out_of_patience(&patience) => return,
                }
            }
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    _ = overdue => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = %error, "a connection ended early");
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let ConnectionLimits {
            head_bytes_max,
            headers_max,
            ..
        } = self.limits;
        let held_bytes = head_bytes_max.saturating_mul(HEAD_MARGIN);
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            // The pulse has its own time for heads, which counts from the beginning.
            .header_read_timeout(None)
            .max_headers(headers_max.saturating_mul(HEAD_MARGIN))
            .max_buf_size(held_bytes.max(CONNECTION_BYTES_LEAST));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_send_buf_size(held_bytes.max(CONNECTION_BYTES_LEAST))
            .max_header_list_size(u32::try_from(held_bytes).unwrap_or(u32::MAX));
        builder
    }
}

/// Notes a request of a connection, from its head to the end of its answer.
async fn watch(State(pulse): State<Arc<Pulse>>, request: Request, next: Next) -> Response {
    let asked = pulse.ask();
    let answer = next.run(request).await;
    answer.map(|body| Body::new(Answer::new(body, asked)))
}
