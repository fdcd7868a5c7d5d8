//! A server that answers with any bytes at all, at any pace: what no HTTP library would send.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use overnight_engine::upstream::scripted::Seen;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::request::Requests;

/// What a rogue does next on a connection.
#[derive(Clone, Debug)]
pub enum Move {
    /// Sends these bytes.
    Send(Bytes),
    /// Sends these bytes one by one, that long apart.
    Drip(Bytes, Duration),
    /// Sends these bytes again and again, until the client goes.
    Forever(Bytes),
    /// Does nothing for so long.
    Pause(Duration),
    /// Does nothing until the client goes.
    Hang,
    /// Resets the connection.
    Reset,
    /// Closes the connection well.
    Close,
}

type Manners = Arc<dyn Fn(&Seen) -> Vec<Move> + Send + Sync>;

/// A rogue on a free port of loopback. Dropping it ends it and closes its connections.
pub struct Rogue {
    address: SocketAddr,
    manners: Manners,
    listening: Mutex<CancellationToken>,
    tasks: TaskTracker,
}

impl Rogue {
    /// Starts a server that does with each request what `manners` says. A connection whose last move
    /// does not end it is asked for the next request.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub async fn start(
        manners: impl Fn(&Seen) -> Vec<Move> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let rogue = Self {
            address: listener.local_addr()?,
            manners: Arc::new(manners),
            listening: Mutex::default(),
            tasks: TaskTracker::new(),
        };
        rogue.accept(listener);
        Ok(rogue)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses connections from here on, and closes those that there are.
    pub async fn refuse(&self) {
        self.token().cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    /// Listens again, at the same address.
    ///
    /// # Errors
    ///
    /// When somebody took the port meanwhile.
    pub async fn listen_again(&self) -> io::Result<()> {
        self.refuse().await;
        let listener = TcpListener::bind(self.address).await?;
        *self
            .listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = CancellationToken::new();
        self.accept(listener);
        Ok(())
    }

    fn token(&self) -> CancellationToken {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn accept(&self, listener: TcpListener) {
        let (listening, manners) = (self.token(), Arc::clone(&self.manners));
        let (tasks, token) = (self.tasks.clone(), listening.clone());
        self.tasks
            .spawn(listening.run_until_cancelled_owned(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let serving = serve(stream, Arc::clone(&manners));
                    tasks.spawn(token.clone().run_until_cancelled_owned(serving));
                }
            }));
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        self.token().cancel();
    }
}

/// What goes wrong on a connection is what the client made of what it was sent.
async fn serve(stream: TcpStream, manners: Manners) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut requests = Requests::new(stream);
    while let Ok(Some(seen)) = requests.next().await {
        for next in manners(&seen) {
            match make(next, requests.stream()).await {
                Ok(true) => {}
                Ok(false) | Err(_) => return,
            }
        }
    }
}

/// Makes a move; whether the connection goes on.
async fn make(next: Move, stream: &mut TcpStream) -> io::Result<bool> {
    match next {
        Move::Send(bytes) => stream.write_all(&bytes).await?,
        Move::Drip(bytes, every) => {
            for byte in bytes {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(every).await;
            }
        }
        Move::Forever(bytes) => loop {
            stream.write_all(&bytes).await?;
        },
        Move::Pause(time) => tokio::time::sleep(time).await,
        Move::Hang => {
            let mut ignored = [0; 1024];
            while stream.read(&mut ignored).await? > 0 {}
            return Ok(false);
        }
        Move::Reset => {
            stream.set_zero_linger()?;
            return Ok(false);
        }
        Move::Close => {
            stream.shutdown().await?;
            return Ok(false);
        }
    }
    Ok(true)
}
