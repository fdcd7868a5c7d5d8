//! What was measured, and what it should be.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a figure should be.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// It is there to be read beside others.
    None,
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// A count as a number to divide by: exact up to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "what is counted here is far below 2^53"
)]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}

/// Values of one kind, measured one after another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    name: String,
    median: f64,
    least: f64,
    most: f64,
    count: usize,
    target: Target,
}

impl Figure {
    /// The middle one and the range of some values.
    pub(crate) fn new(name: &str, mut values: Vec<f64>, target: Target) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) && middle > 0 {
            f64::midpoint(at(middle - 1), at(middle))
        } else {
            at(middle)
        };
        Self {
            name: name.to_owned(),
            median,
            least: at(0),
            most: at(values.len().saturating_sub(1)),
            count: values.len(),
            target,
        }
    }

    /// Whether its middle value is what it should be.
    pub(crate) fn is_met(&self) -> Option<bool> {
        match self.target {
            Target::None => None,
            Target::AtMost(most) => Some(self.median <= most),
            Target::AtLeast(least) => Some(self.median >= least),
        }
    }
}

impl Figure {
    /// A row of a table in Markdown. Only the whole size of a measure tells whether a target is met.
    pub(crate) fn row(&self, is_whole: bool) -> String {
        let Self {
            name,
            median,
            least,
            most,
            count,
            target,
        } = self;
        let target = match target {
            Target::None => String::new(),
            Target::AtMost(most) => format!("at most {}", Short(*most)),
            Target::AtLeast(least) => format!("at least {}", Short(*least)),
        };
        let met = match self.is_met() {
            None => "",
            Some(_) if !is_whole => "not told",
            Some(true) => "met",
            Some(false) => "**missed**",
        };
        let (median, least, most) = (Short(*median), Short(*least), Short(*most));
        format!("| {name} | {median} | {least} to {most} ({count}) | {target} | {met} |")
    }
}

/// Three significant digits, or all digits of a large number.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        match value.abs() {
            large if large >= 100.0 => write!(f, "{value:.0}"),
            middle if middle >= 10.0 => write!(f, "{value:.1}"),
            _ => write!(f, "{value:.2}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_its_middle_value_and_is_held_against_its_target() {
        let figure = |values: &[f64], target| Figure::new("it", values.to_vec(), target);
        let odd = figure(&[3.0, 1.0, 200.0], Target::AtMost(3.0));
        assert_eq!(
            odd.row(true),
            "| it | 3.00 | 1.00 to 200 (3) | at most 3.00 | met |"
        );
        let even = figure(&[10.0, 20.0], Target::AtLeast(15.5));
        assert_eq!(
            even.row(true),
            "| it | 15.0 | 10.0 to 20.0 (2) | at least 15.5 | **missed** |"
        );
        assert_eq!(
            even.row(false),
            "| it | 15.0 | 10.0 to 20.0 (2) | at least 15.5 | not told |"
        );
        assert_eq!(figure(&[1.0], Target::None).is_met(), None);
    }
}
