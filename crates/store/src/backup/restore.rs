//! Brings a backup back.

use std::fs::{self, File};
use std::path::Path;

use super::copy::Copier;
use super::label::{Label, content, hold_still, keep_entries};
use super::{BackupError, Damaged, Result, of, wrong};
use crate::blobs::Blobs;
use crate::folder::DataFolder;
use crate::sqlite::beside;
use crate::sqlite::inspect::Inspector;

/// A data folder that was brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The backup that it was made of.
    pub label: Label,
    /// Blobs that are lost or damaged in the backup, and so are not in the folder.
    pub damaged: Vec<Damaged>,
}

/// Makes a data folder of a backup. The folder must be empty or missing; its database is the last
/// thing that comes into it, so that what was only half brought back cannot be served.
///
/// # Errors
///
/// Every [`BackupError`]; the backup is as it was.
pub async fn restore(from: &Path, to: &Path) -> Result<Restored> {
    let _still = hold_still(from)?;
    let label = Label::read(from)?;
    let is_empty = match fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(BackupError::Io(to.to_owned(), error)),
    };
    if !is_empty {
        let why = "it is not empty; choose another folder, or move it away";
        return Err(wrong(to, why));
    }
    let folder = DataFolder::lock(to)?;
    let staged = folder.path().join("overnight.db.new");
    fs::copy(label.snapshot(from), &staged).map_err(of(&staged))?;
    beside::update(&staged).map_err(BackupError::Database)?;
    let named = Inspector::open(&staged)
        .and_then(|rows| rows.named())
        .map_err(BackupError::Database)?;
    let place =
        |path: &Path| Blobs::folder(path).map_err(|error| BackupError::Blob("".into(), error));
    let (source, target) = (place(&content(from))?, place(&folder.blobs())?);
    let copier = Copier {
        from: &source,
        to: &target,
        alive: &|| Ok(()),
    };
    let copied = copier.copy(&named).await?;
    let file = File::open(&staged).map_err(of(&staged))?;
    file.sync_all().map_err(of(&staged))?;
    fs::rename(&staged, folder.database()).map_err(of(&staged))?;
    keep_entries(folder.path())?;
    Ok(Restored {
        label,
        damaged: copied.damaged,
    })
}
