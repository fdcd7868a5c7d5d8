//! One request from its arrival to its end, for the counters and the log. It ends exactly once:
//! by `end`, or, when its client goes away and the request's future is dropped, by its own drop.

use http::StatusCode;

use crate::ask::Ask;
use crate::draw::Draw;
use crate::faults::Fault;
use crate::log::{Arrival, LogLine};
use crate::sim::Inner;
use crate::tally::End;

/// A request that is counted as in flight until it ends.
pub(crate) struct Visit<'a> {
    sim: &'a Inner,
    seq: u64,
    entry: Option<Entry>,
    ended: bool,
}

struct Entry {
    arrival: Arrival,
    path: String,
    model: Option<String>,
    user: Option<String>,
    line: Option<String>,
    hash: u64,
    bytes: usize,
    fault: Option<Fault>,
}

impl<'a> Visit<'a> {
    pub(crate) fn begin(sim: &'a Inner, path: &str) -> Self {
        let seq = sim.tally.begin();
        let entry = sim.log.arrival().map(|arrival| Entry {
            arrival,
            path: path.to_owned(),
            model: None,
            user: None,
            line: None,
            hash: 0,
            bytes: 0,
            fault: None,
        });
        Self {
            sim,
            seq,
            entry,
            ended: false,
        }
    }

    /// Notes the body, once it is here.
    pub(crate) fn note_body(&mut self, draw: Draw, bytes: usize) {
        if let Some(entry) = &mut self.entry {
            entry.hash = draw.digest();
            entry.bytes = bytes;
        }
    }

    /// Notes who asks for what, once the body is read.
    pub(crate) fn note_ask(&mut self, ask: &Ask<'_>) {
        if let Some(entry) = &mut self.entry {
            entry.model = ask.model_name().map(str::to_owned);
            entry.user = ask.user_name();
            entry.line = ask.line_name();
        }
    }

    pub(crate) fn note_fault(&mut self, fault: Fault) {
        if let Some(entry) = &mut self.entry {
            entry.fault = Some(fault);
        }
    }

    /// Counts and logs the end.
    pub(crate) fn end(mut self, end: End, status: StatusCode) {
        self.close(end, status.as_u16());
    }

    fn close(&mut self, end: End, status: u16) {
        self.ended = true;
        if let Some(entry) = self.entry.take() {
            let (at_ms, took_ms) = self.sim.log.times_ms(entry.arrival);
            self.sim.log.write(LogLine {
                seq: self.seq,
                at_ms,
                took_ms,
                path: entry.path,
                model: entry.model,
                hash: format!("{:016x}", entry.hash),
                user: entry.user,
                line: entry.line,
                bytes: entry.bytes,
                status,
                fault: entry.fault,
            });
        }
        self.sim.tally.end(end);
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.close(End::Gone, 0);
        }
    }
}
