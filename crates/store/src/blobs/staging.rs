//! The folder driver writes a blob beside its place, as `name#1`, and renames it when it is whole.
//! Its listing hides those files, so what a killed process left of them has to be looked for.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Blobs, Result, error};

/// An unfinished write in a shared folder is a dead process's when nobody has written to it for so long.
const STAGING_MAX: Duration = Duration::from_hours(24);

impl Blobs {
    /// The files that unfinished writes left in the folder, which [`Self::sweep_staging`] deletes.
    ///
    /// # Errors
    ///
    /// [`super::BlobError::Unavailable`] when the folder cannot be walked.
    pub async fn staging(&self) -> Result<Vec<PathBuf>> {
        let Some(folders) = self.folders.clone() else {
            return Ok(Vec::new());
        };
        let list = move || list(folders.root());
        self.blocking.run(list).await.map_err(error::io)?
    }

    /// Deletes what unfinished writes of a former process left in the folder, and answers how many
    /// files those were. In a folder of one process ([`Self::folder`]) it is only for whoever holds the
    /// data folder's lock: it does not ask whether a write is still under way. In a shared one it
    /// deletes what nobody has written to for a day, by the clock of the disk: no write rests so long.
    ///
    /// # Errors
    ///
    /// [`super::BlobError::Unavailable`] when the folder cannot be walked or a file cannot be deleted.
    pub async fn sweep_staging(&self) -> Result<u64> {
        match self.folders.clone() {
            Some(folders) => self
                .blocking
                .run(move || {
                    let untouched_for = folders.is_shared().then_some(STAGING_MAX);
                    sweep(folders.root(), untouched_for)
                })
                .await
                .map_err(error::io)?,
            None => Ok(0),
        }
    }
}

/// Deletes the staging files below a folder, and answers how many there were; where other processes write
/// there as well, those that nobody has written to for so long.
fn sweep(root: &Path, untouched_for: Option<Duration>) -> Result<u64> {
    let mut swept = 0;
    let now = untouched_for.map(|_| now_on(root)).transpose()?;
    for file in list(root)? {
        if let (Some(now), Some(age)) = (now, untouched_for) {
            let Some(touched) = if_there(fs::metadata(&file).and_then(|file| file.modified()))?
            else {
                continue;
            };
            if now.duration_since(touched).unwrap_or_default() < age {
                continue;
            }
        }
        swept += u64::from(if_there(fs::remove_file(&file))?.is_some());
    }
    Ok(swept)
}

/// The time on the disk, which may be another machine's: by no other is it told how old a file is.
fn now_on(root: &Path) -> Result<SystemTime> {
    let probe = root.join("clock#1");
    let touched = File::create(&probe).and_then(|mut file| {
        file.write_all(b"now")?;
        file.metadata()?.modified()
    });
    let touched = touched.map_err(error::io)?;
    if_there(fs::remove_file(&probe))?;
    Ok(touched)
}

/// What another process deletes or renames meanwhile is not there.
fn if_there<T>(found: io::Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(other) => Err(error::io(other)),
    }
}

/// Every staging file below a folder.
fn list(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    let mut staged = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(error::io)? {
            let entry = entry.map_err(error::io)?;
            let Some(kind) = if_there(entry.file_type())? else {
                continue;
            };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if is_staging(&entry.file_name().to_string_lossy()) {
                staged.push(entry.path());
            }
        }
    }
    Ok(staged)
}

/// Keys have no `#`, so a name with one, then digits, can only be the driver's.
fn is_staging(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, suffix)| {
        !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit())
    })
}
