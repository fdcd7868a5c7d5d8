//! The real engines, each a process of its own on a free port, ended with the test.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::root;
use crate::support::{Process, http, until};

/// The chat engine's model.
pub(crate) const CHAT_MODEL: &str = "smollm2-135m";

/// The embeddings server's model.
pub(crate) const EMBEDDINGS_MODEL: &str = "multilingual-e5-small-q4";

/// A running engine.
pub(crate) struct Engine {
    /// Where it answers.
    pub(crate) url: String,
    /// The model that it serves.
    pub(crate) model: &'static str,
    _process: Process,
}

impl Engine {
    /// Starts the chat engine, and waits until its model is loaded.
    pub(crate) fn chat(folder: &Path) -> Self {
        Self::start("scripts/serve-chat", CHAT_MODEL, folder)
    }

    /// Starts the embeddings server, and waits until its model is loaded.
    pub(crate) fn embeddings(folder: &Path) -> Self {
        Self::start("scripts/serve-embeddings", EMBEDDINGS_MODEL, folder)
    }

    fn start(script: &str, model: &'static str, folder: &Path) -> Self {
        let port = free_port();
        // Nobody reads its stdout, which must not fill up; `exec` lets the engine have the process id.
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$0\" \"$1\" >&2"])
            .arg(root().join(script))
            .arg(port.to_string());
        let mut process = Process::start(command, folder);
        let url = format!("http://127.0.0.1:{port}");
        until(script, || {
            assert!(process.is_running(), "{script}:\n{}", process.stderr());
            is_well(&url, port)
        });
        Self {
            url,
            model,
            _process: process,
        }
    }
}

fn is_well(url: &str, port: u16) -> bool {
    let address = ([127, 0, 0, 1], port).into();
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
        && http::request(url, "GET", "/health", &[], b"").status == 200
}

/// A port that nobody listens on; nobody else asks for it before the engine has it, or the engine
/// says so and the test fails.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
