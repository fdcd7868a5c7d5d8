//! The data folder: of one process, locked for life and on a disk of this machine; or shared by all
//! processes whose metadata is in one database on a server.
//!
//! The lock of a single process takes the place of leases: whoever holds it knows that nobody else runs a
//! batch, so what a former process held is free. On a network file system that promise does not
//! hold (locks may be local, or lost with a connection; SQLite's shared memory does not work), so such a
//! folder is refused. Processes that share a folder have leases, and need no such promise.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statvfs};
use thiserror::Error;

use crate::entries;

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Another process uses it: stop that one first, or name another folder.
    #[error("the data folder is in use by another process{}", named(*pid))]
    AlreadyInUse {
        /// That process, if it has told.
        pid: Option<u32>,
    },
    /// It lies on another machine's disk: name a folder on a disk of this one.
    #[error("the data folder is on a network file system ({kind})")]
    Network {
        /// The kind of file system.
        kind: String,
    },
    /// It cannot be created, opened or written.
    #[error("the data folder cannot be used")]
    Unavailable(#[from] io::Error),
}

fn named(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" ({pid})")).unwrap_or_default()
}

/// A data folder that this process uses, until the value is dropped or the process ends.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Held open for the lock on it. The kernel lets go of it however the process ends.
    _lock: File,
}

impl DataFolder {
    /// Takes the folder, which is created when it is missing, and writes this process's number into
    /// its file `lock`.
    ///
    /// # Errors
    ///
    /// Every [`FolderError`].
    pub fn lock(path: &Path) -> Result<Self, FolderError> {
        entries::create_folder(path)?;
        let path = path.canonicalize()?;
        if let Some(kind) = network(&path)? {
            return Err(FolderError::Network { kind });
        }
        let mut lock = lock_file(&path)?;
        take(&mut lock, FlockOperation::NonBlockingLockExclusive)?;
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self { path, _lock: lock })
    }

    /// Takes the folder, which is created when it is missing, together with other processes whose
    /// metadata is in the same database on a server. They may be on other machines, with the folder on a
    /// network file system: nothing but the database says then who may do what, and the lock only keeps
    /// out who would have the folder alone.
    ///
    /// # Errors
    ///
    /// [`FolderError::AlreadyInUse`] or [`FolderError::Unavailable`].
    pub fn share(path: &Path) -> Result<Self, FolderError> {
        entries::create_folder(path)?;
        let path = path.canonicalize()?;
        let mut lock = lock_file(&path)?;
        match take(&mut lock, FlockOperation::NonBlockingLockShared) {
            // Who would have the folder alone is refused on a network file system anyway.
            Err(FolderError::Unavailable(_)) if network(&path)?.is_some() => {}
            taken => taken?,
        }
        // Who is refused must not be told of a process that is gone.
        lock.set_len(0)?;
        Ok(Self { path, _lock: lock })
    }

    /// Takes a folder that is there, and writes nothing into it: for whoever only looks at it while
    /// nobody uses it.
    ///
    /// # Errors
    ///
    /// [`FolderError::AlreadyInUse`], or [`FolderError::Unavailable`] when there is no such folder.
    pub fn visit(path: &Path) -> Result<Self, FolderError> {
        let path = path.canonicalize()?;
        let lock = path.join("lock");
        // A folder that nobody has served yet has no such file: then it is locked itself.
        let mut lock = File::open(if lock.exists() { &lock } else { &path })?;
        take(&mut lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { path, _lock: lock })
    }

    /// Whether its blobs are those of the installation of that name, whose metadata is elsewhere. A folder
    /// without blobs that belongs to nobody is the installation's from then on.
    ///
    /// # Errors
    ///
    /// What it belongs to cannot be read, or cannot be noted for good.
    pub fn belongs_to(&self, installation: &str) -> io::Result<bool> {
        let mark = self.path.join("installation");
        if let Some(found) = read_if_there(&mark)? {
            return Ok(found.trim() == installation);
        }
        if self.has_blobs() {
            return Ok(false);
        }
        // Given its name when it is whole: half a name would be another's. Processes of one installation
        // write the same bytes to one file; one of another has another file, and of two that come at
        // once one gives it the name.
        let unfinished = self.path.join(format!("installation-{installation}#1"));
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(&unfinished)?;
        writeln!(file, "{installation}")?;
        file.sync_all()?;
        match fs::hard_link(&unfinished, &mark) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // Another process has done so, and let go of the file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        entries::keep(&self.path)?;
        let found = read_if_there(&mark)?;
        Ok(found.is_some_and(|found| found.trim() == installation))
    }

    /// Whether there are any blobs. Folders for them stay when they are empty.
    #[must_use]
    pub fn has_blobs(&self) -> bool {
        has_file(&self.blobs())
    }

    /// The folder, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the database is.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("overnight.db")
    }

    /// The folder of the blobs.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    /// How many bytes the disk has left for this process.
    ///
    /// # Errors
    ///
    /// The folder is gone, or its disk does not answer.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let disk = statvfs(&self.path)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

