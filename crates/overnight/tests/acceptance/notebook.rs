//! An upstream that notes every request as it came, byte for byte, and answers each alike.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    /// Its first line and its headers, as they came.
    pub(crate) head: String,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Note {
    /// The value of a header; its name in lowercase.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// An upstream that serves the model `noted` until its process ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notebook {
    notes: Arc<Mutex<Vec<Note>>>,
}

impl Notebook {
    /// Starts one on a free port, and answers it with its URL.
    pub(crate) fn on_a_port() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let notebook = Self::default();
        let served = notebook.clone();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (served, writer) = (served.clone(), stream.try_clone().unwrap());
                thread::spawn(move || served.serve(stream, writer));
            }
        });
        (notebook, url)
    }

    /// Starts one on a Unix socket at that path.
    pub(crate) fn on_a_socket(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let notebook = Self::default();
        let served = notebook.clone();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (served, writer) = (served.clone(), stream.try_clone().unwrap());
                thread::spawn(move || served.serve(stream, writer));
            }
        });
        notebook
    }

    /// The requests so far that asked for an answer.
    pub(crate) fn notes(&self) -> Vec<Note> {
        self.notes.lock().unwrap().clone()
    }

    fn serve(&self, reader: impl Read, mut writer: impl Write) {
        let mut reader = BufReader::new(reader);
        while let Some(note) = read_request(&mut reader) {
            let is_post = note.head.starts_with("POST ");
            let (status, answer) = match note.head.split(' ').nth(1) {
                Some("/v1/models") => ("200 OK", r#"{"data":[{"id":"noted"}]}"#),
                Some(_) if is_post => ("200 OK", r#"{"usage":null}"#),
                _ => ("404 Not Found", "{}"),
            };
            if is_post {
                self.notes.lock().unwrap().push(note);
            }
            let length = answer.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\n\r\n{answer}"
            );
            if writer.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// The next request of a connection; `None` when there is none.
fn read_request(reader: &mut BufReader<impl Read>) -> Option<Note> {
    let mut note = Note {
        head: String::new(),
        body: Vec::new(),
    };
    while !note.head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut note.head).ok()? == 0 {
            return None;
        }
    }
    let length = note
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    note.body.resize(length, 0);
    reader.read_exact(&mut note.body).ok()?;
    Some(note)
}
