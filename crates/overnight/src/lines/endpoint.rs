//! The endpoint of a file: the `url` of its first line. That all lines agree is for validation to say.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use overnight_core::endpoint::Endpoint;
use serde::Deserialize;

/// Assumed when the first line does not say: validation then tells what is wrong with that line.
const ASSUMED: &str = "/v1/chat/completions";

/// Blank lines that are looked past at most.
const BLANK_LINES_MAX: usize = 10_000;

#[derive(Deserialize)]
struct FirstLine {
    url: String,
}

/// Reads the file up to its first line that is not blank, or at most `line_bytes_max` of a line.
pub(crate) fn endpoint_of(path: &Path, line_bytes_max: u64) -> io::Result<Endpoint> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    for _ in 0..BLANK_LINES_MAX {
        line.clear();
        let length = reader
            .by_ref()
            .take(line_bytes_max)
            .read_until(b'\n', &mut line)?;
        let text = line
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(&line)
            .trim_ascii();
        if !text.is_empty() || length == 0 {
            break;
        }
    }
    let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line);
    let url = serde_json::from_slice::<FirstLine>(text)
        .ok()
        .map(|first| first.url);
    let url = url.filter(|url| url.starts_with('/'));
    Ok(Endpoint::from(url.as_deref().unwrap_or(ASSUMED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_endpoint(text: &str, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.jsonl");
        std::fs::write(&path, text).unwrap();
        assert_eq!(endpoint_of(&path, 1000).unwrap().as_str(), expected);
    }

    #[test]
    fn the_first_line_names_the_endpoint() {
        check_endpoint(
            "{\"url\":\"/v1/embeddings\"}\n{\"url\":\"/x\"}\n",
            "/v1/embeddings",
        );
        check_endpoint(
            "\u{feff}\r\n\n{\"custom_id\":\"a\",\"url\":\"/v1/rerank\"}",
            "/v1/rerank",
        );
    }

    #[test]
    fn without_an_endpoint_validation_gets_to_say_what_is_wrong() {
        for text in [
            "",
            "\n\n",
            "nonsense",
            "{\"url\":5}",
            "{\"url\":\"http://x/\"}",
        ] {
            check_endpoint(text, ASSUMED);
        }
    }
}
