//! What a row's check talks through: to a real server, or, once that went well, to the record of it
//! with one thing changed.
//!
//! A check sees a server only through here, so that a replay is the same to it as the real exchange:
//! the same answers to the same requests, the same clock. A row whose check is still content when a
//! field was changed does not hold that field.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use overnight_testkit::server::ScriptedServer;
use tokio::time::Instant;

use crate::answer::{Answer, exchange};
use crate::golden::Golden;
use crate::object::{Object, batch_answer};
use crate::pattern::Known;
use crate::request::{Made, Request, batch_file, get, made_upload, post_json};
use crate::row::Outcome;
use crate::stage::Server;

/// How long a check waits for what should have happened by then.
const PATIENCE: Duration = Duration::from_mins(1);

/// The lines of a file that takes long to validate.
const LONG_LINES: usize = 50_000;

/// What happened between a check and a server.
#[derive(Default)]
pub(crate) struct Tape {
    events: Vec<Event>,
    /// What the check has asserted, for the document.
    pub(crate) told: Vec<String>,
}

enum Event {
    Exchange {
        digest: String,
        answer: Answer,
        /// When it came, in seconds.
        at: u64,
        /// What it was compared with, when it was.
        golden: Option<Golden>,
    },
    /// Something else that was looked at.
    Note(String),
}

impl Tape {
    /// The answers that were compared: each with its place.
    pub(crate) fn judged(&self) -> impl Iterator<Item = (usize, &Answer, &Golden)> {
        let events = self.events.iter().enumerate();
        events.filter_map(|(index, event)| match event {
            Event::Exchange {
                answer,
                golden: Some(golden),
                ..
            } => Some((index, answer, golden)),
            Event::Exchange { .. } | Event::Note(_) => None,
        })
    }
}

enum Source<'a> {
    Server(&'a Server),
    Tape {
        tape: &'a Tape,
        next: usize,
        /// Which answer is another one.
        changed: (usize, &'a Answer),
    },
}

/// A check's view of the world.
pub(crate) struct Scene<'a> {
    source: Source<'a>,
    /// What the places of the answers held.
    pub(crate) known: Known,
    tape: Tape,
}

impl<'a> Scene<'a> {
    /// In front of a real server.
    pub(crate) fn live(server: &'a Server) -> Self {
        let mut scene = Self {
            source: Source::Server(server),
            known: Known::default(),
            tape: Tape::default(),
        };
        scene.known.earliest = now();
        scene
    }

