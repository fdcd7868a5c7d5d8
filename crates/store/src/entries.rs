//! Entries of folders that outlive a power failure.
//!
//! A new file or folder is an entry of the folder above it, and only an fsync of that one keeps it:
//! the fsync of what is new keeps its contents alone.

use std::fs::File;
use std::io;
use std::path::Path;

/// Keeps the entries that a folder has at this moment.
///
/// # Errors
///
/// The folder cannot be opened, or the disk did not promise to keep them.
pub(crate) fn keep(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Creates a folder and those above it, as far as they are missing, and keeps the entries of all
/// that are new. That of the folder itself is kept also when it was there: whoever created it may
/// have been killed before it was.
///
/// # Errors
///
/// A folder cannot be created, or the disk did not promise to keep it.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let is_there = path.is_dir();
    let missing = path.ancestors().take_while(|folder| !folder.exists());
    let new = missing.count();
    std::fs::create_dir_all(path)?;
    let path = path.canonicalize()?;
    for folder in path.ancestors().skip(1).take(new.max(1)) {
        match keep(folder) {
            // A folder that may be entered but not listed: nobody can do more for what is in it.
            Err(error) if is_there && error.kind() == io::ErrorKind::PermissionDenied => {}
            kept => kept?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_folders_are_created_and_present_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        create_folder(&path).unwrap();
        std::fs::write(path.join("file"), "bytes").unwrap();
        create_folder(&path).unwrap();
        assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), "bytes");
        let in_a_file = create_folder(&path.join("file/d"));
        assert!(in_a_file.is_err());
    }
}
