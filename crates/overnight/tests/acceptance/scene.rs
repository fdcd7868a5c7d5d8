//! A server with the upstreams that a test gives it: simulators in processes of their own, which the
//! test changes while they run.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Client, read_log};
use crate::support::{self, TestServer, TestSim, http};

/// A simulated upstream with a folder of its own.
pub(crate) struct Sim {
    process: TestSim,
    folder: TempDir,
}

/// The counters of a simulator that tests look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stats {
    /// Requests whose head arrived.
    pub(crate) received: u64,
    /// Whole answers.
    pub(crate) answered: u64,
    /// 429s.
    pub(crate) refused: u64,
    /// Requests whose client went before there was an answer.
    pub(crate) gone: u64,
    /// Requests between their head and their end.
    pub(crate) in_flight: u64,
    /// The most of them at a time so far.
    pub(crate) in_flight_peak: u64,
}

impl Sim {
    /// Starts a simulator whose answers all take so many milliseconds, with further flags.
    pub(crate) fn start(latency_ms: u64, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("overnight.toml"),
            "[sim]\njitter = 0.0\n",
        )
        .unwrap();
        let latency = latency_ms.to_string();
        let mut all = vec!["--ttft-ms", latency.as_str(), "--tpot-ms", "0"];
        all.extend(flags);
        let process = TestSim::start(folder.path(), &all);
        Self { process, folder }
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> &str {
        &self.process.url
    }

    /// Its counters now.
    pub(crate) fn stats(&self) -> Stats {
        let stats = http::request(self.url(), "GET", "/sim/stats", &[], b"").json();
        let count = |name: &str| stats[name].as_u64().unwrap();
        Stats {
            received: count("received"),
            answered: count("answered"),
            refused: count("refused"),
            gone: count("gone"),
            in_flight: count("in_flight"),
            in_flight_peak: count("in_flight_peak"),
        }
    }

    /// Changes its slots.
    pub(crate) fn set_slots(&self, slots: u64) {
        self.control("/sim/slots", &json!({ "slots": slots }));
    }

    /// Changes how it behaves, until that is changed again.
    pub(crate) fn set_mode(&self, mode: &str) {
        self.control("/sim/mode", &json!({ "mode": mode }));
    }

    /// Changes how it behaves for a time.
    pub(crate) fn set_mode_for(&self, mode: &str, time: Duration) {
        let for_ms = u64::try_from(time.as_millis()).unwrap();
        self.control("/sim/mode", &json!({ "mode": mode, "for_ms": for_ms }));
    }

    fn control(&self, path: &str, body: &Value) {
        let headers = [("content-type", "application/json")];
        let body = body.to_string();
        let reply = http::request(self.url(), "POST", path, &headers, body.as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// The lines of its request log: one for each request that has ended.
    pub(crate) fn log(&self) -> Vec<Value> {
        read_log(&self.log_path())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("sim.log")
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill9(&mut self) {
        self.process.process().kill9();
    }
}

/// A server that was started with a configuration file.
pub(crate) struct Scene {
    /// The server.
    pub(crate) server: TestServer,
    /// A client of it.
    pub(crate) client: Client,
    _config: TempDir,
}

impl Scene {
    /// Starts a server with this configuration.
    pub(crate) fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("overnight.toml");
        std::fs::write(&path, config).unwrap();
        let path = path.to_str().unwrap().to_owned();
        let server = TestServer::start(|arguments| arguments.extend(["--config".to_owned(), path]));
        Self {
            client: Client::new(&server.base_url),
            server,
            _config: folder,
        }
    }

    /// Starts a server with one upstream that has these further settings.
    pub(crate) fn with_upstream(url: &str, settings: &str) -> Self {
        Self::start(&upstream(url, settings))
    }

    /// Waits until the server knows of a model.
    pub(crate) fn until_served(&self, model: &str) {
        support::until("the model is listed", || {
            let models = self.client.get("/v1/models").json();
            let mut list = models["data"].as_array().unwrap().iter();
            list.any(|served| served["id"] == model)
        });
    }

    /// What a batch says of its progress.
    pub(crate) fn progress(&self, batch: &str) -> Value {
        let reply = self.client.get(&format!("/v1/batches/{batch}/progress"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// Waits until a batch gives a reason for not going on that contains one of these texts.
    pub(crate) fn until_reason(&self, batch: &str, within: Duration, texts: &[&str]) -> String {
        let deadline = Instant::now() + within;
        loop {
            let progress = self.progress(batch);
            let reason = progress["reason"].as_str().unwrap_or_default();
            if texts.iter().any(|text| reason.contains(text)) {
                return reason.to_owned();
            }
            assert!(
                Instant::now() < deadline,
                "no reason with any of {texts:?}: {progress}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The section of an upstream in a configuration.
pub(crate) fn upstream(url: &str, settings: &str) -> String {
    format!("[[upstreams]]\nurl = \"{url}\"\n{settings}\n")
}
