//! Inference servers that cost next to nothing, since they share the processor with what is measured.

pub(crate) mod held;
pub(crate) mod quick;

use crate::bench::Bench;
use crate::process::Process;

/// How an upstream answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The time that an answer takes once the request has a place.
    pub(crate) latency_ms: u64,
    /// How many requests have a place at a time; the others wait for one. 0 for no bound.
    pub(crate) places: usize,
    /// The bytes of each answer's body.
    pub(crate) answer_bytes: usize,
    /// Whether `/metrics` shows how many have a place and how many wait, under vLLM's names.
    pub(crate) has_gauges: bool,
}

impl Shape {
    /// Answers of 400 bytes at once.
    pub(crate) const INSTANT: Self = Self {
        latency_ms: 0,
        places: 0,
        answer_bytes: 400,
        has_gauges: false,
    };
}

/// A running upstream.
pub(crate) struct Upstream {
    /// Its address.
    pub(crate) url: String,
    pub(crate) process: Process,
}

impl Upstream {
    /// Starts one in a process of its own.
    pub(crate) fn start(bench: &Bench, shape: Shape) -> anyhow::Result<Self> {
        let mut command = bench.command("upstream");
        for (flag, value) in [
            ("--latency-ms", shape.latency_ms),
            ("--places", shape.places as u64),
            ("--answer-bytes", shape.answer_bytes as u64),
        ] {
            command.arg(flag).arg(value.to_string());
        }
        if shape.has_gauges {
            command.arg("--has-gauges");
        }
        let (process, url) = Process::start(&mut command)?;
        Ok(Self { url, process })
    }

    /// Where it listens: host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// What the configuration says of it: a fixed number of requests at a time, or none that is
    /// known.
    pub(crate) fn section(&self, limit: Option<usize>) -> String {
        section(&self.url, limit)
    }
}

/// What the configuration says of an upstream.
pub(crate) fn section(url: &str, limit: Option<usize>) -> String {
    let limit = limit.map(|limit| format!("gauges = false\nlimit = {limit}\n"));
    let limit = limit.unwrap_or_default();
    format!("[[upstreams]]\nurl = \"{url}\"\nmodels = [\"m\"]\n{limit}")
}
