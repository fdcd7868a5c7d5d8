//! Why lines failed, counted from the results of failed lines.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;

/// How much of the file is read at most: the causes are a hint, not an account.
const READ_BYTES_MAX: u64 = 64 << 20;

/// How many different causes are counted.
const CAUSES_MAX: usize = 64;

#[derive(Deserialize)]
struct Line {
    response: Option<Response>,
    error: Option<LineError>,
}

#[derive(Deserialize)]
struct Response {
    status_code: u16,
}

#[derive(Deserialize)]
struct LineError {
    code: Option<String>,
}

/// Counts why lines failed, the most frequent cause first.
pub(super) fn causes(path: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut reader = BufReader::new(File::open(path)?.take(READ_BYTES_MAX));
    let mut counts = BTreeMap::new();
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        // A last line that the bound cut through is not counted.
        if let Some(cause) = serde_json::from_slice::<Line>(&line).ok().and_then(cause)
            && (counts.len() < CAUSES_MAX || counts.contains_key(&cause))
        {
            *counts.entry(cause).or_insert(0) += 1;
        }
        line.clear();
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(counts)
}

fn cause(line: Line) -> Option<String> {
    match (line.response, line.error) {
        (_, Some(error)) => error.code,
        (Some(response), None) => Some(format!("status {}", response.status_code)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_counted_with_the_most_frequent_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.errors.jsonl");
        let text = "{\"response\":null,\"error\":{\"code\":\"upstream_error\"}}\n\
                    {\"response\":{\"status_code\":400,\"body\":{}},\"error\":null}\n\
                    {\"response\":{\"status_code\":400,\"body\":{}},\"error\":null}\n\
                    {\"response\":";
        std::fs::write(&path, text).unwrap();
        let expected = [
            ("status 400".to_owned(), 2),
            ("upstream_error".to_owned(), 1),
        ];
        assert_eq!(causes(&path).unwrap(), expected);
    }
}
