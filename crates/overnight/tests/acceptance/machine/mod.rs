//! What the machine does to the process: a disk that fills up, one that cannot be written, too few
//! descriptors, a clock that jumps.
//!
//! The disks are small file systems in memory, which only root may mount; the clock is
//! libfaketime's. A test that cannot have them fails.

mod clock;
mod descriptors;
mod disk;
mod read_only;
mod tmpfs;

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::common::Client;
use crate::support::{Process, overnight};

/// A server whose circumstances a test makes, in a folder whose `data` is its data folder.
struct Machine {
    folder: TempDir,
    /// Makes the command that starts the server.
    command: Box<dyn Fn(&Path) -> Command>,
    process: Option<Process>,
}

impl Machine {
    /// A machine for a server with this configuration, besides where it listens and keeps its data.
    fn new(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("listen = \"127.0.0.1:0\"\ndata = \"data\"\n{configuration}");
        std::fs::write(folder.path().join("overnight.toml"), text).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        Self {
            folder,
            command: Box::new(overnight),
            process: None,
        }
    }

    /// The same, its server being started by another command that still lacks `serve`.
    fn started_by(self, command: impl Fn(&Path) -> Command + 'static) -> Self {
        Self {
            command: Box::new(command),
            ..self
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn spawn(&self) -> Process {
        let mut command = (self.command)(self.folder.path());
        command.arg("serve");
        Process::start(command, self.folder.path())
    }

    /// Starts the server, and waits until it is ready.
    fn start(&mut self) -> Client {
        let mut process = self.spawn();
        let line = process.first_line();
        let url = line.trim().rsplit(' ').next().unwrap();
        self.process = Some(process);
        Client::new(url)
    }

    /// Starts the server, which must refuse to run: what it says.
    fn refused(&self) -> String {
        let mut process = self.spawn();
        assert_eq!(process.wait().code(), Some(1), "{}", process.stderr());
        process.stderr()
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    /// The files below a folder of the data folder, with their sizes.
    fn files(&self, below: &str) -> Vec<(PathBuf, u64)> {
        let mut found = Vec::new();
        let mut folders = vec![self.data().join(below)];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries {
                let entry = entry.unwrap();
                let metadata = entry.metadata().unwrap();
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push((entry.path(), metadata.len()));
                }
            }
        }
        found
    }
}
