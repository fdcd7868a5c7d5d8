//! `docs/compatibility.md`, written from what the rows have asserted.
//!
//! Each section's test holds its part of the document; with `WRITE_COMPATIBILITY=1` it writes it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::row::{Known, Row, Standing};
use crate::section::Section;

/// The variable that makes the tests write the document instead of comparing it.
const WRITE: &str = "WRITE_COMPATIBILITY";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md")
}

/// Compares a section of the document, or writes it.
pub(crate) fn check_section(section: &Section, told: &[Vec<String>]) -> Result<(), String> {
    let mut text = String::from("| row | the service | known | ours | asserted |\n");
    text.push_str("| --- | --- | --- | --- | --- |\n");
    for (row, told) in section.rows.iter().zip(told) {
        let ours = match row.standing {
            Standing::Same => "the same",
            Standing::Differs(_) => "differs",
            Standing::Chosen(_) => "our choice",
        };
        let told = told.join("<br>");
        let cells = [row.id, row.says, row.known.word(), ours, &told];
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    check_part(section.heading, &text)
}

/// Compares what the document says of the rows that differ or had to be chosen, or writes it.
pub(crate) fn check_lists(sections: &[Section]) -> Result<(), String> {
    let rows = || sections.iter().flat_map(|section| section.rows);
    let (mut differs, mut chosen) = (String::new(), String::new());
    for row in rows() {
        let line = |what: &str| format!("| {} | {} | {what} |\n", row.id, row.says);
        match row.standing {
            Standing::Same => {}
            Standing::Differs(why) => differs.push_str(&line(why)),
            Standing::Chosen(choice) => chosen.push_str(&line(choice)),
        }
    }
    let head = "| row | the service | ours, and why |\n| --- | --- | --- |\n";
    check_part("Where ours differs on purpose", &format!("{head}{differs}"))?;
    let head = "| row | the question | our choice |\n| --- | --- | --- |\n";
    let heading = "What cannot be known from outside, and the choice made";
    check_part(heading, &format!("{head}{chosen}"))?;
    check_part("In numbers", &numbers(&rows().collect::<Vec<_>>()))
}

fn numbers(rows: &[&Row]) -> String {
    let count = |is: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count();
    let known = |known: Known| count(&|row| row.known == known);
    format!(
        "| rows | recorded | documented | reported | unknown | ours differs |\n\
         | --- | --- | --- | --- | --- | --- |\n| {} | {} | {} | {} | {} | {} |\n",
        rows.len(),
        known(Known::Recorded),
        known(Known::Documented),
        known(Known::Reported),
        known(Known::Unknown),
        count(&|row| matches!(row.standing, Standing::Differs(_))),
    )
}

/// Compares the part of the document between the marks of that heading.
fn check_part(heading: &str, expected: &str) -> Result<(), String> {
    let (begin, end) = marks(heading);
    if std::env::var_os(WRITE).is_some() {
        return write_part(&begin, &end, expected);
    }
    let text = fs::read_to_string(path()).map_err(|error| error.to_string())?;
    let part = part(&text, &begin, &end)?;
    if text[part] == *expected {
        return Ok(());
    }
    Err(format!(
        "docs/compatibility.md: \"{heading}\" is not what the rows say; \
         scripts/compatibility writes it anew"
    ))
}

fn marks(heading: &str) -> (String, String) {
    let begin = format!("<!-- begin: {heading} -->\n");
    (begin, format!("<!-- end: {heading} -->"))
}

fn part(text: &str, begin: &str, end: &str) -> Result<std::ops::Range<usize>, String> {
    let missing = |mark: &str| format!("docs/compatibility.md has no {mark}");
    let start = text.find(begin).ok_or_else(|| missing(begin))? + begin.len();
    let length = text[start..].find(end).ok_or_else(|| missing(end))?;
    Ok(start..start + length)
}

/// Other tests write other parts at the same time.
fn write_part(begin: &str, end: &str, expected: &str) -> Result<(), String> {
    let write = || -> std::io::Result<Result<(), String>> {
        let mut file = File::options().read(true).write(true).open(path())?;
        file.lock()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let part = match part(&text, begin, end) {
            Ok(part) => part,
            Err(missing) => return Ok(Err(missing)),
        };
        text.replace_range(part, expected);
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        Ok(Ok(()))
    };
    write().map_err(|error| error.to_string())?
}
