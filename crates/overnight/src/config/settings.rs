//! Everything that can be set, with its meaning and its default.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::bucket::BlobsUrl;
use super::keys::Keys;
use super::postgres::{PostgresSection, StoreUrl};
use super::role::ProcessRole;
use super::setting::{quote, section, value};
use super::sim::SimSection;
use super::traces::TracesSection;
use super::units::{Size, Span};
use super::upstreams::Upstreams;

section! {
    /// The whole configuration.
    Settings {
        /// The address that the server listens on. Port 0 picks a free one, which is printed. An address that is
        /// not loopback needs API keys, or `no_auth`.
        listen: String = "127.0.0.1:8080".to_owned();
        /// Serves without API keys on an address that other machines reach.
        no_auth: bool = false;
        /// An address that serves `/metrics` alone (with `/health` and `/ready`), without a key; none when it is
        /// not set.
        metrics_listen: Option<String> = None;
        /// What the process does: `all`, or one part of it, where several processes use one database (`store`): `api`
        /// serves clients, `worker` runs batches and serves probes and metrics alone.
        role: ProcessRole = ProcessRole::All;
        /// The folder that everything is kept in. It is made when it is not there. One process at a time uses it,
        /// unless `store` is set: then all processes on that database use one folder.
        data: PathBuf = PathBuf::from("./overnight-data");
        /// The URL of a PostgreSQL database that is used in the place of the one in the folder:
        /// `postgres://user:password@host:5432/name`. Files and results stay in the folder, unless `blobs` is set.
        store: Option<StoreUrl> = None;
        /// The URL of a bucket that files and results are kept in in the place of the folder: `s3://bucket/prefix`,
        /// `gs://bucket/prefix` or `az://container/prefix`. It goes with `store`; then nothing is kept on this machine.
        /// Where it is and who asks is in variables of the environment: `AWS_*`, `GOOGLE_*` or `AZURE_*`.
        blobs: Option<BlobsUrl> = None;
        /// The completion windows that a batch may ask for.
        windows: Words = Words::of(&["24h"]);
        /// Endpoints that a batch may use besides those of the Batch API, such as `/v1/rerank`.
        endpoints: Words = Words::default();
        /// How often a line is tried when its failures are its own.
        attempts_max: u8 = 5;
        /// The value of the `openai-organization` header of every answer.
        organization: String = "overnight".to_owned();
        /// The value of the `openai-project` header of every answer; the project of the key when it is not set.
        project: Option<String> = None;
        /// What is logged, and how.
        log: LogSection = LogSection::default();
        /// What files, batches and lines may hold, and how much may be asked at a time.
        limits: LimitsSection = LimitsSection::default();
        /// How long what is in flight may go on.
        grace: GraceSection = GraceSection::default();
        /// How long an upstream or a client may take.
        timeouts: TimeoutsSection = TimeoutsSection::default();
        /// How much memory answers may take.
        memory: MemorySection = MemorySection::default();
        /// How long things are kept.
        retention: RetentionSection = RetentionSection::default();
        /// The disk of the data folder.
        disk: DiskSection = DiskSection::default();
        /// When results are written.
        flush: FlushSection = FlushSection::default();
        /// Where traces are sent.
        traces: TracesSection = TracesSection::default();
        /// How the PostgreSQL database that `store` names is used.
        postgres: PostgresSection = PostgresSection::default();
        /// The inference servers that lines are sent to.
        upstreams: Upstreams = Upstreams::default();
        /// The API keys. When there are any, every request but those to `/health` and `/ready` needs one.
        keys: Keys = Keys::default();
        /// The simulator that the upstream `sim` starts inside the process.
        sim: SimSection = SimSection::default();
    }
}

section! {
    /// What is logged, and how.
    LogSection {
        /// How log lines look on stderr: `text` or `json`.
        format: LogFormat = LogFormat::Text;
        /// The least level that is logged: `error`, `warn`, `info`, `debug` or `trace`. Filters by module, such as
        /// `info,overnight_engine=debug`, are understood as well.
        level: String = "info".to_owned();
    }
}

