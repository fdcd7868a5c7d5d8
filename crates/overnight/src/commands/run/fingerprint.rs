//! Whether the input is still the one that a run began with.
//!
//! A whole file of gigabytes is not read for that: its size and its first and last MiB are compared
//! at once, and each line's own checksum when the line is read.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// How many bytes are hashed at each end.
const END_BYTES: u64 = 1 << 20;

/// What is remembered of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    /// The size in bytes.
    pub(super) bytes: u64,
    /// The hash of the first MiB.
    head: String,
    /// The hash of the last MiB.
    tail: String,
}

impl Fingerprint {
    /// Reads the ends of the file.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let head = hash(&mut file)?;
        file.seek(SeekFrom::Start(bytes.saturating_sub(END_BYTES)))?;
        Ok(Self {
            bytes,
            head,
            tail: hash(&mut file)?,
        })
    }

    /// What is different, as the end of a sentence about the file.
    pub(super) fn difference(&self, now: &Self) -> Option<String> {
        if self.bytes != now.bytes {
            return Some(format!("had {} bytes and has {}", self.bytes, now.bytes));
        }
        (self != now).then(|| "has the same size but other contents".to_owned())
    }
}

fn hash(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(END_BYTES).read_to_end(&mut bytes)?;
    Ok(format!("{:016x}", xxh3_64(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_difference(before: &[u8], after: &[u8], expected: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.jsonl");
        std::fs::write(&path, before).unwrap();
        let first = Fingerprint::of(&path).unwrap();
        std::fs::write(&path, after).unwrap();
        let difference = first.difference(&Fingerprint::of(&path).unwrap());
        assert_eq!(difference.as_deref(), expected);
    }

    #[test]
    fn a_changed_size_start_or_end_is_noticed() {
        let text = vec![b'x'; 3 << 20];
        let (mut start, mut end) = (text.clone(), text.clone());
        start[0] = b'y';
        end[(3 << 20) - 1] = b'y';
        let other = Some("has the same size but other contents");
        check_difference(&text, &text, None);
        check_difference(&text, &start, other);
        check_difference(&text, &end, other);
        check_difference(b"abc", b"abcd", Some("had 3 bytes and has 4"));
        check_difference(b"", b"", None);
    }
}