    /// In front of a record in which one answer is another one.
    pub(crate) fn replay(tape: &'a Tape, earliest: u64, changed: (usize, &'a Answer)) -> Self {
        let mut scene = Self {
            source: Source::Tape {
                tape,
                next: 0,
                changed,
            },
            known: Known::default(),
            tape: Tape::default(),
        };
        scene.known.earliest = earliest;
        scene
    }

    /// What happened.
    pub(crate) fn into_tape(self) -> Tape {
        self.tape
    }

    /// Sends a request and compares the whole answer: this is what a row asserts.
    pub(crate) fn expect(&mut self, request: &Request, golden: &Golden) -> Outcome {
        let answer = self.send(request, Some(golden), |_| true)?;
        self.assert(request, golden, &answer)
    }

    /// The same with an answer that comes in time: until its text has `sign`, it is asked for again.
    pub(crate) fn expect_soon(
        &mut self,
        request: &Request,
        sign: &str,
        golden: &Golden,
    ) -> Outcome {
        let sign = self.known.fill(sign)?;
        let has_sign = |answer: &Answer| answer.text().is_ok_and(|text| text.contains(&sign));
        let answer = self.send(request, Some(golden), has_sign)?;
        self.assert(request, golden, &answer)
    }

    fn assert(&mut self, request: &Request, golden: &Golden, answer: &Answer) -> Outcome {
        golden
            .compare(answer, &mut self.known)
            .map_err(|why| format!("{}: {why}", request.told()))?;
        let told = format!("{} → {}", request.told(), golden.told());
        self.tape.told.push(told);
        Ok(())
    }

    /// Sends a request that another row is about; it must go well.
    pub(crate) fn prepare(&mut self, request: &Request) -> Result<Answer, String> {
        let answer = self.send(request, None, |_| true)?;
        if answer.status == 200 {
            return Ok(answer);
        }
        let body = String::from_utf8_lossy(&answer.body);
        Err(format!("{}: {} {body}", request.told(), answer.status))
    }

    /// Sends such a request until the answer has a sign.
    pub(crate) fn prepare_soon(&mut self, request: &Request, sign: &str) -> Outcome {
        let has_sign = |answer: &Answer| answer.text().is_ok_and(|text| text.contains(sign));
        self.send(request, None, has_sign).map(|_| ())
    }

    /// Uploads the input of a batch; its id is known as `f` from here on.
    pub(crate) fn upload(&mut self, content: impl AsRef<[u8]>) -> Outcome {
        self.upload_as("f", content)
    }

    /// The same under another name.
    pub(crate) fn upload_as(&mut self, name: &str, content: impl AsRef<[u8]>) -> Outcome {
        let answer = self.prepare(&batch_file("in.jsonl", content))?;
        self.bind_member(name, &answer, "id")
    }

    /// Creates a batch of chat lines over `f`, known as `b` and created at `c` from here on.
    pub(crate) fn create(&mut self) -> Outcome {
        self.create_with(r#"{"input_file_id":"«f»","endpoint":"/v1/chat/completions","completion_window":"24h"}"#)
    }

    /// Creates a batch by that request.
    pub(crate) fn create_with(&mut self, json: &str) -> Outcome {
        let answer = self.prepare(&post_json("/v1/batches", json))?;
        self.bind_member("b", &answer, "id")?;
        self.bind_member("c", &answer, "created_at")
    }

    /// Waits until the batch `b` has a status, and compares it then.
    pub(crate) fn becomes(&mut self, status: &str, batch: &Object) -> Outcome {
        let sign = format!("\"status\": \"{status}\"");
        self.expect_soon(&get("/v1/batches/«b»"), &sign, &batch_answer(batch))
    }

    /// The same, the answer called otherwise in the document.
    pub(crate) fn becomes_shown(&mut self, status: &str, batch: &Object, shown: &str) -> Outcome {
        let sign = format!("\"status\": \"{status}\"");
        let golden = batch_answer(batch).shown(shown);
        self.expect_soon(&get("/v1/batches/«b»"), &sign, &golden)
    }

    /// Forgets what is known of the batch `b`, before there is another one.
    pub(crate) fn forget_batch(&mut self) {
        self.known
            .forget(&["b", "c", "begun", "sealing", "stopping", "end", "o", "e"]);
    }

    /// Forgets what is known of the upload `u`, before there is another one.
    pub(crate) fn forget_upload(&mut self) {
        self.known.forget(&["u", "t", "p", "q", "f", "m"]);
    }

    /// Uploads a file that is made when it is sent; its id is `f` from here on.
    pub(crate) fn upload_made(&mut self, made: Made) -> Outcome {
        let answer = self.prepare(&made_upload(made))?;
        self.bind_member("f", &answer, "id")
    }

    /// Uploads a file for a batch that takes long to validate.
    pub(crate) fn upload_long(&mut self) -> Outcome {
        self.upload_made(Made {
            name: "a file that takes long to validate",
            content: || {
                let lines = (0..LONG_LINES).map(|number| {
                    let custom_id = number.to_string();
                    crate::lifecycle::chat(&custom_id, "m", "silent") + "\n"
                });
                lines.collect()
            },
        })
    }

    /// Keeps a member of an answer that is not compared.
    pub(crate) fn bind_member(&mut self, name: &str, answer: &Answer, key: &str) -> Outcome {
        let text = answer.text()?;
        let value = text.split_once(&format!("\"{key}\": "));
        let value = value.and_then(|(_, rest)| rest.split(['\n', ',']).next());
        let value = value.ok_or_else(|| format!("no {key} in {text}"))?;
        self.known.bind(name, value.trim_matches('"'));
        Ok(())
    }

    /// Looks at the upstream.
    pub(crate) fn look(
        &mut self,
        look: impl FnOnce(&ScriptedServer) -> String,
    ) -> Result<String, String> {
        self.note(|server| look(&server.upstream))
    }

    /// Deletes what the server keeps of the files that it has, as a broken disk would.
    pub(crate) fn lose_blobs(&mut self) -> Outcome {
        let lost = self.note(|server| {
            let lost = std::fs::remove_dir_all(server.data().join("blobs"));
            lost.map_or_else(|error| error.to_string(), |()| String::new())
        })?;
        if lost.is_empty() { Ok(()) } else { Err(lost) }
    }

    /// Does something with the server itself; what came of it is kept for replays.
    fn note(&mut self, act: impl FnOnce(&Server) -> String) -> Result<String, String> {
        let seen = match &mut self.source {
            Source::Server(server) => act(server),
            Source::Tape { tape, next, .. } => {
                let event = tape.events.get(*next);
                *next += 1;
                match event {
                    Some(Event::Note(seen)) => seen.clone(),
                    Some(Event::Exchange { .. }) | None => {
                        return Err("the check went another way".to_owned());
                    }
                }
            }
        };
        self.tape.events.push(Event::Note(seen.clone()));
        Ok(seen)
    }

    /// Adds to what the document tells of the check.
    pub(crate) fn tell(&mut self, what: impl Into<String>) {
        self.tape.told.push(what.into());
    }

    fn send(
        &mut self,
        request: &Request,
        golden: Option<&Golden>,
        is_due: impl Fn(&Answer) -> bool,
    ) -> Result<Answer, String> {
        let digest = request.digest(&self.known)?;
        let (answer, at) = match &mut self.source {
            Source::Server(server) => ask(&server.base_url, request, &self.known, is_due)?,
            Source::Tape {
                tape,
                next,
                changed,
            } => {
                let index = *next;
                *next += 1;
                match tape.events.get(index) {
                    Some(Event::Exchange {
                        digest: recorded,
                        answer,
                        at,
                        ..
                    }) if *recorded == digest => {
                        let answer = if index == changed.0 {
                            changed.1
                        } else {
                            answer
                        };
                        (answer.clone(), *at)
                    }
                    _ => return Err(format!("nobody has asked {digest} before")),
                }
            }
        };
        self.known.latest = at;
        self.tape.events.push(Event::Exchange {
            digest,
            answer: answer.clone(),
            at,
            golden: golden.cloned(),
        });
        Ok(answer)
    }
}

/// Asks until the answer is due.
fn ask(
    base_url: &str,
    request: &Request,
    known: &Known,
    is_due: impl Fn(&Answer) -> bool,
) -> Result<(Answer, u64), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = exchange(base_url, request, known)?;
        if is_due(&answer) {
            return Ok((answer, now()));
        }
        if Instant::now() > deadline {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(format!("{}: waited in vain: {body}", request.told()));
        }
        thread::sleep(Duration::from_millis(3));
    }
}

/// The second that it is.
#[expect(
    clippy::disallowed_methods,
    reason = "times in answers are compared with the clock of the machine"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
