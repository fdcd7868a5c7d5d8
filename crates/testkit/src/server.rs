//! A server that plays a script over real connections.
//!
//! It speaks just enough HTTP/1.1 by hand to do what no HTTP library does: to stop in the middle of
//! an answer, to reset a connection, to promise more bytes than it sends.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use overnight_engine::upstream::scripted::{Answer, Script, Seen, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::request::Requests;

/// How much an endless answer sends at a time.
const ENDLESS_BYTES: usize = 64 << 10;

/// A server on a free port of loopback. Dropping it ends it and closes its connections.
pub struct ScriptedServer {
    address: SocketAddr,
    room: Arc<Room>,
    /// Ends the listener, and with it every connection.
    listening: Mutex<CancellationToken>,
    tasks: TaskTracker,
}

/// What the connections share.
struct Room {
    script: Script,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

impl ScriptedServer {
    /// Starts a server that plays `script`.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub async fn start(script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Mutex::default();
        let connections = AtomicUsize::new(0);
        let room = Arc::new(Room {
            script,
            seen,
            connections,
        });
        let listening = Mutex::new(CancellationToken::new());
        let server = Self {
            address,
            room,
            listening,
            tasks: TaskTracker::new(),
        };
        if server.room.is_refusing() {
            server.room.script.skip();
        } else {
            server.accept(listener);
        }
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, in the order in which they were read.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.room
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.room.connections.load(Ordering::SeqCst)
    }

    /// Refuses connections from here on, and closes those that there are.
    pub async fn refuse(&self) {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .cancel();
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

    fn accept(&self, listener: TcpListener) {
        let room = Arc::clone(&self.room);
        let listening = self
            .listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let tasks = self.tasks.clone();
        self.tasks.spawn(async move {
            let accept = async {
                while let Ok((stream, _)) = listener.accept().await {
                    let connection = Arc::clone(&room).serve(stream, listening.clone());
                    tasks.spawn(listening.clone().run_until_cancelled_owned(connection));
                }
            };
            listening.run_until_cancelled(accept).await;
        });
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .cancel();
    }
}

/// What becomes of a connection after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Keep,
    Close,
}

impl Room {
    fn is_refusing(&self) -> bool {
        self.script.peek(|step| matches!(step, Step::Refuse)) == Some(true)
    }

    /// A connection that is going to be reset must not have been used before.
    fn is_resetting(&self) -> bool {
        self.script.peek(|step| matches!(step, Step::Reset)) == Some(true)
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, listening: CancellationToken) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let mut requests = Requests::new(stream);
        while let Ok(Some(seen)) = requests.next().await {
            self.seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(seen.clone());
            let step = self.script.next(&seen);
            let played = self.play(step, requests.stream()).await;
            if self.is_refusing() {
                self.script.skip();
                listening.cancel();
            }
            if played.is_err() || played.is_ok_and(|after| after == After::Close) {
                return;
            }
        }
    }

    async fn play(&self, mut step: Step, stream: &mut TcpStream) -> io::Result<After> {
        while let Step::Gated { gate, then } = step {
            gate.cancelled().await;
            step = *then;
        }
        match step {
            Step::Answer(answer) => self.answer(&answer, stream).await,
            Step::Late { after, answer } => {
                tokio::time::sleep(after).await;
                self.answer(&answer, stream).await
            }
            Step::Silent => {
                until_closed(stream).await?;
                Ok(After::Close)
            }
            Step::Stall { answer, sent } => {
                send(&answer, sent, After::Keep, stream).await?;
                until_closed(stream).await?;
                Ok(After::Close)
            }
            Step::Cut { answer, sent } => {
                send(&answer, sent, After::Keep, stream).await?;
                Ok(After::Close)
            }
            Step::Endless => endless(stream).await,
            Step::Reset | Step::LoseIdle | Step::Refuse | Step::Gated { .. } => {
                stream.set_zero_linger()?;
                Ok(After::Close)
            }
        }
    }

    async fn answer(&self, answer: &Answer, stream: &mut TcpStream) -> io::Result<After> {
        let closing = self.is_resetting() || self.is_refusing();
        let after = if closing { After::Close } else { After::Keep };
        send(answer, answer.body.len(), after, stream).await?;
        Ok(after)
    }
}

/// Sends the head of an answer and the first `sent` bytes of its body.
async fn send(
    answer: &Answer,
    sent: usize,
    after: After,
    stream: &mut TcpStream,
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
    for (name, value) in &answer.headers {
        // Writing to a String cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if after == After::Close {
        head.push_str("connection: close\r\n");
    }
    let _ = write!(head, "content-length: {}\r\n\r\n", answer.body.len());
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(answer.body.get(..sent).unwrap_or(&answer.body));
    stream.write_all(&bytes).await?;
    stream.flush().await
}

async fn endless(stream: &mut TcpStream) -> io::Result<After> {
    stream
        .write_all(b"HTTP/1.1 200 Scripted\r\nconnection: close\r\n\r\n")
        .await?;
    let piece = vec![b' '; ENDLESS_BYTES];
    loop {
        stream.write_all(&piece).await?;
    }
}

/// Waits until the client goes away.
async fn until_closed(stream: &mut TcpStream) -> io::Result<()> {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}
