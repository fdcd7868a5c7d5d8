//! Passes bytes on untouched, and notes each request's first line: what a client sends is not what
//! its user sees, who is not told of a second try.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

/// A running relay; its threads end with the process, which is the test's own.
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) url: String,
}

impl Relay {
    /// Starts to pass on to a server, and to note requests such as `GET /v1/files` in a file.
    pub(crate) fn start(server_url: &str, log: &Path) -> Self {
        let server = server_url.strip_prefix("http://").unwrap().to_owned();
        let log = Arc::new(Mutex::new(File::create(log).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, log) = (client.unwrap(), Arc::clone(&log));
                let server = TcpStream::connect(&server).unwrap();
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || pass_on(back.0, back.1, |_| ()));
                thread::spawn(move || {
                    let mut lines = RequestLines::default();
                    pass_on(client, server, |bytes| lines.note(bytes, &log));
                });
            }
        });
        Self { url }
    }
}

/// Copies until one side ends, and tells the other.
fn pass_on(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        look(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The other side may be gone already.
    let _ = to.shutdown(Shutdown::Write);
}

/// Finds the first lines of requests in the bytes of a connection.
#[derive(Default)]
struct RequestLines {
    line: Vec<u8>,
}

impl RequestLines {
    fn note(&mut self, bytes: &[u8], log: &Mutex<File>) {
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            if let Some(request) = request(&String::from_utf8_lossy(&self.line)) {
                writeln!(log.lock().unwrap(), "{request}").unwrap();
            }
            self.line.clear();
        }
    }
}

/// The request that a line begins. On a connection that is used again the body before it ends on the
/// same line, without a space: `{"limit":2}GET /v1/files HTTP/1.1`.
fn request(line: &str) -> Option<String> {
    let (before, path) = line.strip_suffix(" HTTP/1.1\r")?.rsplit_once(' ')?;
    let body = before.trim_end_matches(|letter: char| letter.is_ascii_uppercase());
    let method = before.strip_prefix(body)?;
    Some(format!("{method} {path}"))
}
