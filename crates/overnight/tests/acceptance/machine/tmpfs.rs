//! A small disk in memory.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own, until the value is dropped.
pub(super) struct Tmpfs {
    path: PathBuf,
}

impl Tmpfs {
    /// Mounts a disk of so many bytes on a folder.
    pub(super) fn mount(path: &Path, bytes: u64) -> Self {
        let options = format!("size={bytes}");
        let path = path.to_owned();
        command("mount", &["-t", "tmpfs", "-o", &options, "tmpfs"], &path);
        Self { path }
    }

    /// Lets nobody write to it any more, or lets them again.
    pub(super) fn set_read_only(&self, is_read_only: bool) {
        let how = if is_read_only { "ro" } else { "rw" };
        command("mount", &["-o", &format!("remount,{how}")], &self.path);
    }

    /// Fills it up, but for so many bytes.
    pub(super) fn fill(&self, but: u64) {
        let mut filler = File::create(self.filler()).unwrap();
        for size in [1 << 20, 4 << 10] {
            let bytes = vec![b'x'; size];
            loop {
                match filler.write_all(&bytes) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        let length = filler.metadata().unwrap().len();
        filler.set_len(length.saturating_sub(but)).unwrap();
    }

    /// Makes room again.
    pub(super) fn make_room(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there keeps it until then.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn command(name: &str, arguments: &[&str], path: &Path) {
    let output = Command::new(name).args(arguments).arg(path).output();
    let output = output.unwrap_or_else(|error| panic!("{name} cannot be run: {error}"));
    assert!(
        output.status.success(),
        "{name} {arguments:?} needs root, and the right to mount: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
