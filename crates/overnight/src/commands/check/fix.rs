//! Takes from a file what editors and spreadsheets put in, and leaves the lines as they are.

use std::path::Path;

use crate::lines::output::Output;
use crate::lines::source::{each_line, each_piece};
use crate::show::Voice;
use crate::show::text::counted;

/// Writes the file anew when that changes it.
pub(super) fn fix(path: &Path, voice: Voice) -> anyhow::Result<()> {
    let mut output = Output::create(Some(path))?;
    let (mut before, mut after, mut lines) = (0_u64, 0_u64, 0_u64);
    each_piece(path, |piece| {
        before += piece.len() as u64;
        Ok(())
    })?;
    let mut ends_in_newline = true;
    each_line(path, |line| {
        after += line.bytes.len() as u64 + 1;
        lines += 1;
        ends_in_newline = line.offset + (line.bytes.len() as u64) < before;
        output.put_line(line.bytes)
    })?;
    // The newline at the end of the last line, when it had none, is no change worth one.
    let unended = u64::from(!ends_in_newline);
    if before + unended == after {
        voice.detail(&format!("{} needs no fixing", path.display()));
        return Ok(());
    }
    output.finish()?;
    voice.say(&format!(
        "{} was written anew: {} kept as they are, {} taken out",
        path.display(),
        counted(lines, "line"),
        counted((before + unended).saturating_sub(after), "byte"),
    ));
    Ok(())
}