section! {
    /// What files, batches and lines may hold, and how much may be asked at a time.
    LimitsSection {
        /// The most lines of a batch; 0 for no bound.
        lines_max: u64 = 50_000;
        /// The largest input file of a batch; 0 for no bound.
        file_bytes_max: Size = Size::mib(200);
        /// The largest file that is uploaded in one request; 0 for no bound.
        upload_bytes_max: Size = Size::mib(512);
        /// The largest file that is uploaded in parts; 0 for no bound.
        multipart_bytes_max: Size = Size::mib(8 * 1024);
        /// The largest part of a file that is uploaded in parts; 0 for no bound.
        part_bytes_max: Size = Size::mib(64);
        /// The most inputs of all lines of a batch of embeddings together; 0 for no bound.
        embedding_inputs_max: u64 = 50_000;
        /// The longest line, from 1KiB to 2GiB.
        line_bytes_max: Size = Size::mib(64);
        /// The most different models of one batch.
        models_max: u32 = 1024;
        /// Refuses a batch whose lines name different models.
        single_model: bool = false;
        /// The most connections of clients. When there are as many, the one that has been without a request for
        /// longest is closed for the next.
        connections_max: u32 = 4096;
        /// The most connections of clients at one address; 0 for no bound of its own. Behind a proxy all clients are
        /// at one address.
        connections_per_client_max: u32 = 0;
        /// The largest head of a request, from 4KiB to 1MiB. A connection holds up to twice as much in each direction.
        head_bytes_max: Size = Size::kib(64);
        /// The most headers of a request, up to 10,000.
        headers_max: u32 = 100;
        /// The most requests that are worked on at a time, besides uploads and downloads; more wait.
        requests_max: u32 = 256;
        /// The most files and parts that are received at a time; more wait.
        uploads_max: u32 = 64;
        /// The most downloads at a time; more wait.
        downloads_max: u32 = 256;
        /// The most streams of events (`GET /v1/events`) at a time; more are turned away with 503.
        streams_max: u32 = 64;
    }
}

section! {
    /// How long what is in flight may go on.
    GraceSection {
        /// How long what is in flight may go on after its batch was cancelled.
        cancel: Span = Span::seconds(10);
        /// How long what is in flight may go on after the deadline of its batch.
        expiry: Span = Span::seconds(60);
        /// How long what is in flight may go on after the process was told to stop.
        shutdown: Span = Span::seconds(25);
    }
}

section! {
    /// How long an upstream or a client may take.
    TimeoutsSection {
        /// How long connecting to an upstream may take.
        connect: Span = Span::seconds(10);
        /// How long an upstream may take from the last byte of a request to the head of its answer. Generating a
        /// long text takes long.
        head: Span = Span::hours(1);
        /// How long an upstream may be silent within the body of an answer.
        idle: Span = Span::seconds(60);
        /// How long a client may take to connect and send the head of a request.
        client_head: Span = Span::seconds(30);
        /// How long a client may take for a JSON body, and for each 16 KiB of a file. So long do requests wait that
        /// are beyond `limits.requests_max`, `limits.uploads_max` or `limits.downloads_max`.
        client_body: Span = Span::seconds(60);
        /// How long a connection is kept on which a client sends no further request.
        client_idle: Span = Span::seconds(60);
        /// How long a client may take none of the answer.
        client_read: Span = Span::seconds(300);
    }
}

section! {
    /// How much memory answers may take.
    MemorySection {
        /// How much of all answers together is in memory, beyond the first 64 KiB of each; what does not fit goes
        /// to a temporary file.
        answers: Size = Size::mib(64);
        /// The largest answer; the line whose answer is larger fails.
        answer_bytes_max: Size = Size::mib(64);
    }
}

section! {
    /// How long things are kept.
    RetentionSection {
        /// How long uploaded input files (purpose `batch`) are kept when the upload does not say; 0 for ever.
        files: Span = Span::days(30);
        /// How long a file that is uploaded in parts may take from the first request to the last; then its parts are
        /// deleted.
        uploads: Span = Span::hours(1);
        /// How long output and error files are kept when the batch does not say; 0 for ever.
        results: Span = Span::days(30);
        /// How long an ended batch is remembered once its result files are gone.
        batches: Span = Span::days(30);
    }
}

section! {
    /// The disk of the data folder.
    DiskSection {
        /// The free bytes below which uploads are refused and no more lines are sent.
        reserve: Size = Size::mib(256);
    }
}

section! {
    /// When results are written.
    FlushSection {
        /// The age of the oldest unrecorded result at which a flush begins; with a bucket two seconds at least.
        age: Span = Span::millis(500);
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The word in the configuration.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

value!(LogFormat, "`text` or `json`", |format: &LogFormat| quote(
    format.as_str()
));
value!(Words, "list of texts", |words: &Words| {
    format!(
        "[{}]",
        words
            .0
            .iter()
            .map(|word| quote(word))
            .collect::<Vec<_>>()
            .join(", ")
    )
});

/// A list of texts; one text with commas between them, as a variable has it, is understood as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl Words {
    fn of(words: &[&str]) -> Self {
        Self(words.iter().map(|word| (*word).to_owned()).collect())
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Words, E> {
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        Ok(Words(words.map(str::to_owned).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = list.next_element()? {
            words.push(word);
        }
        Ok(Words(words))
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(WordsVisitor)
    }
}
