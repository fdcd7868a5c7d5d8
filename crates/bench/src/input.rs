//! Files of lines to be run.

use std::io::{BufWriter, Write};
use std::path::Path;

/// What people write: words, line ends and quotes that JSON escapes, and letters beyond ASCII.
const PROSE: &str = r#"Summarise what the report says about the harbour, and \"quote\" it:\n- ships that came in late;\n- the crane in the caf\u00e9's view — naïve or not. "#;

/// So many lines of the same length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    /// How many there are.
    pub(crate) count: u64,
    /// The bytes of each, its end included.
    pub(crate) bytes: usize,
}

impl Lines {
    /// How many bytes they are together.
    pub(crate) const fn total_bytes(self) -> u64 {
        self.count * self.bytes as u64
    }

    /// Writes them one after another.
    pub(crate) fn write_to(self, writer: impl Write) -> anyhow::Result<()> {
        let mut writer = BufWriter::with_capacity(1 << 20, writer);
        let room = self.bytes.checked_sub(line(0, "").len());
        let text = prose(room.ok_or_else(|| anyhow::anyhow!("lines are too short"))?);
        for number in 0..self.count {
            writer.write_all(line(number, &text).as_bytes())?;
        }
        Ok(writer.flush()?)
    }

    /// Writes them to a new file.
    pub(crate) fn write(self, path: &Path) -> anyhow::Result<()> {
        self.write_to(std::fs::File::create(path)?)
    }
}

/// A text of exactly so many bytes that stands in a JSON string.
fn prose(bytes: usize) -> String {
    let mut text = PROSE.repeat(bytes / PROSE.len());
    text.push_str(&"x".repeat(bytes - text.len()));
    text
}

fn line(number: u64, text: &str) -> String {
    let head = format!(
        r#"{{"custom_id":"line-{number:010}","method":"POST","url":"/v1/chat/completions","#
    );
    let body = r#""body":{"model":"m","messages":[{"role":"user","content":""#;
    [&head, body, text, "\"}]}}\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_of_one_length() {
        for bytes in [170, 300, 4096] {
            let mut file = Vec::new();
            Lines { count: 3, bytes }.write_to(&mut file).unwrap();
            let lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
            assert_eq!(lines.len(), 3);
            for line in lines {
                assert_eq!(line.len(), bytes);
                let line: serde_json::Value = serde_json::from_slice(line).unwrap();
                assert_eq!(line["body"]["model"], "m");
            }
        }
    }
}
