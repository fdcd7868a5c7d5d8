//! Reads what `strace` wrote: the calls that change the data folder, in the order of their ends,
//! and the answers that clients got in between.
//!
//! Every string and path of the record is in hexadecimal, so that no byte of them looks like the
//! text around it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How `strace` is told to write such a record, but for the file that it writes to.
pub(crate) const FLAGS: [&str; 6] = [
    "--follow-forks",
    "--seccomp-bpf",
    "--decode-fds=path",
    "--strings-in-hex=all",
    "--string-limit=67108864",
    "--trace=open,openat,openat2,creat,close,lseek,write,pwrite64,writev,pwritev,pwritev2,\
     ftruncate,truncate,fallocate,fsync,fdatasync,sync_file_range,syncfs,sync,msync,rename,renameat,\
     renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,symlink,symlinkat,copy_file_range,\
     sendfile,splice,sendto,sendmsg",
];

/// Something that happened. Paths are relative to the root that is recorded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// A file is there from here on, if it was not.
    Create(PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    Truncate(PathBuf, u64),
    CreateFolder(PathBuf),
    Rename(PathBuf, PathBuf),
    /// A file or an empty folder is gone.
    Remove(PathBuf),
    /// An fsync begins, under that number.
    SyncBegins(PathBuf, usize),
    /// What was there when it began is kept.
    SyncEnds(usize),
    /// A client is answered.
    Answer,
}

/// A call whose end was not told yet.
struct Begun {
    text: String,
    sync: Option<usize>,
}

