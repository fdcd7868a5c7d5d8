//! Where the result of each line lies in the files that hold results.
//!
//! Some 40 bytes a line in memory, whatever the results weigh: they are read when they are wanted.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::ids::{LineId, ended, id_of};
use super::source::{each_line, is_stdin};

/// Where one result line lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FoundLine {
    file: u32,
    length: u32,
    offset: u64,
    /// Whether the line was answered well.
    pub(crate) is_ok: bool,
    /// Its place among all that were found, from 0: the order in which ids came first.
    pub(crate) order: u32,
}

/// Takes a [`LineId`] for its own hash: it is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

/// The best result of each id: a later one takes the place of an earlier one, but a failure never that of a
/// success.
#[derive(Debug, Default)]
pub(crate) struct Found {
    files: Vec<(PathBuf, File)>,
    lines: HashMap<LineId, FoundLine, BuildHasherDefault<AsItIs>>,
    /// The result lines that were read.
    pub(crate) read: u64,
}

impl Found {
    /// Reads the results of a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or a line of it is no result.
    pub(crate) fn read(&mut self, path: &Path) -> anyhow::Result<()> {
        if is_stdin(path) {
            bail!("results are read more than once, so they cannot come from stdin: name a file");
        }
        let open =
            || File::open(path).with_context(|| format!("{} cannot be read", path.display()));
        let number = u32::try_from(self.files.len()).context("there are too many files")?;
        self.files.push((path.to_owned(), open()?));
        each_line(path, |line| {
            let place = || format!("{}:{}", path.display(), line.no);
            let (Some(id), Some(ended)) = (id_of(line.bytes), ended(line.bytes)) else {
                bail!("{}: this is no result line", place());
            };
            self.read += 1;
            let length = u32::try_from(line.bytes.len()).with_context(place)?;
            self.put(
                LineId::of(&id),
                FoundLine {
                    file: number,
                    offset: line.offset,
                    length,
                    is_ok: ended.is_ok(),
                    order: 0,
                },
            )
        })
    }

    fn put(&mut self, id: LineId, line: FoundLine) -> anyhow::Result<()> {
        let next = u32::try_from(self.lines.len()).context("there are too many lines")?;
        let there = self.lines.entry(id).or_insert(FoundLine {
            order: next,
            ..line
        });
        if line.is_ok || !there.is_ok {
            *there = FoundLine {
                order: there.order,
                ..line
            };
        }
        Ok(())
    }

    /// How many different ids there are.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The result of a line.
    pub(crate) fn get(&self, id: LineId) -> Option<FoundLine> {
        self.lines.get(&id).copied()
    }

    /// All results, in the order in which their ids came first.
    pub(crate) fn in_order(&self) -> Vec<FoundLine> {
        let mut lines: Vec<FoundLine> = self.lines.values().copied().collect();
        lines.sort_unstable_by_key(|line| line.order);
        lines
    }

    /// Reads a result line again, without its line end.
    ///
    /// # Errors
    ///
    /// Its file cannot be read any more.
    pub(crate) fn bytes(&self, line: FoundLine) -> anyhow::Result<Vec<u8>> {
        let place = usize::try_from(line.file).ok();
        let (path, file) = place
            .and_then(|place| self.files.get(place))
            .context("a result without a file")?;
        let mut bytes = vec![0; line.length.try_into()?];
        file.read_exact_at(&mut bytes, line.offset)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_success_of_an_id_wins() {
        let folder = tempfile::tempdir().unwrap();
        let line = |id: &str, status: u16| {
            format!("{{\"custom_id\":\"{id}\",\"response\":{{\"status_code\":{status}}}}}")
        };
        let paths = ["a", "b"].map(|name| folder.path().join(name));
        std::fs::write(&paths[0], [line("x", 500), line("y", 200)].join("\n")).unwrap();
        let second = [
            line("x", 200),
            line("y", 500),
            line("z", 400),
            line("z", 401),
        ];
        std::fs::write(&paths[1], second.join("\n") + "\n").unwrap();
        let mut found = Found::default();
        for path in &paths {
            found.read(path).unwrap();
        }
        assert_eq!((found.len(), found.read), (3, 6));
        let lines = found.in_order().into_iter().map(|line| {
            let bytes = found.bytes(line).unwrap();
            ended(&bytes).unwrap().status.unwrap()
        });
        assert_eq!(lines.collect::<Vec<_>>(), [200, 200, 401]);
        assert!(found.get(LineId::of("y")).unwrap().is_ok);
        assert_eq!(found.get(LineId::of("none")), None);
    }
}
