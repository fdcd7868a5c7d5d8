//! The state folder of a run: its lock, the input's fingerprint, the database and the plan.

use std::fs;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use overnight_core::batch::{Batch, BatchSpec, CompletionWindow};
use overnight_core::file::{File, Purpose};
use overnight_core::id::{BatchId, FileId, ProjectId};
use overnight_core::segment::{BlobKey, Extent, ResultFile};
use overnight_store::blobs::BlobError;
use overnight_store::blocking::Blocking;
use overnight_store::folder::{DataFolder, FolderError};
use overnight_store::{Blobs, Sqlite, Store as _};

use super::fingerprint::Fingerprint;
use super::paths::Paths;
use crate::config::settings::Settings;
use crate::lines::endpoint::endpoint_of;
use crate::wiring::system;

/// The file of the fingerprint; once it is there, the run has begun.
const FINGERPRINT_FILE: &str = "input.json";

/// How every result line begins.
const LINE_START: &[u8] = br#"{"id":"batch_req_"#;

/// How many segments are asked for at once.
const SEGMENTS_PAGE: usize = 1000;

/// What a run works on.
pub(super) struct State {
    /// The files of the run.
    pub(super) paths: Paths,
    /// The folder, which nobody else uses meanwhile.
    pub(super) folder: Arc<DataFolder>,
    /// The metadata.
    pub(super) store: Sqlite,
    /// The plan, and the mounted input and results.
    pub(super) blobs: Blobs,
    /// The one batch.
    pub(super) batch: BatchId,
}

/// The input as a blob.
fn input_key() -> BlobKey {
    BlobKey::from("mounts/input")
}

/// The results as a blob.
pub(super) fn output_key() -> BlobKey {
    BlobKey::from("mounts/output")
}

/// The results of failed lines as a blob.
pub(super) fn error_key() -> BlobKey {
    BlobKey::from("mounts/error")
}

impl State {
    /// Begins a run, or takes up the one that was begun with the same files. What was written to the
    /// results but not recorded is cut off.
    ///
    /// # Errors
    ///
    /// A sentence that says why this run cannot go on, and what to do.
    pub(super) async fn open(paths: Paths, settings: &Settings) -> anyhow::Result<Self> {
        let now = Fingerprint::of(&paths.input)
            .with_context(|| format!("the input {} cannot be read", paths.input.display()))?;
        if read_fingerprint(&paths)?.is_none() {
            refuse_foreign(&paths)?;
        }
        let folder = lock(&paths)?;
        match read_fingerprint(&paths)? {
            Some(saved) => refuse_changed(&saved, &now, &paths)?,
            None => save_fingerprint(&folder, &now)?,
        }
        let database = folder.database();
        let store = Blocking::Pool
            .run(move || Sqlite::open(&database, Blocking::Pool))
            .await?
            .with_context(|| format!("the database in {} cannot be used", paths.state.display()))?;
        let blobs = Blobs::folder(&folder.blobs())?
            .with_mount(input_key(), &paths.input)?
            .with_appended(output_key(), &paths.output)
            .with_context(|| format!("the output {} cannot be written", paths.output.display()))?
            .with_appended(error_key(), &paths.errors)
            .with_context(|| format!("the output {} cannot be written", paths.errors.display()))?;
        let project = ProjectId::default_project();
        let known = store.batches(&project, None, 1).await?.items.pop();
        let batch = match known {
            Some(batch) => batch.id,
            None => insert_batch(&store, &paths, &now, settings).await?,
        };
        let state = Self {
            paths,
            folder: Arc::new(folder),
            store,
            blobs,
            batch,
        };
        state.blobs.sweep_staging().await?;
        state.cut_tails().await?;
        Ok(state)
    }

    /// The batch as it is recorded.
    pub(super) async fn batch(&self) -> anyhow::Result<Batch> {
        let project = ProjectId::default_project();
        self.store
            .batch(&project, &self.batch)
            .await
            .context("the run's state cannot be read")
    }

    /// Removes the state and the empty results of a run that sent nothing, so that the next one begins anew.
    pub(super) fn forget(&self) -> std::io::Result<()> {
        for path in [&self.paths.output, &self.paths.errors] {
            if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
                fs::remove_file(path)?;
            }
        }
        fs::remove_dir_all(&self.paths.state)
    }

    /// Cuts both results to what is recorded of them: what stands behind that was being written when the
    /// process died, and its lines are run again.
    async fn cut_tails(&self) -> anyhow::Result<()> {
        let (mut output, mut error) = (0, 0);
        let mut after = None;
        loop {
            let page = self
                .store
                .segments(&self.batch, after, SEGMENTS_PAGE)
                .await?;
            let Some(last) = page.last() else { break };
            after = Some((last.epoch, last.seq));
            for segment in &page {
                let end = |file| {
                    segment
                        .extent(file)
                        .map_or(0, |run| run.offset + run.length)
                };
                output = end(ResultFile::Output).max(output);
                error = end(ResultFile::Error).max(error);
            }
        }
        self.cut(&output_key(), &self.paths.output, output).await?;
        self.cut(&error_key(), &self.paths.errors, error).await
    }

    async fn cut(&self, key: &BlobKey, path: &Path, length: u64) -> anyhow::Result<()> {
        if !is_own_tail(path, length)? {
            bail!(
                "{} holds something else behind the {length} bytes that this run has recorded in it: it \
                 was changed. Move it away, or delete {} and begin anew with another output",
                path.display(),
                self.paths.state.display(),
            );
        }
        match self.blobs.truncate(key, length).await {
            Ok(()) => Ok(()),
            Err(BlobError::Corrupt(_)) => bail!(
                "{} is shorter than what this run has recorded in it ({length} bytes): it was changed. \
                 Restore it, or delete {} and the results to begin anew",
                path.display(),
                self.paths.state.display(),
            ),
            Err(error) => {
                Err(error).with_context(|| format!("{} cannot be written", path.display()))
            }
        }
    }
}

