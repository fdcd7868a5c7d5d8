//! Shows a part of a line with marks below what is wrong.

use overnight_core::input::Place;

/// How many characters of a line are shown.
const SHOWN_CHARS: usize = 76;

/// How many of them stand before what is wrong.
const BEFORE_CHARS: usize = 24;

/// What stands where a line was cut.
const CUT: &str = "…";

/// The number of the character that a place begins at, from 1, as editors count.
pub(crate) fn column(line: &[u8], place: &Place) -> usize {
    let before = line.get(..place.start.min(line.len())).unwrap_or_default();
    String::from_utf8_lossy(before).chars().count() + 1
}

/// Two lines: a part of the line, and marks below the place.
pub(crate) fn excerpt(line: &[u8], place: &Place) -> [String; 2] {
    let start = place.start.min(line.len());
    let end = (start + place.length).min(line.len());
    let (before, rest) = line.split_at(start);
    let (wrong, after) = rest.split_at(end - start);
    let text = |bytes: &[u8]| -> Vec<char> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect()
    };
    let (before, wrong, after) = (text(before), text(wrong), text(after));
    let cut = before.len().saturating_sub(BEFORE_CHARS);
    let before = before.get(cut..).unwrap_or_default();
    let front = if cut > 0 { CUT } else { "" };
    let room = SHOWN_CHARS - before.len();
    let shown: Vec<char> = wrong.iter().chain(&after).take(room).copied().collect();
    let back = if wrong.len() + after.len() > room {
        CUT
    } else {
        ""
    };
    let shown: String = before.iter().chain(&shown).collect();
    let marks = wrong.len().clamp(1, room);
    let indent = front.chars().count() + before.len();
    [
        format!("{front}{shown}{back}"),
        format!("{}{}", " ".repeat(indent), "^".repeat(marks)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, start: usize, length: usize, expected: [&str; 2]) {
        let place = Place {
            start,
            length,
            reason: None,
        };
        assert_eq!(excerpt(line.as_bytes(), &place), expected, "{line}");
    }

    #[test]
    fn marks_stand_below_what_is_wrong() {
        check("{\"a\":5}", 5, 1, ["{\"a\":5}", "     ^"]);
        check("{\"ä\":50}", 6, 2, ["{\"ä\":50}", "     ^^"]);
        check("{}", 2, 1, ["{}", "  ^"]);
    }

    #[test]
    fn a_long_line_is_cut_around_it() {
        let line = "x".repeat(100) + "WRONG" + &"y".repeat(100);
        let [shown, marks] = {
            let place = Place {
                start: 100,
                length: 5,
                reason: None,
            };
            assert_eq!(column(line.as_bytes(), &place), 101);
            excerpt(line.as_bytes(), &place)
        };
        assert_eq!(shown.chars().count(), SHOWN_CHARS + 2);
        assert_eq!(marks.trim_start(), "^^^^^");
        let at = marks.find('^').unwrap();
        assert_eq!(shown.chars().skip(at).take(5).collect::<String>(), "WRONG");
    }
}
