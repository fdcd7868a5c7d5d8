//! Texts with places for what no test can know: ids and times. What stands in such a place is
//! checked by its shape and by its relation to what was seen before; everything else byte for byte.
//!
//! `«file f»` is an id of that kind, from here on known as `f`. `«time t»` is a second between the
//! row's beginning and the answer's arrival, `«time u from t»` one that is not before `t` either.
//! `«t + 60»` is calculated from a known one, `«f»` is a known one again. `«hex32»`, `«request»` and `«int»`
//! have a shape and no name. `«any»` is a text or a number that the row does not look at.

use std::collections::BTreeMap;

const OPEN: char = '«';
const CLOSE: char = '»';

/// What the places of earlier texts held, and the seconds that a time may lie in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    names: BTreeMap<String, String>,
    /// The row's first second.
    pub(crate) earliest: u64,
    /// The second of the answer that is looked at.
    pub(crate) latest: u64,
}

impl Known {
    /// Gives a value a name.
    pub(crate) fn bind(&mut self, name: &str, value: impl Into<String>) {
        self.names.insert(name.to_owned(), value.into());
    }

    /// Forgets these names.
    pub(crate) fn forget(&mut self, names: &[&str]) {
        self.names.retain(|name, _| !names.contains(&name.as_str()));
    }

    /// The value of that name.
    pub(crate) fn get(&self, name: &str) -> Result<&str, String> {
        let value = self.names.get(name).map(String::as_str);
        value.ok_or_else(|| format!("nothing is known as {name}"))
    }

    /// The text with every known name in its place.
    pub(crate) fn fill(&self, pattern: &str) -> Result<String, String> {
        let mut filled = String::new();
        for piece in pieces(pattern) {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Place(name) => filled.push_str(self.get(name)?),
            }
        }
        Ok(filled)
    }

    /// Compares a text with a pattern, and keeps what its places hold.
    pub(crate) fn compare(&mut self, pattern: &str, text: &str) -> Result<(), String> {
        let mut rest = text;
        for piece in pieces(pattern) {
            match piece {
                Piece::Text(literal) => {
                    rest = rest
                        .strip_prefix(literal)
                        .ok_or_else(|| difference(literal, rest))?;
                }
                Piece::Place(place) => {
                    let known = self
                        .names
                        .get(place)
                        .filter(|known| rest.starts_with(*known));
                    let end = known.map_or_else(|| value_end(place, rest), String::len);
                    let (value, after) = rest.split_at(end);
                    self.place(place, value)?;
                    rest = after;
                }
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        Err(format!("beyond the expected end: {:?}", beginning(rest)))
    }

    /// Checks what stands in a place.
    fn place(&mut self, place: &str, value: &str) -> Result<(), String> {
        let words: Vec<&str> = place.split(' ').collect();
        match words.as_slice() {
            ["any"] => Ok(()),
            [shape @ ("hex32" | "int" | "request")] => shaped(shape, value),
            [name] => equal(name, self.get(name)?, value),
            [name, "+", seconds] => {
                let sum = number(self.get(name)?)? + number(seconds)?;
                equal(place, &sum.to_string(), value)
            }
            ["time", name] => self.time(name, self.earliest, value),
            ["time", name, "from", first] => {
                let first = number(self.get(first)?)?;
                self.time(name, first, value)
            }
            [kind, name] => {
                shaped(kind, value)?;
                self.named(name, value)
            }
            _ => Err(format!("«{place}» is not a place")),
        }
    }

    fn time(&mut self, name: &str, earliest: u64, value: &str) -> Result<(), String> {
        let seconds = number(value)?;
        if (earliest..=self.latest).contains(&seconds) {
            return self.named(name, value);
        }
        let latest = self.latest;
        Err(format!(
            "{name} is {value}, not from {earliest} to {latest}"
        ))
    }

    fn named(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some(known) = self.names.get(name) {
            return equal(name, known, value);
        }
        self.bind(name, value);
        Ok(())
    }
}

enum Piece<'a> {
    Text(&'a str),
    Place(&'a str),
}

fn pieces(pattern: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = pattern;
    std::iter::from_fn(move || {
        if let Some((place, after)) = rest
            .strip_prefix(OPEN)
            .and_then(|inside| inside.split_once(CLOSE))
        {
            rest = after;
            return Some(Piece::Place(place));
        }
        let end = rest.find(OPEN).unwrap_or(rest.len());
        let (text, after) = rest.split_at(end);
        rest = after;
        (!text.is_empty()).then_some(Piece::Text(text))
    })
}

/// Where the value of a place ends.
fn value_end(place: &str, rest: &str) -> usize {
    let ends = |c: char| match place {
        "any" => matches!(c, '"' | ',' | '}' | ']' | '\n'),
        _ => !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')),
    };
    rest.find(ends).unwrap_or(rest.len())
}

/// Checks the shape of an id or of a number.
fn shaped(kind: &str, value: &str) -> Result<(), String> {
    let hex32 = |text: &str| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.len() == 32 && text.bytes().all(is_hex)
    };
    let prefixed = |prefix: &str| value.strip_prefix(prefix).is_some_and(hex32);
    let holds = match kind {
        "file" => value.strip_prefix("file-").is_some_and(|id| {
            id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }),
        "batch" => prefixed("batch_"),
        "line" => prefixed("batch_req_"),
        "upload" => prefixed("upload_"),
        "part" => prefixed("part_"),
        "request" => prefixed("req_"),
        "hex32" => hex32(value),
        "int" => number(value).is_ok(),
        _ => return Err(format!("{kind} is no kind of id")),
    };
    if holds {
        return Ok(());
    }
    Err(format!(
        "{:?} does not have the shape of {kind}",
        beginning(value)
    ))
}

fn number(text: &str) -> Result<u64, String> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(|| format!("{:?} is no whole number", beginning(text)))
}