/// Whether what stands behind the recorded results can be a piece of a result line of ours, or nothing.
fn is_own_tail(path: &Path, recorded: u64) -> anyhow::Result<bool> {
    let mut begin = Vec::new();
    let mut file =
        fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    file.seek(SeekFrom::Start(recorded))?;
    file.take(LINE_START.len() as u64).read_to_end(&mut begin)?;
    // Bytes that were still on their way when the machine lost its power may be read as zeros.
    while begin.pop_if(|byte| *byte == 0).is_some() {}
    Ok(LINE_START.starts_with(&begin))
}

fn lock(paths: &Paths) -> anyhow::Result<DataFolder> {
    DataFolder::lock(&paths.state).map_err(|error| match error {
        FolderError::AlreadyInUse { pid } => {
            let pid = pid
                .map(|pid| format!(" (process {pid})"))
                .unwrap_or_default();
            anyhow::anyhow!(
                "another run{pid} is writing {} right now",
                paths.output.display()
            )
        }
        other @ (FolderError::Network { .. } | FolderError::Unavailable(_)) => {
            anyhow::Error::new(other).context(format!(
                "the state folder {} cannot be used",
                paths.state.display()
            ))
        }
    })
}

fn read_fingerprint(paths: &Paths) -> anyhow::Result<Option<Fingerprint>> {
    let path = paths.state.join(FINGERPRINT_FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            Ok(Some(serde_json::from_slice(&bytes).with_context(|| {
                format!("{} is damaged", path.display())
            })?))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// Writes the fingerprint whole, or not at all.
fn save_fingerprint(folder: &DataFolder, fingerprint: &Fingerprint) -> anyhow::Result<()> {
    let (path, staged) = (
        folder.path().join(FINGERPRINT_FILE),
        folder.path().join("input.json.new"),
    );
    let mut file = fs::File::create(&staged)?;
    file.write_all(&serde_json::to_vec(fingerprint)?)?;
    file.sync_all()?;
    fs::rename(&staged, &path)?;
    fs::File::open(folder.path())?.sync_all()?;
    Ok(())
}

fn refuse_changed(saved: &Fingerprint, now: &Fingerprint, paths: &Paths) -> anyhow::Result<()> {
    if let Some(difference) = saved.difference(now) {
        bail!(
            "the input {} was changed since this run began: it {difference}. Results of the old and \
             the new lines would be mixed. Restore the input, choose another output, or delete {} and \
             the results to begin anew",
            paths.input.display(),
            paths.state.display(),
        );
    }
    Ok(())
}

/// Refuses to append to results that this run did not begin.
fn refuse_foreign(paths: &Paths) -> anyhow::Result<()> {
    for path in [&paths.output, &paths.errors] {
        if fs::metadata(path).is_ok_and(|file| file.len() > 0) {
            bail!(
                "{} is there already, but {} is not, so nothing is known of how it came about. Choose \
                 another output, or move the file away",
                path.display(),
                paths.state.display(),
            );
        }
    }
    Ok(())
}

async fn insert_batch(
    store: &Sqlite,
    paths: &Paths,
    input: &Fingerprint,
    settings: &Settings,
) -> anyhow::Result<BatchId> {
    let (at, entropy) = (system::clock().now(), system::entropy()?);
    let project = ProjectId::default_project();
    let name = paths
        .input
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let file = File {
        id: FileId::new(at, entropy.draw()),
        project: project.clone(),
        purpose: Purpose::Batch,
        filename: name,
        bytes: input.bytes,
        created_at: at,
        expires_at: None,
    };
    // The whole file is never hashed: each line has a checksum of its own in the plan.
    let whole = Extent {
        blob: input_key(),
        offset: 0,
        length: input.bytes,
        checksum: 0,
    };
    store.insert_file(&file, &[whole]).await?;
    let endpoint = endpoint_of(&paths.input, settings.limits.line_bytes_max.0)
        .with_context(|| format!("the input {} cannot be read", paths.input.display()))?;
    let spec = BatchSpec {
        input_file: file.id,
        endpoint,
        window: CompletionWindow {
            text: "none".into(),
            length: None,
        },
        metadata: None,
        output_expires_after: None,
    };
    let batch = Batch::new(BatchId::new(at, entropy.draw()), project, spec, at);
    store.insert_batch(&batch).await?;
    Ok(batch.id)
}
