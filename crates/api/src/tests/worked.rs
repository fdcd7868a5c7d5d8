//! A batch as the engine leaves it: a real plan, real result lines, real indexes.

use overnight_core::batch::{Event, Lease, Plan, Tally};
use overnight_core::file::{File, Purpose};
use overnight_core::id::FileId;
use overnight_core::input::{Catalog, Checker, InputLimits, Rules};
use overnight_core::outcome::{LineError, LineIds, write_error, write_head, write_tail};
use overnight_core::plan::IndexEntry;
use overnight_core::segment::{BlobKey, Extent, Part, ResultFile, Segment};
use overnight_core::usage::Usage;
use overnight_store::store::Sealing;

use super::*;

/// How a line ends.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// With this text of a model.
    Text(&'static str),
    /// With this status and message.
    Refused(u16, String),
    /// Without an answer.
    Error(LineError),
}

/// A batch in the hands of a worker, which is the test.
pub(super) struct Worked {
    pub(super) id: String,
    pub(super) lease: Lease,
    seq: AtomicU64,
    /// How long the two result files are.
    lengths: [AtomicU64; 2],
}

/// The input of so many lines. Every third `custom_id` is written with an escape.
pub(super) fn input(lines: u32) -> String {
    let line = |line: u32| {
        let id = if line.is_multiple_of(3) {
            format!("\\u0072-{line}")
        } else {
            format!("r-{line}")
        };
        format!(
            "{{\"custom_id\":\"{id}\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\
             \"body\":{{\"model\":\"m\", \"messages\":[],\"seed\":{line}}}}}\n"
        )
    };
    (1..=lines).map(line).collect()
}

impl Worked {
    /// A validated batch over that input.
    pub(super) async fn start(server: &Server, input: &str) -> Self {
        let file = server.upload(input).await;
        let created = server.post("/v1/batches", &creation(&file)).await.json();
        let id = created["id"].as_str().expect("an id").to_owned();
        let claims = server.store.claim(&worker(), 10, server.now()).await;
        let claims = claims.expect("claims");
        let claim = claims.iter().find(|claim| claim.batch.id.as_str() == id);
        let lease = claim.expect("the batch").lease.clone();
        let rules = Rules {
            endpoint: "/v1/chat/completions".into(),
            limits: InputLimits::default(),
            single_model: false,
            catalog: Catalog::Any,
        };
        let mut checker = Checker::new(rules, 1);
        let mut plan = Vec::new();
        checker.push(input.as_bytes(), &mut plan);
        let summary = checker.finish(&mut plan).expect("an input");
        let key = BlobKey::plan(&lease.batch, lease.epoch, 1);
        let entries = server.blobs.put(&key, vec![plan.into()]).await;
        let validated = Event::Validated(Plan {
            entries: entries.expect("a plan"),
            total: summary.total,
            model: summary.model,
        });
        let advanced = server.store.advance(&lease, validated, server.now()).await;
        advanced.expect("a running batch");
        Self {
            id,
            lease,
            seq: AtomicU64::new(0),
            lengths: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    /// Records a segment in which those lines ended.
    pub(super) async fn record(&self, server: &Server, ends: &[(u32, End)]) {
        self.record_with(server, ends, true).await;
    }

    /// The same, with or without an index.
    pub(super) async fn record_with(&self, server: &Server, ends: &[(u32, End)], indexed: bool) {
        let seq = self.seq.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [Vec::new(), Vec::new()];
        let mut index = Vec::new();
        let mut tally = Tally::default();
        for (line, end) in ends {
            let (file, status) = match end {
                End::Text(_) => (ResultFile::Output, 200),
                End::Refused(status, _) => (ResultFile::Error, *status),
                End::Error(_) => (ResultFile::Error, 0),
            };
            match end {
                End::Text(_) => tally.completed += 1,
                End::Refused(..) | End::Error(LineError::RequestTimeout) => tally.failed += 1,
                End::Error(LineError::Cancelled | LineError::Expired) => tally.unrun += 1,
            }
            let which = usize::from(file == ResultFile::Error);
            let start = bytes[which].len();
            write(&mut bytes[which], *line, end);
            let written = &bytes[which][start..];
            IndexEntry {
                line: *line,
                file,
                status,
                attempts: 2,
                milliseconds: 30,
                input_tokens: 4,
                output_tokens: 5,
                offset: self.lengths[which].load(Ordering::Relaxed) + start as u64,
                length: u32::try_from(written.len()).expect("a short line"),
                crc32c: crc32c::crc32c(written),
            }
            .encode(&mut index);
        }
        for (length, bytes) in self.lengths.iter().zip(&bytes) {
            length.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        let [output, error] = bytes;
        let segment = Segment {
            epoch: self.lease.epoch,
            seq,
            output: self.put(server, (seq, Part::Output), output).await,
            error: self.put(server, (seq, Part::Error), error).await,
            index: if indexed {
                self.put(server, (seq, Part::Index), index).await
            } else {
                None
            },
            lines: ends.iter().map(|(line, _)| *line).collect(),
            tally,
            usage: Usage::default(),
        };
        let recorded = server.store.record(&self.lease, &segment).await;
        recorded.expect("a recorded segment");
    }

    async fn put(
        &self,
        server: &Server,
        (seq, part): (u64, Part),
        bytes: Vec<u8>,
    ) -> Option<Extent> {
        if bytes.is_empty() {
            return None;
        }
        let key = BlobKey::segment(&self.lease.batch, self.lease.epoch, seq, part, 1);
        let put = server.blobs.put(&key, vec![bytes.into()]).await;
        Some(put.expect("a blob"))
    }

    /// Ends the batch.
    pub(super) async fn seal(&self, server: &Server) {
        let file = |part: &str| File {
            id: FileId::from(format!("file-{}-{part}", self.id)),
            project: ProjectId::default_project(),
            purpose: Purpose::BatchOutput,
            filename: format!("{part}.jsonl"),
            bytes: 0,
            created_at: server.now(),
            expires_at: None,
        };
        let sealing = Sealing {
            output: file("output"),
            error: file("error"),
        };
        let sealed = server.store.seal(&self.lease, &sealing, server.now()).await;
        sealed.expect("a sealed batch");
    }

    /// What is answered below the batch.
    pub(super) async fn get(&self, server: &Server, below: &str) -> Answer {
        server
            .get(&format!("/v1/batches/{}/{below}", self.id))
            .await
    }
}

fn write(out: &mut Vec<u8>, line: u32, end: &End) {
    let ids = LineIds::new(Timestamp::from_seconds(START), line.into(), line.into());
    let custom_id = format!("\"r-{line}\"");
    match end {
        End::Text(text) => {
            write_head(out, ids, custom_id.as_bytes(), 200);
            let body = serde_json::json!({"choices": [{"message": {"content": text}}]});
            out.extend_from_slice(body.to_string().as_bytes());
            write_tail(out);
        }
        End::Refused(status, message) => {
            write_head(out, ids, custom_id.as_bytes(), *status);
            let body = serde_json::json!({"error": {"message": message, "code": "c"}});
            out.extend_from_slice(body.to_string().as_bytes());
            write_tail(out);
        }
        End::Error(error) => write_error(out, ids, custom_id.as_bytes(), *error),
    }
}
