//! Puts another name in the place of the top-level `model` of a body, and changes nothing else.
//!
//! Bodies were validated, so this is no parser: it follows strings and depth, and knows a key of
//! the top level when it sees one. A key that comes twice is replaced twice, since readers differ
//! in which one they take.

/// The longest way to write `model` as a key: each letter as `\u00XX`.
const KEY_BYTES_MAX: usize = 30;

/// Where the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Between strings.
    Structure,
    /// In a string of no interest.
    Text,
    /// In a key of the top level.
    Key,
    /// In a value that is being replaced.
    Model,
}

/// A body on its way through, in pieces of any size.
#[derive(Debug)]
pub(super) struct ModelSplice<'a> {
    /// The name to put in, as a JSON string.
    name: &'a [u8],
    at: At,
    is_escaped: bool,
    depth: usize,
    /// Whether the next string of the top level is a key.
    key_next: bool,
    /// Whether the next value of the top level is the model's.
    model_next: bool,
    /// The bytes of the key so far, at most one more than could matter.
    key: Vec<u8>,
}

impl<'a> ModelSplice<'a> {
    pub(super) const fn new(name: &'a [u8]) -> Self {
        Self {
            name,
            at: At::Structure,
            is_escaped: false,
            depth: 0,
            key_next: false,
            model_next: false,
            key: Vec::new(),
        }
    }

    /// Takes the next bytes of the body and appends what becomes of them.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for &byte in piece {
            match self.at {
                At::Structure => self.structure(byte, out),
                At::Text | At::Key => {
                    out.push(byte);
                    self.text(byte);
                }
                At::Model => self.text(byte),
            }
        }
    }

    fn structure(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'"' if self.depth == 1 && self.model_next => {
                self.at = At::Model;
                out.extend_from_slice(self.name);
                return;
            }
            b'"' if self.depth == 1 && self.key_next => {
                self.at = At::Key;
                self.key.clear();
            }
            b'"' => self.at = At::Text,
            b'{' | b'[' => {
                self.depth += 1;
                self.key_next = byte == b'{';
                self.model_next = false;
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' => {
                self.key_next = true;
                self.model_next = false;
            }
            _ => {}
        }
        out.push(byte);
    }

    fn text(&mut self, byte: u8) {
        if byte == b'"' && !self.is_escaped {
            self.end();
            return;
        }
        self.is_escaped = byte == b'\\' && !self.is_escaped;
        if self.at == At::Key && self.key.len() <= KEY_BYTES_MAX {
            self.key.push(byte);
        }
    }

    fn end(&mut self) {
        if self.at == At::Key {
            self.key_next = false;
            self.model_next = is_model(&self.key);
        } else if self.at == At::Model {
            self.model_next = false;
        }
        self.at = At::Structure;
    }
}

/// Whether a raw key, without its quotes, reads `model`.
fn is_model(raw: &[u8]) -> bool {
    if raw == b"model" {
        return true;
    }
    if !raw.contains(&b'\\') || raw.len() > KEY_BYTES_MAX {
        return false;
    }
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).is_ok_and(|key| key == "model")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a body at once and cut at every place.
    fn check(body: &str, expected: &str) {
        for cut in 0..=body.len() {
            let (front, back) = body.as_bytes().split_at(cut);
            let mut splice = ModelSplice::new(br#""new""#);
            let mut out = Vec::new();
            splice.push(front, &mut out);
            splice.push(back, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "cut at {cut}");
        }
    }

    #[test]
    fn only_the_models_value_changes() {
        check(
            r#"{ "a" : 1.50, "model" : "old" , "z":"ü\n" }"#,
            r#"{ "a" : 1.50, "model" : "new" , "z":"ü\n" }"#,
        );
        check(r#"{"model":"o\"l\\d","x":[]}"#, r#"{"model":"new","x":[]}"#);
    }

    #[test]
    fn every_model_of_the_top_level_changes() {
        check(
            r#"{"model":"a","model":"b"}"#,
            r#"{"model":"new","model":"new"}"#,
        );
        check(r#"{"m\u006fdel":"a"}"#, r#"{"m\u006fdel":"new"}"#);
        check(
            r#"{"\u006d\u006f\u0064\u0065\u006c":"a"}"#,
            r#"{"\u006d\u006f\u0064\u0065\u006c":"new"}"#,
        );
    }

    #[test]
    fn what_only_looks_like_the_model_stays() {
        for body in [
            r#"{"x":{"model":"a"},"y":["model","a"],"z":"model"}"#,
            r#"{"messages":[{"model":"a","content":"{\"model\":\"a\"}"}]}"#,
            r#"{"models":"a","Model":"a","model\u0000":"a","model_":"a"}"#,
            r#"{"model":null,"x":"a"}"#,
            r#"{"model":["a"],"x":"a"}"#,
            r#"{"model":{"model":"a"},"x":"a"}"#,
            r#"["model","a"]"#,
            r#""model""#,
        ] {
            check(body, body);
        }
    }

    #[test]
    fn a_value_after_a_nested_one_is_found() {
        check(
            r#"{"a":{"b":[1,{"c":"}"}]},"model":"x","d":["]"]}"#,
            r#"{"a":{"b":[1,{"c":"}"}]},"model":"new","d":["]"]}"#,
        );
    }
}
