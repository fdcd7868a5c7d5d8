//! Passes bytes on untouched, and notes each request's first line: what a client sends is not what
//! its user sees, who is not told of a second try.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A running relay; its threads end with the process, which is the test's own.
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) url: String,
}

/// What a client asks the relay to do to its request, once for each token, with the header
/// `x-relay: FAULT TOKEN`: a client sends the same headers when it tries again.
#[derive(Clone, Copy)]
enum Fault {
    /// `cut-request`: the connection breaks before the request is whole.
    CutRequest,
    /// `lose-answer`: the request arrives, and the connection breaks before its answer does.
    LoseAnswer,
}

/// What all connections share.
struct Notes {
    log: Mutex<File>,
    tokens: Mutex<HashSet<String>>,
}

impl Relay {
    /// Starts to pass on to a server, and to note requests such as `GET /v1/files` in a file.
    pub(crate) fn start(server_url: &str, log: &Path) -> Self {
        let server = server_url.strip_prefix("http://").unwrap().to_owned();
        let notes = Arc::new(Notes {
            log: Mutex::new(File::create(log).unwrap()),
            tokens: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for client in listener.incoming() {
                let server = TcpStream::connect(&server).unwrap();
                relay(client.unwrap(), server, Arc::clone(&notes));
            }
        });
        Self { url }
    }
}

/// Passes on in both directions, each in a thread of its own.
fn relay(client: TcpStream, server: TcpStream, notes: Arc<Notes>) {
    let (answers, back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let is_lost = Arc::new(AtomicBool::new(false));
    let lost = Arc::clone(&is_lost);
    thread::spawn(move || pass_on(answers, back, |_| !lost.load(Ordering::SeqCst)));
    thread::spawn(move || {
        let mut lines = RequestLines::default();
        pass_on(client, server, |bytes| match lines.note(bytes, &notes) {
            Some(Fault::CutRequest) => false,
            Some(Fault::LoseAnswer) => {
                is_lost.store(true, Ordering::SeqCst);
                true
            }
            None => true,
        });
    });
}

/// Copies until one side ends, and tells the other; or until `look` says to break the connection.
fn pass_on(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !look(&buffer[..count]) {
            // Either side may be gone already, here and below.
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Finds the first lines of requests in the bytes of a connection.
#[derive(Default)]
struct RequestLines {
    line: Vec<u8>,
}

impl RequestLines {
    /// Notes the requests that begin in these bytes. Answers a fault that one of them asks for.
    fn note(&mut self, bytes: &[u8], notes: &Notes) -> Option<Fault> {
        let mut asked = None;
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&self.line);
            if let Some(request) = request(&line) {
                writeln!(notes.log.lock().unwrap(), "{request}").unwrap();
            }
            asked = asked.or_else(|| fault(&line, notes));
            self.line.clear();
        }
        asked
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

/// The fault that a header asks for, if it is the first with that token.
fn fault(line: &str, notes: &Notes) -> Option<Fault> {
    let (name, value) = line.trim_end().split_once(": ")?;
    if !name.eq_ignore_ascii_case("x-relay") {
        return None;
    }
    let (fault, token) = value.split_once(' ').unwrap();
    let is_first = notes.tokens.lock().unwrap().insert(token.to_owned());
    is_first.then_some(match fault {
        "cut-request" => Fault::CutRequest,
        "lose-answer" => Fault::LoseAnswer,
        other => panic!("the relay knows no fault {other}"),
    })
}
