//! Tables on stdout: columns as wide as what stands in them.
//!
//! A long one is printed in pieces, so that it is never held as a whole; its columns only get wider then.

use super::{Tone, Voice, print};

/// On which side the texts of a column end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// A text in a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    /// A text in a colour.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone: Some(tone),
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            tone: None,
        }
    }
}

/// Rows under a head.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<(&'static str, Side)>,
    /// What was not printed yet.
    rows: Vec<Vec<Cell>>,
    widths: Vec<usize>,
    /// Whether the head was printed.
    is_begun: bool,
}

impl Table {
    /// No rows yet.
    pub(crate) fn new(head: &[(&'static str, Side)]) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
            widths: vec![0; head.len()],
            is_begun: false,
        }
    }

    /// Adds a row of as many cells as there are columns.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.head.len());
        self.rows.push(cells);
    }

    /// How many rows were not printed yet.
    pub(crate) const fn waiting(&self) -> usize {
        self.rows.len()
    }

    /// Prints the rows that were not printed yet, the first time below the head.
    ///
    /// # Errors
    ///
    /// Stdout cannot be written to.
    pub(crate) fn print(&mut self, voice: Voice) -> anyhow::Result<()> {
        for line in self.lines(voice) {
            print(&line)?;
        }
        Ok(())
    }

    fn lines(&mut self, voice: Voice) -> Vec<String> {
        let head = self.head.iter();
        let head = head.map(|(title, _)| Cell::toned(*title, Tone::Faint));
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        if !std::mem::replace(&mut self.is_begun, true) {
            rows.push(head.collect());
        }
        rows.append(&mut self.rows);
        for (cell, column) in rows.iter().flat_map(|row| row.iter().zip(0..)) {
            if let Some(width) = self.widths.get_mut(column) {
                *width = cell.text.chars().count().max(*width);
            }
        }
        let sides = || self.head.iter().map(|(_, side)| *side);
        rows.iter()
            .map(|row| {
                let cells = row.iter().zip(&self.widths).zip(sides());
                let cells = cells.map(|((cell, width), side)| padded(voice, cell, *width, side));
                cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
            })
            .collect()
    }
}

fn padded(voice: Voice, cell: &Cell, width: usize, side: Side) -> String {
    let room = " ".repeat(width.saturating_sub(cell.text.chars().count()));
    let text = match cell.tone {
        Some(tone) => voice.paint(tone, &cell.text),
        None => cell.text.clone(),
    };
    match side {
        Side::Left => text + &room,
        Side::Right => room + &text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::show::VoiceArgs;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let flags = VoiceArgs {
            json: false,
            quiet: false,
            verbose: false,
        };
        let no_colour = BTreeMap::from([("NO_COLOR".to_owned(), "1".to_owned())]);
        let mut table = Table::new(&[("name", Side::Left), ("n", Side::Right), ("", Side::Left)]);
        table.row(vec!["ä".into(), "1,000".into(), "x".into()]);
        table.row(vec!["longer".into(), "1".into(), "".into()]);
        let expected = ["name        n", "ä       1,000  x", "longer      1"];
        let voice = flags.voice(&no_colour);
        assert_eq!(table.lines(voice), expected);
        table.row(vec!["a".into(), "2".into(), "".into()]);
        assert_eq!(table.lines(voice), ["a           2"]);
    }
}
