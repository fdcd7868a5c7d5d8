//! One server, and for each row an upstream that misbehaves.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use overnight_testkit::rogue::{Move, Rogue};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::answers::{answer, well};
use crate::common::{Client, Lines, PATIENCE, count_of, request_line, serve};
use crate::support::TestServer;

/// Lines are few enough for a row to take seconds, and so many that there is always one to compare
/// the bad one with.
const COMPANY: usize = 60;

/// Lines of a batch all of which are treated badly.
const PATIENTS: usize = 10;

/// A misbehaviour.
pub(crate) struct Row {
    /// Its name, which is that of its upstream and its model.
    pub(crate) name: &'static str,
    /// What the upstream does.
    pub(crate) bad: Vec<Move>,
    /// What becomes of one line that is treated so.
    pub(crate) line: Line,
    /// When every line is treated so, what the reason says that the batch waits for; `None` when it
    /// does not wait.
    pub(crate) outage: Option<&'static str>,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It is answered.
    Well,
    /// It ends in the error file with that status, and a body that has that text.
    Ends { status: u64, says: &'static str },
    /// It ends in the error file with the code of a time that ran out.
    TimesOut,
    /// It would never end while it is treated so.
    NotTried,
}

/// A server that waits briefly, and tries little.
pub(crate) struct Stage {
    pub(crate) client: Client,
    _server: TestServer,
    _folder: TempDir,
}

impl Stage {
    /// Starts a server with these upstreams: names, which are those of their models, and URLs.
    pub(crate) fn start(upstreams: &[(String, String)], settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = "attempts_max = 2\n[timeouts]\nconnect = \"3s\"\nhead = \"2s\"\n\
             idle = \"1s\"\n[memory]\nanswer_bytes_max = \"1MiB\"\n"
            .to_owned();
        for (name, url) in upstreams {
            write!(
                config,
                "[[upstreams]]\nname = \"{name}\"\nurl = \"{url}\"\nmodels = [\"{name}\"]\n\
                 limit = 2\ngauges = false\n{settings}"
            )
            .unwrap();
        }
        let server = serve(folder.path(), &config);
        Self {
            client: Client::new(&server.base_url),
            _server: server,
            _folder: folder,
        }
    }

    /// Plays all rows at once, and tells of each that went otherwise than it says.
    pub(crate) fn play(rows: Vec<Row>) {
        let runtime = Runtime::new().unwrap();
        let upstreams: Vec<Upstream> = rows
            .into_iter()
            .map(|row| Upstream::start(row, &runtime))
            .collect();
        let urls: Vec<_> = upstreams.iter().map(Upstream::name_and_url).collect();
        let stage = Self::start(&urls, "");
        thread::scope(|scope| {
            for upstream in &upstreams {
                let client = &stage.client;
                let name = upstream.row.name.to_owned();
                let play = move || upstream.play(client);
                thread::Builder::new()
                    .name(name)
                    .spawn_scoped(scope, play)
                    .unwrap();
            }
        });
    }

    /// Waits for a sentence that says why a batch does not go on.
    pub(crate) fn until_reason(client: &Client, batch: &str, upstream: &str, says: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let progress = client.get(&format!("/v1/batches/{batch}/progress")).json();
            let reason = progress["reason"].as_str().unwrap_or_default();
            if reason.contains(says) && reason.contains(upstream) {
                return reason.to_owned();
            }
            assert!(
                Instant::now() < deadline,
                "{upstream}: no reason with {says:?}: {progress}"
            );
            thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

/// The upstream of a row.
struct Upstream {
    row: Row,
    rogue: Rogue,
    /// Whether every line is treated badly.
    is_bad: Arc<AtomicBool>,
}

impl Upstream {
    fn start(row: Row, runtime: &Runtime) -> Self {
        let is_bad = Arc::new(AtomicBool::new(false));
        let (all, bad) = (Arc::clone(&is_bad), row.bad.clone());
        let rogue = Rogue::start(move |seen| {
            if !seen.path.ends_with("/chat/completions") {
                // It says that it is well: only lines tell otherwise.
                return vec![Move::Send(answer("200 OK", "", b"{}"))];
            }
            let is_marked = String::from_utf8_lossy(&seen.body).contains("\"bad\"");
            if is_marked || all.load(Ordering::SeqCst) {
                bad.clone()
            } else {
                well()
            }
        });
        Self {
            row,
            rogue: runtime.block_on(rogue).unwrap(),
            is_bad,
        }
    }

    fn name_and_url(&self) -> (String, String) {
        let url = format!("http://{}", self.rogue.address());
        (self.row.name.to_owned(), url)
    }

    fn play(&self, client: &Client) {
        let began = Instant::now();
        if self.row.line != Line::NotTried {
            self.play_one_line(client);
        }
        let alone = began.elapsed();
        if let Some(says) = self.row.outage {
            self.play_outage(client, says);
        }
        eprintln!("{}: {alone:?}, {:?} in all", self.row.name, began.elapsed());
    }

    /// One line is treated badly, first of all.
    fn play_one_line(&self, client: &Client) {
        let name = self.row.name;
        let well = Lines::new("well", COMPANY).of_model(name);
        let body = format!(r#"{{"model":"{name}","messages":[],"metadata":{{"bad":"yes"}}}}"#);
        let mut input = request_line("bad-0", &body);
        input.extend(well.bytes());
        let batch = client.until_status(&client.submit(&input), "completed");
        let ended = client.ended(&batch);
        ended.check_each_once(well.ids().chain(["bad-0".to_owned()]));
        if self.row.line == Line::Well {
            assert_eq!(ended.error, [Value::Null; 0], "{name}");
            return;
        }
        assert_eq!(ended.error.len(), 1, "{name}: {:?}", ended.error);
        let bad = &ended.error[0];
        assert_eq!(bad["custom_id"], "bad-0", "{name}: {bad}");
        match self.row.line {
            Line::Ends { status, says } => {
                assert_eq!(bad["response"]["status_code"], status, "{name}: {bad}");
                let message = bad["response"]["body"]["error"]["message"].as_str();
                assert!(message.unwrap().contains(says), "{name}: {bad}");
            }
            Line::TimesOut => assert_eq!(bad["error"]["code"], "request_timeout", "{name}: {bad}"),
            Line::Well | Line::NotTried => {}
        }
    }

    /// Every line is treated badly until the batch has said why it waits.
    fn play_outage(&self, client: &Client, says: &str) {
        let name = self.row.name;
        self.is_bad.store(true, Ordering::SeqCst);
        let lines = Lines::new("patient", PATIENTS).of_model(name);
        let id = client.submit(&lines.bytes());
        let reason = Stage::until_reason(client, &id, name, says);
        let waiting = client.batch(&id);
        for done in ["completed", "failed"] {
            assert_eq!(count_of(&waiting, done), 0, "{name}: {waiting}");
        }
        self.is_bad.store(false, Ordering::SeqCst);
        let batch = client.until_status(&id, "completed");
        let ended = client.ended(&batch);
        ended.check_each_once(lines.ids());
        assert_eq!(ended.error, [Value::Null; 0], "{name} ({reason})");
    }
}
