//! PostgreSQL servers that are thrown away, of the oldest and the newest version that the tests run
//! on.
//!
//! Most tests want a server that is there and well: all test processes share one of each version
//! ([`Shared`]), and each test has a schema of its own. Tests that stop their server have one to
//! themselves ([`Own`]).

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared::{SharedServer, place, root, until_ready};

/// A version of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The oldest that is supported.
    Oldest,
    /// The newest that there is.
    Newest,
}

impl Version {
    const fn number(self) -> &'static str {
        match self {
            Self::Oldest => "15",
            Self::Newest => "18",
        }
    }
}

/// A server that test processes share, for as long as the value is there. The last one that lets go
/// of it ends it, some seconds later.
#[derive(Debug)]
pub struct Shared {
    server: SharedServer,
    schemas: AtomicU64,
}

impl Shared {
    /// The server of that version, started if it is not there.
    ///
    /// # Errors
    ///
    /// There is no such server, or it does not start: `scripts/fetch-postgres` was not run, say.
    pub fn find(version: Version) -> io::Result<Self> {
        let number = version.number();
        let is_there = |folder: &Path| UnixStream::connect(folder.join(".s.PGSQL.5432")).is_ok();
        let name = format!("postgres-{number}");
        let server = SharedServer::find(&name, "QUIT", is_there, |folder| {
            let script = root().join("scripts/serve-postgres");
            vec![script, number.into(), folder.to_owned()]
        })?;
        Ok(Self {
            server,
            schemas: AtomicU64::new(0),
        })
    }

    /// Where its database is.
    #[must_use]
    pub fn url(&self) -> String {
        let folder = self.server.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}/postgres")
    }

    /// The name of a schema that nobody else has taken.
    #[must_use]
    pub fn schema(&self) -> String {
        let schema = self.schemas.fetch_add(1, Ordering::Relaxed);
        format!("test_{}_{schema}", self.server.number)
    }
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It tells its clients, and ends their connections.
    Fast,
    /// As if it had crashed: what it was doing is rolled back when it starts again.
    Crash,
}

/// A server of one test, on a port of loopback. Dropping it ends it.
#[derive(Debug)]
pub struct Own {
    version: Version,
    folder: PathBuf,
    port: u16,
    /// What it is to another server, as the script that starts it is told.
    role: Vec<String>,
    child: Option<Child>,
}

impl Own {
    /// Starts a server with an empty database.
    ///
    /// # Errors
    ///
    /// As [`Shared::find`].
    pub fn start(version: Version) -> io::Result<Self> {
        Self::start_as(version, Vec::new())
    }

    /// Starts a server with an empty database that commits what its standby has as well; and the
    /// standby, which refuses changes until it is promoted.
    ///
    /// # Errors
    ///
    /// As [`Shared::find`].
    pub fn start_pair(version: Version) -> io::Result<(Self, Self)> {
        let primary = Self::start_as(version, vec!["primary".to_owned()])?;
        let (folder, port) = (primary.folder.display(), primary.port);
        let role = ["standby".to_owned(), folder.to_string(), port.to_string()];
        let standby = Self::start_as(version, role.into())?;
        Ok((primary, standby))
    }

    fn start_as(version: Version, role: Vec<String>) -> io::Result<Self> {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = place(&format!("own-postgres-{}-{number}", std::process::id()));
        // What a killed test left whose process had the same number.
        let _ = fs::remove_dir_all(&folder);
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut own = Self {
            version,
            folder,
            port,
            role,
            child: None,
        };
        own.start_again()?;
        Ok(own)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Where its database is, for whoever reaches it at that address (a proxy's, say).
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://postgres@{address}/postgres")
    }

    /// Where its database is.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// Has a standby take the place of its primary. It does so soon, not at once.
    ///
    /// # Errors
    ///
    /// It cannot be told to.
    pub fn promote(&self) -> io::Result<()> {
        fs::write(self.folder.join("data/promote"), "")?;
        match &self.child {
            Some(child) => signal(child, "-USR1"),
            None => Err(io::Error::other("the server is not there")),
        }
    }

    /// Ends the server; what it holds stays.
    ///
    /// # Errors
    ///
    /// It cannot be told to.
    pub fn stop(&mut self, how: Stop) -> io::Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let name = match how {
            Stop::Fast => "-INT",
            Stop::Crash => "-QUIT",
        };
        signal(&child, name)?;
        child.wait()?;
        Ok(())
    }

    /// Starts the server with what it held.
    ///
    /// # Errors
    ///
    /// As [`Shared::find`].
    pub fn start_again(&mut self) -> io::Result<()> {
        let mut command = Command::new(root().join("scripts/serve-postgres"));
        command.arg(self.version.number());
        command.arg(&self.folder).arg(self.port.to_string());
        command.args(&self.role);
        self.child = Some(until_ready(command)?);
        Ok(())
    }
}

fn signal(child: &Child, name: &str) -> io::Result<()> {
    let pid = child.id().to_string();
    let told = Command::new("kill").args([name, &pid]).status()?;
    if told.success() {
        return Ok(());
    }
    Err(io::Error::other("the server was gone before it was told"))
}

impl Drop for Own {
    fn drop(&mut self) {
        // What cannot be ended ends with this process, which is its parent.
        let _ = self.stop(Stop::Crash);
        let _ = fs::remove_dir_all(&self.folder);
    }
}
