//! The folder driver writes a blob beside its place, as `name#1`, and renames it when it is whole.
//! Its listing hides those files, so what a killed process left of them has to be looked for.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Result, error};

/// Deletes every staging file below a folder, and answers how many there were.
pub(super) fn sweep(root: &Path) -> Result<u64> {
    let staged = list(root)?;
    for file in &staged {
        fs::remove_file(file).map_err(error::io)?;
    }
    Ok(staged.len() as u64)
}

/// Every staging file below a folder.
pub(super) fn list(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    let mut staged = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(error::io)? {
            let entry = entry.map_err(error::io)?;
            if entry.file_type().map_err(error::io)?.is_dir() {
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
