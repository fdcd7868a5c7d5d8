//! The files of a run, and which of them may be the same.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::UsageError;

/// Why neither end of a run is a stream.
const NO_STREAMS: &str = "input and output are regular files, so that a run can go on where it stopped: \
                          write the requests to a file first, and read the results from one";

/// Where everything of a run is.
#[derive(Debug)]
pub(super) struct Paths {
    /// The input as it was named, for messages.
    pub(super) input: PathBuf,
    /// The results.
    pub(super) output: PathBuf,
    /// The results of the lines that failed.
    pub(super) errors: PathBuf,
    /// The folder of what the run knows about itself.
    pub(super) state: PathBuf,
}

impl Paths {
    /// # Errors
    ///
    /// The input is no file, or the output cannot stand where it should.
    pub(super) fn new(input: &Path, output: &Path) -> Result<Self, UsageError> {
        let shown = input.display();
        if input == Path::new("-") || output == Path::new("-") {
            return Err(UsageError(NO_STREAMS.to_owned()));
        }
        let kind = fs::metadata(input)
            .map_err(|error| UsageError(format!("the input {shown} cannot be read: {error}")))?;
        if !kind.is_file() {
            let message = format!("the input {shown} is not a regular file; {NO_STREAMS}");
            return Err(UsageError(message));
        }
        let paths = Self {
            input: input.to_owned(),
            output: output.to_owned(),
            errors: errors_beside(output),
            state: with_suffix(output, ".overnight"),
        };
        let folder = output
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            let shown = output.display();
            return Err(UsageError(format!(
                "the folder of the output {shown} is not there"
            )));
        }
        for path in [&paths.output, &paths.errors] {
            if path.is_dir() {
                return Err(UsageError(format!(
                    "the output {} is a folder",
                    path.display()
                )));
            }
            if fs::metadata(path).is_ok_and(|kind| !kind.is_file()) {
                let shown = path.display();
                let message = format!("the output {shown} is not a regular file; {NO_STREAMS}");
                return Err(UsageError(message));
            }
            if is_same_file(input, path) {
                let message = format!("the input {shown} would be overwritten by the results");
                return Err(UsageError(message));
            }
        }
        Ok(paths)
    }
}

/// Whether both names lead to one file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// `OUT.errors.jsonl` beside `OUT.jsonl`.
fn errors_beside(output: &Path) -> PathBuf {
    if output.extension() == Some(OsStr::new("jsonl")) {
        output.with_extension("errors.jsonl")
    } else {
        with_suffix(output, ".errors.jsonl")
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut text = OsString::from(path);
    text.push(suffix);
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_files_stand_beside_the_output() {
        assert_eq!(
            errors_beside(Path::new("a/out.jsonl")),
            Path::new("a/out.errors.jsonl")
        );
        assert_eq!(
            errors_beside(Path::new("a/out.v1.jsonl")),
            Path::new("a/out.v1.errors.jsonl")
        );
        assert_eq!(
            errors_beside(Path::new("out")),
            Path::new("out.errors.jsonl")
        );
        assert_eq!(
            with_suffix(Path::new("o.jsonl"), ".overnight"),
            Path::new("o.jsonl.overnight")
        );
    }

    #[test]
    fn the_input_is_never_the_output_by_whatever_name() {
        let folder = tempfile::tempdir().unwrap();
        let (input, link) = (
            folder.path().join("in.jsonl"),
            folder.path().join("link.jsonl"),
        );
        fs::write(&input, "{}").unwrap();
        std::os::unix::fs::symlink(&input, &link).unwrap();
        assert!(Paths::new(&input, &input).is_err());
        assert!(Paths::new(&input, &link).is_err());
        assert!(Paths::new(&input, &folder.path().join("out.jsonl")).is_ok());
        assert!(Paths::new(&input, &folder.path().join("no/out.jsonl")).is_err());
    }

    #[test]
    fn neither_end_is_a_stream() {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in"), folder.path().join("out"));
        fs::write(&input, "{}").unwrap();
        let stream = Path::new("/dev/null");
        for (input, output) in [
            (Path::new("-"), output.as_path()),
            (&input, Path::new("-")),
            (stream, &output),
            (&input, stream),
        ] {
            let UsageError(message) = Paths::new(input, output).unwrap_err();
            assert!(message.contains("regular files"), "{message}");
        }
    }
}
