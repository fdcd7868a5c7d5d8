//! An object store that speaks S3: all test processes share one, and each test has a prefix of its own
//! in its bucket.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared::{SharedServer, place, root, until_ready};

/// What the variables of the environment are for whoever uses the store at that address.
#[must_use]
pub fn variables(address: SocketAddr) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "testtest".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The store that test processes share.
#[derive(Debug)]
pub struct Shared {
    server: SharedServer,
    address: SocketAddr,
    prefixes: AtomicU64,
}

impl Shared {
    /// The store, started if it is not there.
    ///
    /// # Errors
    ///
    /// It does not start: `scripts/fetch-s3` was not run, say.
    pub fn find() -> io::Result<Self> {
        let is_there = |folder: &Path| {
            address(folder).is_ok_and(|address| TcpStream::connect(address).is_ok())
        };
        let server = SharedServer::find("s3", "TERM", is_there, |folder| {
            vec![root().join("scripts/serve-s3"), folder.to_owned()]
        })?;
        Ok(Self {
            address: address(&server.folder)?,
            server,
            prefixes: AtomicU64::new(0),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A place in its bucket that nobody else has taken.
    #[must_use]
    pub fn url(&self) -> String {
        let prefix = self.prefixes.fetch_add(1, Ordering::Relaxed);
        let number = self.server.number;
        format!("s3://overnight/test-{number}/{prefix}")
    }
}

/// A store of one test. Dropping it ends it.
#[derive(Debug)]
pub struct Own {
    folder: std::path::PathBuf,
    address: SocketAddr,
    child: Child,
}

impl Own {
    /// Starts a store with an empty bucket.
    ///
    /// # Errors
    ///
    /// As [`Shared::find`].
    pub fn start() -> io::Result<Self> {
        let folder = place(&format!("own-s3-{}", std::process::id()));
        // What a killed test left whose process had the same number.
        let _ = fs::remove_dir_all(&folder);
        let mut command = Command::new(root().join("scripts/serve-s3"));
        command.arg(&folder);
        let child = until_ready(command)?;
        let address = address(&folder)?;
        Ok(Self {
            folder,
            address,
            child,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // What cannot be ended ends with this process, which is its parent.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn address(folder: &Path) -> io::Result<SocketAddr> {
    let text = fs::read_to_string(folder.join("address"))?;
    text.trim().parse().map_err(io::Error::other)
}
