//! Files of lines to be run.

use std::io::{BufWriter, Write as _};
use std::path::Path;

/// Writes so many lines of so many bytes each, the line end included, and answers how many bytes
/// they are together.
pub(crate) fn write(path: &Path, lines: usize, line_bytes: usize) -> anyhow::Result<u64> {
    let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    for number in 0..lines {
        let empty = line(number, "");
        let text = "x".repeat(line_bytes.saturating_sub(empty.len()));
        file.write_all(line(number, &text).as_bytes())?;
    }
    file.flush()?;
    Ok(file.get_ref().metadata()?.len())
}

fn line(number: usize, text: &str) -> String {
    format!(
        r#"{{"custom_id":"line-{number:08}","method":"POST","url":"/v1/chat/completions","body":{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}}}"#
    ) + "\n"
}