fn lock_file(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(folder.join("lock"))
}

/// The text of a file, if there is one.
fn read_if_there(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there is a file somewhere below, or what cannot be looked into.
fn has_file(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return folder.exists();
    };
    let is_file = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => has_file(&entry.path()),
            Ok(_) | Err(_) => true,
        })
    };
    entries.into_iter().any(is_file)
}

fn take(lock: &mut File, how: FlockOperation) -> Result<(), FolderError> {
    match flock(&*lock, how) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let pid = holder(lock);
            Err(FolderError::AlreadyInUse { pid })
        }
        Err(error) => Err(FolderError::Unavailable(error.into())),
    }
}

fn holder(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// The kind of network file system that a folder is on, if it is on one.
#[cfg(target_os = "linux")]
fn network(path: &Path) -> io::Result<Option<String>> {
    let magic = u32::try_from(rustix::fs::statfs(path)?.f_type & 0xffff_ffff).unwrap_or_default();
    let known = mounts::NETWORK.iter().find(|(number, _)| *number == magic);
    if let Some((_, name)) = known {
        return Ok(Some((*name).to_owned()));
    }
    if magic != mounts::FUSE {
        return Ok(None);
    }
    // FUSE serves local disks as well: the mount table tells which program is behind it.
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Ok(mounts::kind(&table, path)
        .filter(|kind| mounts::is_remote(kind))
        .map(str::to_owned))
}

/// Elsewhere nobody can tell.
#[cfg(not(target_os = "linux"))]
fn network(_path: &Path) -> io::Result<Option<String>> {
    Ok(None)
}

#[cfg(target_os = "linux")]
mod mounts {
    use std::path::Path;

    /// File systems whose disk is elsewhere, by the number that the kernel gives them.
    pub(super) const NETWORK: [(u32, &str); 9] = [
        (0x0000_6969, "nfs"),
        (0x0000_517b, "smb"),
        (0xfe53_4d42, "smb2"),
        (0xff53_4d42, "cifs"),
        (0x00c3_6400, "ceph"),
        (0x0bd0_0bd0, "lustre"),
        (0x5346_414f, "afs"),
        (0x7375_7245, "coda"),
        (0x0102_1997, "9p"),
    ];

    /// The number of every file system that a program serves.
    pub(super) const FUSE: u32 = 0x6573_5546;

    /// Programs that serve another machine's disk.
    const REMOTE: [&str; 10] = [
        "sshfs",
        "s3fs",
        "rclone",
        "gcsfuse",
        "glusterfs",
        "goofys",
        "mount-s3",
        "davfs",
        "blobfuse2",
        "juicefs",
    ];

    pub(super) fn is_remote(kind: &str) -> bool {
        REMOTE
            .iter()
            .any(|program| kind.strip_prefix("fuse.") == Some(program))
    }

    /// The kind of the file system that holds the path: that of the longest mount point above it.
    ///
    /// A line reads `36 35 98:0 /root /mount/point options [fields] - kind source options`.
    pub(super) fn kind<'a>(table: &'a str, path: &Path) -> Option<&'a str> {
        table
            .lines()
            .filter_map(|line| {
                let (mount, rest) = line.split_once(" - ")?;
                Some((Path::new(mount.split(' ').nth(4)?), rest.split(' ').next()?))
            })
            .filter(|(point, _)| path.starts_with(point))
            .max_by_key(|(point, _)| point.components().count())
            .map(|(_, kind)| kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_refused_while_somebody_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let held = DataFolder::lock(folder.path()).unwrap();
        let refused = DataFolder::lock(folder.path()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "the data folder is in use by another process ({})",
                std::process::id()
            ),
        );
        drop(held);
        assert!(DataFolder::lock(folder.path()).is_ok());
    }

    #[test]
    fn processes_on_one_database_share_a_folder_and_keep_everybody_else_out() {
        let folder = tempfile::tempdir().unwrap();
        let alone = DataFolder::lock(folder.path()).unwrap();
        assert!(DataFolder::share(folder.path()).is_err());
        drop(alone);
        let (one, other) = (
            DataFolder::share(folder.path()).unwrap(),
            DataFolder::share(folder.path()).unwrap(),
        );
        for refused in [
            DataFolder::lock(folder.path()),
            DataFolder::visit(folder.path()),
        ] {
            let text = refused.unwrap_err().to_string();
            assert_eq!(text, "the data folder is in use by another process");
        }
        assert!(one.belongs_to("here").unwrap());
        assert!(other.belongs_to("here").unwrap());
        assert!(!other.belongs_to("elsewhere").unwrap());
    }

    #[test]
    fn of_two_databases_that_come_at_once_one_gets_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::share(folder.path()).unwrap();
        let claims: Vec<bool> = std::thread::scope(|scope| {
            let claim = |n: usize| data.belongs_to(["one", "two"][n % 2]).unwrap();
            let claims: Vec<_> = (0..8).map(|n| scope.spawn(move || claim(n))).collect();
            claims
                .into_iter()
                .map(|claim| claim.join().unwrap())
                .collect()
        });
        let owner = data.belongs_to("one").unwrap();
        assert_ne!(owner, data.belongs_to("two").unwrap());
        for (n, claimed) in claims.into_iter().enumerate() {
            assert_eq!(claimed, (n % 2 == 0) == owner, "{n}");
        }
    }

    #[test]
    fn a_missing_folder_is_created() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::lock(&folder.path().join("a/b")).unwrap();
        assert!(data.path().ends_with("a/b"));
        assert!(data.free_bytes().unwrap() > 0);
    }

    #[test]
    fn a_folder_belongs_to_whoever_asked_first_and_to_nobody_once_it_has_blobs() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::lock(folder.path()).unwrap();
        for _ in 0..2 {
            assert!(data.belongs_to("one").unwrap());
            assert!(!data.belongs_to("other").unwrap());
        }
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::lock(folder.path()).unwrap();
        fs::create_dir_all(data.blobs().join("segments")).unwrap();
        assert!(!data.has_blobs(), "folders stay behind the last blob");
        fs::write(data.blobs().join("segments/a"), "a").unwrap();
        assert!(data.has_blobs());
        assert!(!data.belongs_to("one").unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_mount_table_tells_which_program_serves_a_folder() {
        let table = "\
            22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            90 22 0:55 / /mnt/far rw,nosuid - fuse.sshfs me@far:/ rw\n\
            91 22 0:56 / /mnt/near rw,nosuid shared:7 - fuse.ntfs-3g /dev/sdb1 rw\n";
        let kind = |path: &str| mounts::kind(table, Path::new(path)).unwrap();
        assert_eq!(kind("/srv/data"), "ext4");
        assert_eq!(kind("/mnt/far/data"), "fuse.sshfs");
        assert!(mounts::is_remote(kind("/mnt/far")));
        assert!(!mounts::is_remote(kind("/mnt/near/data")));
        assert_eq!(kind("/mnt/farther"), "ext4");
    }
}
