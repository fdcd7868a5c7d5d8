//! The folders that blobs lie in: there for good before a blob is, and gone with the last of them.
//! Those right below the root stay: there are few, and to keep a new one costs two fsyncs.
//!
//! The driver keeps the entry of a folder that it creates itself, but believes in one that it finds.
//! What it finds may have been created a moment ago by another write, which has not come to its
//! fsync, or by a process that was killed before it. So folders are created here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use super::local::Local;
use super::verified::Verified;
use super::{Blobs, Result, error};
use crate::blocking::Blocking;
use crate::entries;

impl Blobs {
    /// Keeps blobs as files of that folder, which is created when it is missing.
    ///
    /// # Errors
    ///
    /// [`super::BlobError::Unavailable`] when the folder cannot be created or entered,
    /// [`super::BlobError::NotDurable`] when the disk did not promise to keep it.
    pub fn folder(path: &Path) -> Result<Self> {
        Self::folder_on(path, Blocking::Pool)
    }

    /// The same for a folder that other processes use as well: what they are writing is left alone, and
    /// so are folders below it that happen to be empty.
    ///
    /// # Errors
    ///
    /// As [`Self::folder`].
    pub fn shared_folder(path: &Path) -> Result<Self> {
        Self::place(path, Blocking::Pool, Folders::shared)
    }

    /// The same, its work being done as told.
    ///
    /// # Errors
    ///
    /// As [`Self::folder`].
    pub fn folder_on(path: &Path, blocking: Blocking) -> Result<Self> {
        Self::place(path, blocking, Folders::new)
    }

    fn place(path: &Path, blocking: Blocking, folders: fn(&Path) -> Arc<Folders>) -> Result<Self> {
        entries::create_folder(path).map_err(error::io)?;
        let root = path.canonicalize().map_err(error::io)?;
        let folders = folders(&root);
        let place = |fsync: bool| -> Result<Arc<dyn ObjectStore>> {
            let driver = LocalFileSystem::new_with_prefix(&root).map_err(error::object)?;
            let driver = driver.with_fsync(fsync);
            Ok(Arc::new(Local::new(driver, Arc::clone(&folders), blocking)))
        };
        Ok(Self {
            durable: place(true)?,
            relaxed: place(false)?,
            folders: Some(folders),
            is_remote: false,
            mounts: BTreeMap::new(),
            blocking,
            verified: Verified::default(),
            #[cfg(any(test, feature = "conformance"))]
            faults: None,
        })
    }
}

/// The folders below a root whose own entry is kept.
pub(super) struct Folders {
    root: PathBuf,
    usage: Use,
    state: Mutex<State>,
}

/// Who else creates and removes folders there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Alone,
    Shared,
}

#[derive(Default)]
struct State {
    /// Those whose entry, and the entries of all above them, are known to be kept.
    kept: BTreeSet<PathBuf>,
    /// How many writes are under way in a folder or below it.
    busy: BTreeMap<PathBuf, usize>,
}

/// A write under way: its folder stays.
pub(super) struct Held {
    folders: Arc<Folders>,
    folder: PathBuf,
}

impl Folders {
    /// Of one process.
    pub(super) fn new(root: &Path) -> Arc<Self> {
        Self::below(root, Use::Alone)
    }

    /// Of several processes: what another one knows to be kept must stay.
    pub(super) fn shared(root: &Path) -> Arc<Self> {
        Self::below(root, Use::Shared)
    }

    fn below(root: &Path, usage: Use) -> Arc<Self> {
        let (root, state) = (root.to_owned(), Mutex::default());
        Arc::new(Self { root, usage, state })
    }

    pub(super) fn is_shared(&self) -> bool {
        self.usage == Use::Shared
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Holds the folder of a file. Whoever is told that it is not known to be kept has to call
    /// [`Held::keep`] before a blob can be.
    pub(super) fn hold(self: &Arc<Self>, file: &Path) -> (Held, bool) {
        let folder = file.parent().unwrap_or(&self.root).to_owned();
        let mut state = self.state();
        for above in self.up(&folder) {
            *state.busy.entry(above.to_owned()).or_default() += 1;
        }
        let is_kept = folder == self.root || state.kept.contains(&folder);
        let folders = Arc::clone(self);
        (Held { folders, folder }, is_kept)
    }

    /// Removes the folder of a deleted file and those above it, as far as they are empty, not right
    /// below the root, and nobody is about to write there. What others are about to do nobody knows:
    /// folders of a shared root stay.
    pub(super) fn tidy(&self, file: &Path) {
        if self.is_shared() {
            return;
        }
        let folder = file.parent().unwrap_or(&self.root);
        let mut state = self.state();
        for above in self.up(folder) {
            let stays = above.parent() == Some(&*self.root) || state.busy.contains_key(above);
            if stays || fs::remove_dir(above).is_err() {
                return;
            }
            state.kept.remove(above);
        }
    }

    /// Keeps the deletions of files: the nearest folder above each that is still there is told to
    /// keep its entries.
    pub(super) fn keep_deletions<'a>(
        &self,
        files: impl IntoIterator<Item = &'a Path>,
    ) -> io::Result<()> {
        let there = files.into_iter().filter_map(|file| {
            let mut above = file.ancestors().skip(1);
            above.find(|folder| folder.is_dir())
        });
        let there: BTreeSet<&Path> = there.collect();
        for folder in there {
            match entries::keep(folder) {
                // It was removed with what was in it: the folder above it knows.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    entries::keep(&self.root)?;
                }
                kept => kept?,
            }
        }
        Ok(())
    }

    /// A folder and those above it, below the root.
    fn up<'a>(&self, folder: &'a Path) -> impl Iterator<Item = &'a Path> + use<'a> {
        let below = folder
            .strip_prefix(&self.root)
            .map_or(0, |rest| rest.components().count());
        folder.ancestors().take(below)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held has left whole sets.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Creates what is missing of the folder, and keeps the entries that lead to it.
    pub(super) fn keep(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let up: Vec<&Path> = self.folders.up(&self.folder).collect();
        let known = self.folders.state().kept.clone();
        for folder in up.iter().take_while(|folder| !known.contains(**folder)) {
            entries::keep(folder.parent().unwrap_or_else(|| self.folders.root()))?;
        }
        let up = up.into_iter().map(Path::to_owned);
        self.folders.state().kept.extend(up);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.folders.state();
        for above in self.folders.up(&self.folder) {
            if let Some(writes) = state.busy.get_mut(above) {
                *writes -= 1;
                if *writes == 0 {
                    state.busy.remove(above);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stays_while_somebody_writes_and_goes_with_its_last_file() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::new(root.path());
        let file = root.path().join("segments/b/1/a");
        let (held, is_kept) = folders.hold(&file);
        assert!(!is_kept);
        held.keep().unwrap();
        assert!(folders.hold(&file).1, "it is known from then on");
        assert!(!folders.hold(&root.path().join("segments/c/a")).1);
        folders.tidy(&file);
        assert!(file.parent().unwrap().is_dir(), "a write is under way");
        drop(held);
        folders.tidy(&file);
        assert!(!root.path().join("segments/b").exists());
        assert!(!folders.hold(&file).1, "what is gone is not kept");
        assert!(
            folders.hold(&root.path().join("segments/a")).1,
            "this stays"
        );
        assert!(root.path().join("segments").is_dir());
        assert!(folders.hold(&root.path().join("a")).1, "the root is kept");
    }
}
