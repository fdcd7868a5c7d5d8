//! An upstream that takes requests and never answers, and says when the next one came.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_mins(5);

/// Requests that nobody has asked about; more are not noted.
const NOTED_MAX: usize = 64 << 10;

/// A listening upstream; its threads end with the process.
pub(crate) struct Held {
    /// Its address.
    pub(crate) url: String,
    came: Receiver<Instant>,
}

impl Held {
    /// Begins to listen.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        let (bell, came) = sync_channel(NOTED_MAX);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let bell = bell.clone();
                std::thread::spawn(move || hold(stream, &bell));
            }
        });
        Ok(Self { url, came })
    }

    /// Forgets the requests that came so far.
    pub(crate) fn forget(&self) {
        while self.came.try_recv().is_ok() {}
    }

    /// When the next request came that was not asked about.
    pub(crate) fn next(&self) -> anyhow::Result<Instant> {
        Ok(self.came.recv_timeout(PATIENCE)?)
    }
}

/// Notes the first bytes of a connection, and swallows the others.
fn hold(mut stream: TcpStream, bell: &SyncSender<Instant>) {
    let mut bytes = vec![0; 64 << 10];
    let mut is_first = true;
    // A connection that breaks is one that ended.
    while stream.read(&mut bytes).is_ok_and(|read| read > 0) {
        let is_post = bytes.starts_with(b"POST ");
        if is_first
            && is_post
            && matches!(
                bell.try_send(Instant::now()),
                Err(TrySendError::Disconnected(_))
            )
        {
            return;
        }
        is_first = false;
    }
}
