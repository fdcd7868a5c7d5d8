//! The HTTP server: accepts connections, bounds them, and ends them well.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use overnight_api::Peer;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::descriptors::Descriptors;

/// Connections at a time; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 4096;

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

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

/// Serves until `stop`, then accepts nothing more and gives requests that are under way the grace.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    grace: Duration,
    descriptors: Descriptors,
) {
    let server = Server {
        router,
        stop: stop.clone(),
        connections: TaskTracker::new(),
    };
    let places = Arc::new(Semaphore::new(
        CONNECTIONS_MAX.min(descriptors.connections_max()),
    ));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok(Accepted {
                stream,
                peer,
                place,
            }) => {
                let connection = server.clone().connection(stream, peer);
                server.connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(error = %error, "a connection could not be accepted");
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

/// A connection, and its place among all of them.
struct Accepted {
    stream: TcpStream,
    peer: Peer,
    place: OwnedSemaphorePermit,
}

/// Waits for a place among the connections, and then for a connection.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(Accepted {
        stream,
        peer: Peer(address.ip()),
        place,
    })
}

#[derive(Clone)]
struct Server {
    router: Router,
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Server {
    async fn connection(self, stream: TcpStream, peer: Peer) {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT);
        builder.http2().timer(TokioTimer::new());
        let service = TowerToHyperService::new(self.router.layer(Extension(peer)));
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = %error, "a connection ended early");
        }
    }
}
