//! A proxy that disturbs what goes through it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What happens to connections, old and new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes go through.
    None,
    /// Each piece of bytes, in both directions, comes so much later.
    Latency(Duration),
    /// Connections are reset.
    Reset,
    /// What the server sends ends early, and well: the client reads the end of the stream.
    HalfClose,
    /// Nothing comes through, and nobody is told.
    BlackHole,
    /// Every request is answered with 503, as a service does that has too much to do.
    Busy,
}

/// What a service says that has too much to do.
const BUSY: &[u8] = b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A proxy on a free port of loopback. Dropping it ends it and closes its connections.
pub struct FaultProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    seen: Arc<Seen>,
    running: CancellationToken,
}

/// What came through so far.
#[derive(Default)]
struct Seen {
    connections: AtomicU64,
    /// Bytes of clients.
    received: AtomicU64,
    /// Those of them that went on.
    sent: AtomicU64,
}

impl FaultProxy {
    /// Starts a proxy to `server` that does nothing yet.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (fault, faults) = watch::channel(Fault::None);
        let seen = Arc::default();
        let running = CancellationToken::new();
        let tasks = TaskTracker::new();
        let way = Way {
            server,
            faults,
            seen: Arc::clone(&seen),
        };
        let accept = accept(listener, way, (tasks.clone(), running.clone()));
        tasks.spawn(running.clone().run_until_cancelled_owned(accept));
        Ok(Self {
            address,
            fault,
            seen,
            running,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many bytes came from clients so far, also those that are held up.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.seen.received.load(Ordering::Relaxed)
    }

    /// How many bytes of clients went on to the server so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.seen.sent.load(Ordering::Relaxed)
    }

    /// How many connections clients made so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// Disturbs in that way from here on.
    pub fn disturb(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.running.cancel();
    }
}

/// Where connections lead, and what they meet.
#[derive(Clone)]
struct Way {
    server: SocketAddr,
    faults: watch::Receiver<Fault>,
    seen: Arc<Seen>,
}

async fn accept(
    listener: TcpListener,
    way: Way,
    (tasks, running): (TaskTracker, CancellationToken),
) {
    while let Ok((client, _)) = listener.accept().await {
        way.seen.connections.fetch_add(1, Ordering::Relaxed);
        let connection = connect(client, way.clone());
        tasks.spawn(running.clone().run_until_cancelled_owned(connection));
    }
}

async fn connect(client: TcpStream, way: Way) {
    let Way {
        server,
        mut faults,
        seen,
    } = way;
    if *faults.borrow() == Fault::Busy {
        // A client that is gone needs no answer.
        let _ = refuse(client).await;
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    for stream in [&client, &server] {
        if stream.set_nodelay(true).is_err() {
            return;
        }
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut upward = Pipe {
        from: from_client,
        to: to_server,
        faults: faults.clone(),
        seen: Some(seen),
    };
    let mut downward = Pipe {
        from: from_server,
        to: to_client,
        faults: faults.clone(),
        seen: None,
    };
    let both = async {
        tokio::join!(
            upward.carry(Direction::Upward),
            downward.carry(Direction::Downward)
        )
    };
    tokio::select! {
        _ = both => {}
        _ = faults.wait_for(|fault| matches!(fault, Fault::Reset | Fault::Busy)) => {
            for stream in [upward.from.as_ref(), downward.from.as_ref()] {
                // A stream that is gone needs no reset.
                let _ = stream.set_zero_linger();
            }
        }
    }
}

/// Reads a request, and answers it.
async fn refuse(mut client: TcpStream) -> io::Result<()> {
    let mut piece = vec![0; 16 << 10];
    let _ = client.read(&mut piece).await?;
    client.write_all(BUSY).await?;
    client.shutdown().await?;
    // Closed with bytes unread, the connection would be reset before the answer is read.
    while client.read(&mut piece).await? > 0 {}
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Upward,
    Downward,
}

/// One direction of a connection.
struct Pipe {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    faults: watch::Receiver<Fault>,
    /// Where bytes of clients are counted.
    seen: Option<Arc<Seen>>,
}

impl Pipe {
    async fn carry(&mut self, direction: Direction) -> io::Result<()> {
        let mut piece = vec![0; 16 << 10];
        loop {
            let ends_early =
                |fault: &Fault| direction == Direction::Downward && *fault == Fault::HalfClose;
            let length = tokio::select! {
                biased;
                _ = self.faults.wait_for(ends_early) => 0,
                read = self.from.read(&mut piece) => read?,
            };
            if length == 0 {
                return self.to.shutdown().await;
            }
            if let Some(seen) = &self.seen {
                seen.received.fetch_add(length as u64, Ordering::Relaxed);
            }
            self.wait().await;
            self.to
                .write_all(piece.get(..length).unwrap_or_default())
                .await?;
            if let Some(seen) = &self.seen {
                seen.sent.fetch_add(length as u64, Ordering::Relaxed);
            }
        }
    }

    /// Waits as long as a piece is held up.
    async fn wait(&mut self) {
        let fault = *self.faults.borrow();
        match fault {
            Fault::Latency(latency) => tokio::time::sleep(latency).await,
            Fault::BlackHole => {
                // The sender lives as long as the proxy, and the proxy ends this task.
                let _ = self
                    .faults
                    .wait_for(|fault| *fault != Fault::BlackHole)
                    .await;
            }
            Fault::None | Fault::Reset | Fault::HalfClose | Fault::Busy => {}
        }
    }
}
