//! A list that is told as it is found: values for programs, or rows of a table that is printed in pieces.

use std::ops::ControlFlow;

use serde_json::Value;

use crate::client::find::PAGE;
use crate::show::table::{Cell, Table};
use crate::show::{Voice, print_json};

/// A list that is being told.
pub(super) struct Listing {
    voice: Voice,
    table: Table,
    /// How many more are wanted.
    left: usize,
    is_any: bool,
}

impl Listing {
    /// A list of so many at most.
    pub(super) const fn new(voice: Voice, table: Table, most: usize) -> Self {
        Self {
            voice,
            table,
            left: most,
            is_any: false,
        }
    }

    /// Tells one more; breaks when no more are wanted.
    pub(super) fn tell(
        &mut self,
        json: &Value,
        row: impl FnOnce() -> Vec<Cell>,
    ) -> anyhow::Result<ControlFlow<()>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(ControlFlow::Break(()));
        };
        self.left = left;
        self.is_any = true;
        if self.voice.is_json {
            print_json(json)?;
        } else {
            self.table.row(row());
            if self.table.waiting() >= PAGE {
                self.table.print(self.voice)?;
            }
        }
        Ok(if left == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }

    /// Tells the rest; says `none` to a person when there was nothing to tell.
    pub(super) fn end(mut self, none: &str) -> anyhow::Result<()> {
        if self.voice.is_json {
            return Ok(());
        }
        if self.is_any {
            return self.table.print(self.voice);
        }
        self.voice.say(none);
        Ok(())
    }
}