fn equal(name: &str, expected: &str, value: &str) -> Result<(), String> {
    if expected == value {
        return Ok(());
    }
    Err(format!(
        "{name} is {:?}, not {expected:?}",
        beginning(value)
    ))
}

/// Where a text first differs from what was expected.
fn difference(expected: &str, text: &str) -> String {
    let same = expected.bytes().zip(text.bytes());
    let mut at = same.take_while(|(one, other)| one == other).count();
    while !(expected.is_char_boundary(at) && text.is_char_boundary(at)) {
        at -= 1;
    }
    let (expected, got) = (beginning(&expected[at..]), beginning(&text[at..]));
    format!("expected {expected:?}, got {got:?}")
}

fn beginning(text: &str) -> String {
    text.chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "file-0123456789abcdefABCDEF";

    fn known() -> Known {
        let mut known = Known {
            earliest: 1_000,
            latest: 1_010,
            ..Known::default()
        };
        known
            .compare("«file f» «time t»", &format!("{FILE} 1004"))
            .unwrap();
        known
    }

    #[test]
    fn what_a_place_holds_is_known_from_there_on() {
        let expected = format!("/v1/files/{FILE}");
        assert_eq!(known().fill("/v1/files/«f»").unwrap(), expected);
        known()
            .compare("«f»_x «t + 60» «t»", &format!("{FILE}_x 1064 1004"))
            .unwrap();
        assert!(known().fill("«g»").is_err());
    }

    #[test]
    fn every_place_refuses_what_does_not_belong_there() {
        let refused = [
            ("«f»", "file-0123456789abcdefABCDE0"),
            ("«file g»", "file-0123456789abcdefABCDE"),
            ("«file g»", "xfile-0123456789abcdefABCDEF"),
            ("«batch b»", "batch_0123456789ABCDEF0123456789abcdef"),
            ("«hex32»", "0123456789abcdef0123456789abcde"),
            ("«time u»", "999"),
            ("«time u»", "1011"),
            ("«time u from t»", "1003"),
            ("«time t»", "1005"),
            ("«t + 60»", "1065"),
            ("«int»", "-1"),
            ("«int»", "1.0"),
            ("a«int»b", "a1c"),
            ("a", "ab"),
            ("ab", "a"),
            ("«any»", "a\"b"),
        ];
        for (pattern, text) in refused {
            assert!(
                known().compare(pattern, text).is_err(),
                "{pattern} accepts {text}"
            );
        }
    }
}