/// A reader of a record.
pub(crate) struct Reader<'a> {
    root: &'a Path,
    /// Where the next `write` of a descriptor goes.
    offsets: HashMap<u32, u64>,
    begun: HashMap<u32, Begun>,
    syncs: usize,
    events: Vec<Event>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(root: &'a Path) -> Self {
        Self {
            root,
            offsets: HashMap::new(),
            begun: HashMap::new(),
            syncs: 0,
            events: Vec::new(),
        }
    }

    /// Everything that happened.
    pub(crate) fn into_events(self) -> Vec<Event> {
        self.events
    }

    /// Reads the record of one process.
    pub(crate) fn read(&mut self, record: &str) {
        self.offsets.clear();
        self.begun.clear();
        for line in record.lines() {
            let (pid, rest) = line.split_once(' ').unwrap();
            let (pid, rest) = (pid.parse().unwrap(), rest.trim_start());
            if rest.starts_with("+++") || rest.starts_with("---") {
                continue;
            }
            if let Some(resumed) = rest.strip_prefix("<... ") {
                let (_, end) = resumed.split_once(" resumed>").unwrap();
                let begun = self.begun.remove(&pid).unwrap();
                self.end(&format!("{}{end}", begun.text), begun.sync);
            } else if let Some(text) = rest.strip_suffix(" <unfinished ...>") {
                let sync = self.begin(text);
                let text = text.to_owned();
                self.begun.insert(pid, Begun { text, sync });
            } else {
                let sync = self.begin(rest);
                self.end(rest, sync);
            }
        }
    }

    /// A call begins. A client may be answered, and what an fsync keeps is there by now.
    fn begin(&mut self, text: &str) -> Option<usize> {
        let (name, arguments) = text.split_once('(').unwrap();
        match name {
            "write" | "writev" | "sendto" | "sendmsg" => {
                let is_answer = text.contains("\"\\x48\\x54\\x54\\x50\\x2f\\x31\\x2e");
                if is_answer && fd(arguments).1.starts_with("socket:") {
                    self.events.push(Event::Answer);
                }
                None
            }
            "fsync" | "fdatasync" => {
                let path = self.inside(&fd(arguments).1)?;
                self.syncs += 1;
                self.events.push(Event::SyncBegins(path, self.syncs));
                Some(self.syncs)
            }
            _ => None,
        }
    }

    /// A call ends.
    fn end(&mut self, text: &str, sync: Option<usize>) {
        // A process that was killed leaves calls without a result.
        let Some((call, result)) = text.rsplit_once(" = ") else {
            return;
        };
        if result.starts_with(['-', '?']) {
            return;
        }
        let (name, arguments) = call.trim_end().split_once('(').unwrap();
        let arguments = arguments.strip_suffix(')').unwrap();
        if let Some(sync) = sync {
            self.events.push(Event::SyncEnds(sync));
        } else if matches!(name, "open" | "openat") {
            self.opened(arguments, result);
        } else if matches!(name, "write" | "pwrite64" | "ftruncate" | "lseek") {
            self.by_descriptor(name, arguments, result);
        } else if name != "close" {
            self.by_name(name, arguments);
        }
    }

    fn opened(&mut self, arguments: &str, result: &str) {
        let (number, path) = fd(result);
        self.offsets.insert(number, 0);
        if let Some(path) = self.inside(&path)
            && arguments.contains("O_CREAT")
        {
            assert!(!arguments.contains("O_APPEND"), "{arguments}");
            self.events.push(Event::Create(path.clone()));
            if arguments.contains("O_TRUNC") {
                self.events.push(Event::Truncate(path, 0));
            }
        }
    }

    fn by_descriptor(&mut self, name: &str, arguments: &str, result: &str) {
        let (number, path) = fd(arguments);
        let done: u64 = result.split(' ').next().unwrap().parse().unwrap();
        let last = || arguments.rsplit(", ").next().unwrap().parse().unwrap();
        let Some(path) = self.inside(&path) else {
            return;
        };
        let event = match name {
            "lseek" => {
                self.offsets.insert(number, done);
                return;
            }
            "ftruncate" => Event::Truncate(path, last()),
            _ => {
                let at = if name == "write" {
                    let offset = self.offsets.get_mut(&number).unwrap();
                    *offset += done;
                    *offset - done
                } else {
                    last()
                };
                let mut bytes = string(arguments).unwrap();
                bytes.truncate(usize::try_from(done).unwrap());
                Event::Write(path, at, bytes)
            }
        };
        self.events.push(event);
    }

    /// Calls that name what they change.
    fn by_name(&mut self, name: &str, arguments: &str) {
        let paths: Vec<String> = arguments
            .split(", ")
            .filter_map(string)
            .map(|path| String::from_utf8_lossy(&path).into_owned())
            .collect();
        let descriptor = arguments.split(", ").next().unwrap_or_default();
        let mut inside = paths.iter().filter_map(|path| self.inside(path));
        let (first, second) = (inside.next(), inside.next());
        let is_inside = self.inside(&fd(descriptor).1).is_some();
        let event = match (name, first, second) {
            ("mkdir", Some(path), None) => Event::CreateFolder(path),
            ("rename", Some(from), Some(to)) => Event::Rename(from, to),
            ("unlink" | "rmdir", Some(path), None) => Event::Remove(path),
            (_, None, None) if !is_inside => return,
            _ => panic!("nobody knows what {name}({arguments}) does to the folder"),
        };
        self.events.push(event);
    }

    /// The path below the root; none for what is elsewhere, or has no name.
    fn inside(&self, path: &str) -> Option<PathBuf> {
        let path = Path::new(path).strip_prefix(self.root).ok()?;
        (!path.to_string_lossy().contains(" (deleted)")).then(|| path.to_owned())
    }
}

/// The descriptor with which a text begins, and what it leads to.
fn fd(text: &str) -> (u32, String) {
    let Some((number, rest)) = text.split_once('<') else {
        return (u32::MAX, String::new());
    };
    let (path, after) = rest.split_once('>').unwrap_or((rest, ""));
    let path = String::from_utf8_lossy(&unhex(path)).into_owned();
    let gone = if after.starts_with("(deleted)") {
        " (deleted)"
    } else {
        ""
    };
    (number.parse().unwrap_or(u32::MAX), path + gone)
}

/// The bytes of the first string of a text.
fn string(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once('"')?;
    let (bytes, after) = rest.split_once('"')?;
    assert!(!after.starts_with("..."), "the record is cut short");
    Some(unhex(bytes))
}

fn unhex(text: &str) -> Vec<u8> {
    // Each byte is `\xAB`.
    let digits = text.split("\\x").skip(1);
    digits
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}
