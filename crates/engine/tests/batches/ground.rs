//! What clients do and see, straight on a store: batches created, result files read and held
//! against the counts.

use std::collections::BTreeMap;
use std::time::Duration;

use overnight_core::batch::{Batch, BatchSpec, CompletionWindow};
use overnight_core::file::{File, Purpose};
use overnight_core::id::{BatchId, FileId, ProjectId};
use overnight_core::plan::IndexEntry;
use overnight_core::segment::{BlobKey, Extent, LineSet, ResultFile};
use overnight_core::time::Timestamp;
use overnight_store::blobs::ExtentReader;
use overnight_store::store::Content;
use overnight_store::{Blobs, Sqlite, Store};
use serde_json::Value;

/// A batch that a client creates.
pub(crate) struct NewBatch {
    pub(crate) id: BatchId,
    pub(crate) file: FileId,
    pub(crate) blob: BlobKey,
    pub(crate) window: Option<Duration>,
    pub(crate) at: Timestamp,
}

/// Uploads an input file, and creates a batch of it.
pub(crate) async fn create(store: &Sqlite, blobs: &Blobs, new: NewBatch, input: String) {
    let extent = put(store, blobs, (&new.blob, new.at), input).await;
    create_of(store, new, &[extent]).await;
}

/// Uploads bytes that belong to no file yet.
pub(crate) async fn put(
    store: &Sqlite,
    blobs: &Blobs,
    (key, at): (&BlobKey, Timestamp),
    bytes: String,
) -> Extent {
    store.announce(key, at).await.unwrap();
    blobs.put(key, vec![bytes.into()]).await.unwrap()
}

/// Creates a batch of an input file that is made of uploaded bytes.
pub(crate) async fn create_of(store: &Sqlite, new: NewBatch, extents: &[Extent]) {
    let file = File {
        id: new.file,
        project: ProjectId::default_project(),
        purpose: Purpose::Batch,
        filename: "lines.jsonl".to_owned(),
        bytes: extents.iter().map(|extent| extent.length).sum(),
        created_at: new.at,
        expires_at: None,
    };
    store.insert_file(&file, extents).await.unwrap();
    let spec = BatchSpec {
        input_file: file.id,
        endpoint: "/v1/chat/completions".into(),
        window: CompletionWindow {
            text: "24h".into(),
            length: new.window,
        },
        metadata: None,
        output_expires_after: None,
    };
    let batch = Batch::new(new.id, file.project, spec, new.at);
    store.insert_batch(&batch).await.unwrap();
}

/// The result lines of a batch by `custom_id`.
pub(crate) struct Results {
    pub(crate) output: BTreeMap<String, Value>,
    pub(crate) error: BTreeMap<String, Value>,
}

impl Results {
    /// Reads the result files of a batch. No line may be there twice.
    pub(crate) async fn read(store: &Sqlite, blobs: &Blobs, id: &BatchId) -> Self {
        Self {
            output: read(
                store,
                blobs,
                Content::Results(id.clone(), ResultFile::Output),
            )
            .await,
            error: read(
                store,
                blobs,
                Content::Results(id.clone(), ResultFile::Error),
            )
            .await,
        }
    }

    /// Every line is in exactly one file, once; counts and usage are as the files say.
    pub(crate) fn agree_with(&self, batch: &Batch, ids: &[String]) {
        let Self { output, error } = self;
        let unrun = error
            .values()
            .filter(|line| line["error"]["code"] != "request_timeout");
        let unrun = unrun.filter(|line| !line["error"].is_null()).count() as u64;
        assert_eq!(batch.tally.completed, output.len() as u64, "completed");
        assert_eq!(
            batch.tally.failed + unrun,
            error.len() as u64,
            "failed and unrun"
        );
        assert_eq!(batch.tally.unrun, unrun, "unrun");
        let mut found: Vec<&String> = output.keys().chain(error.keys()).collect();
        found.sort_unstable();
        let mut wanted: Vec<&String> = ids.iter().collect();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "every line once");
        let tokens = |line: &Value| line["response"]["body"]["usage"]["total_tokens"].as_u64();
        let usage: u64 = output.values().filter_map(tokens).sum();
        assert_eq!(batch.usage.total_tokens, usage, "usage");
    }
}

/// Each entry of an index leads to the line that it is of, and says how that ended. Of a segment without an
/// index nothing is known.
pub(crate) async fn check_indexes(store: &Sqlite, blobs: &Blobs, id: &BatchId, ids: &[String]) {
    for segment in store.segments(id, None, 100_000).await.unwrap() {
        let Some(index) = &segment.index else {
            continue;
        };
        let index = blobs.read_extent(index).await.unwrap();
        let entries = index.chunks_exact(IndexEntry::SIZE).map(IndexEntry::decode);
        let entries: Vec<IndexEntry> = entries.map(Option::unwrap).collect();
        let named: LineSet = entries.iter().map(|entry| entry.line).collect();
        assert_eq!(named, segment.lines);
        for file in [ResultFile::Output, ResultFile::Error] {
            let of_file = entries.iter().filter(|entry| entry.file == file);
            let Some(start) = of_file.clone().map(|entry| entry.offset).min() else {
                continue;
            };
            let bytes = blobs.read_extent(segment.extent(file).unwrap()).await;
            let bytes = bytes.unwrap();
            let length: u64 = of_file.clone().map(|entry| u64::from(entry.length)).sum();
            assert_eq!(length, bytes.len() as u64);
            for entry in of_file {
                let at = usize::try_from(entry.offset - start).unwrap();
                let line = &bytes[at..at + entry.length as usize];
                check_entry(entry, line, ids);
            }
        }
    }
}

fn check_entry(entry: &IndexEntry, line: &[u8], ids: &[String]) {
    assert_eq!(
        line.iter().position(|byte| *byte == b'\n'),
        Some(line.len() - 1)
    );
    // A large one is not in memory in one piece, and has none.
    assert!(entry.crc32c == 0 || entry.crc32c == crc32c::crc32c(line));
    assert_eq!(
        entry.crc32c == 0,
        line.len() > 64 << 10,
        "{} bytes",
        line.len()
    );
    let line: Value = serde_json::from_slice(line).unwrap();
    let number = entry.line as usize - 1;
    assert_eq!(
        line["custom_id"].as_str(),
        ids.get(number).map(String::as_str)
    );
    let status = line["response"]["status_code"].as_u64();
    assert_eq!(status.unwrap_or(0), u64::from(entry.status));
    let usage = &line["response"]["body"]["usage"];
    let tokens = |name: &str| usage[name].as_u64().unwrap_or(0);
    assert_eq!(tokens("prompt_tokens"), u64::from(entry.input_tokens));
    assert_eq!(tokens("completion_tokens"), u64::from(entry.output_tokens));
}

async fn read(store: &Sqlite, blobs: &Blobs, content: Content) -> BTreeMap<String, Value> {
    let extents = store.extents(&content, 0, 100_000).await.unwrap();
    let mut reader = ExtentReader::new(blobs.clone(), extents, 0..u64::MAX);
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    let mut lines = BTreeMap::new();
    for line in bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let line: Value = serde_json::from_slice(line).unwrap();
        let id = line["custom_id"].as_str().unwrap().to_owned();
        assert!(
            lines.insert(id.clone(), line).is_none(),
            "{id} is there twice"
        );
    }
    lines
}
