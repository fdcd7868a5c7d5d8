//! The accept loops. Accepting is done here and not by a framework because outages are made here: a
//! door that is shut (refuse), and one that throws out whoever comes in (reset).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{self, Stream as _};
use crate::mode::Mode;
use crate::sim::Inner;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// How long to wait after a failed accept, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Serves a TCP listener until `stop`, then waits for its connections.
pub(crate) async fn serve_tcp(
    sim: &Arc<Inner>,
    listener: TcpListener,
    stop: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let tasks = TaskTracker::new();
    let mut changes = sim.modes.watch();
    let mut open = Some(listener);
    while let Some(door) = open.take() {
        if sim.modes.now() == Mode::Refuse {
            drop(door);
            open = stay_shut(sim, address, &stop).await?;
            continue;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = changes.next() => {}
            accepted = door.accept() => match accepted {
                Ok((stream, _)) if sim.modes.now() == Mode::Reset => stream.sever(),
                Ok((stream, _)) => {
                    // Without it small answers wait for the peer's acknowledgement; when it
                    // cannot be set the connection is gone already.
                    stream.set_nodelay(true).unwrap_or_default();
                    tasks.spawn(connection::run(Arc::clone(sim), stream, stop.clone()));
                }
                Err(error) => pause(&error).await,
            },
        }
        open = Some(door);
    }
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Serves a Unix listener until `stop`, then waits for its connections.
pub(crate) async fn serve_unix(sim: &Arc<Inner>, door: UnixListener, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = door.accept() => match (accepted, sim.modes.now()) {
                (Ok(_), Mode::Refuse | Mode::Reset) => {}
                (Ok((stream, _)), Mode::Normal | Mode::Status(_) | Mode::Stall | Mode::Html) => {
                    tasks.spawn(connection::run(Arc::clone(sim), stream, stop.clone()));
                }
                (Err(error), _) => pause(&error).await,
            },
        }
    }
    tasks.close();
    tasks.wait().await;
}

/// Refuses connections until the mode changes, then listens again; `None` when the server stops.
///
/// The address stays bound without listening, so that nobody else takes the port meanwhile.
async fn stay_shut(
    sim: &Arc<Inner>,
    address: SocketAddr,
    stop: &CancellationToken,
) -> io::Result<Option<TcpListener>> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Connections that were accepted at this address are still open.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    tokio::select! {
        () = stop.cancelled() => Ok(None),
        () = sim.modes.until_not(Mode::Refuse) => socket.listen(BACKLOG).map(Some),
    }
}

async fn pause(error: &io::Error) {
    tracing::warn!(error = %error, "a connection could not be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}
