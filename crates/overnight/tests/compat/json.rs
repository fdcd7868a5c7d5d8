//! Where the values of a JSON text stand, found by hand: what is compared byte for byte, cut out or
//! changed must not have gone through a library that reads and writes it anew.

use std::fmt::Write as _;
use std::ops::Range;

/// A value, and what is in it.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its bytes.
    pub(crate) span: Range<usize>,
    /// The members of an object or the elements of an array.
    pub(crate) children: Vec<Child>,
}

/// A member of an object, or an element of an array.
#[derive(Debug)]
pub(crate) struct Child {
    /// The key of a member, as it is written.
    pub(crate) key: Option<String>,
    /// From its first byte (the quote of its key) to its last.
    pub(crate) span: Range<usize>,
    /// Its value.
    pub(crate) value: Node,
}

impl Node {
    /// The member of that key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let child = self
            .children
            .iter()
            .find(|child| child.key.as_deref() == Some(key));
        child.map(|child| &child.value)
    }
}

/// Takes a text apart; `None` when it is not one JSON value.
pub(crate) fn scan(text: &[u8]) -> Option<Node> {
    let mut scanner = Scanner { text, at: 0 };
    let node = scanner.value()?;
    scanner.space();
    (scanner.at == text.len()).then_some(node)
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.space();
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn value(&mut self) -> Option<Node> {
        self.space();
        let start = self.at;
        let children = match self.peek()? {
            b'{' => self.list(b'}')?,
            b'[' => self.list(b']')?,
            b'"' => {
                self.string()?;
                Vec::new()
            }
            _ => {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
                while self.peek().is_some_and(is_plain) {
                    self.at += 1;
                }
                Vec::new()
            }
        };
        let span = start..self.at;
        (!span.is_empty()).then_some(Node { span, children })
    }

    fn string(&mut self) -> Option<Range<usize>> {
        self.take(b'"')?;
        let start = self.at;
        while self.peek()? != b'"' {
            self.at += if self.peek() == Some(b'\\') { 2 } else { 1 };
        }
        self.at += 1;
        Some(start..self.at - 1)
    }

    fn list(&mut self, end: u8) -> Option<Vec<Child>> {
        self.at += 1;
        let mut children = Vec::new();
        if self.take(end).is_some() {
            return Some(children);
        }
        loop {
            self.space();
            let start = self.at;
            let key = match end {
                b'}' => {
                    let key = self.string()?;
                    self.take(b':')?;
                    Some(String::from_utf8(self.text[key].to_vec()).ok()?)
                }
                _ => None,
            };
            let value = self.value()?;
            let span = start..self.at;
            children.push(Child { key, span, value });
            if self.take(b',').is_none() {
                self.take(end)?;
                return Some(children);
            }
        }
    }
}

/// Lays compact JSON out as the service does: two spaces a level, one after a colon.
pub(crate) fn pretty(compact: &str) -> String {
    let (mut out, mut depth, mut in_text, mut escaped) = (String::new(), 0, false, false);
    let mut chars = compact.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n{:1$}", "", depth * 2);
    };
    while let Some(c) = chars.next() {
        if in_text {
            out.push(c);
            in_text = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '{' | '[' if chars.peek().is_some_and(|next| matches!(next, '}' | ']')) => {
                out.push(c);
                out.extend(chars.next());
            }
            '{' | '[' => {
                depth += 1;
                out.push(c);
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                in_text = true;
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

#[test]
fn values_are_found_where_they_stand() {
    let text = br#" { "a\"b" : [1, {"c":"}]"} , -2.5e3 ] ,"d":null} "#;
    let root = scan(text).unwrap();
    let list = root.get(r#"a\"b"#).unwrap();
    assert_eq!(&text[list.span.clone()], br#"[1, {"c":"}]"} , -2.5e3 ]"#);
    let inner = list.children[1].value.get("c").unwrap();
    assert_eq!(&text[inner.span.clone()], br#""}]""#);
    assert_eq!(&text[root.get("d").unwrap().span.clone()], b"null");
    for broken in ["", "{", "[1,]", r#"{"a"}"#, "1 2", r#""a"#] {
        assert!(scan(broken.as_bytes()).is_none(), "{broken}");
    }
}

#[test]
fn the_layout_is_that_of_the_service() {
    let compact = r#"{"a":[],"b":{"c":[1,{"d":"[{,:\\\"}]"}]},"e":{},"f":null}"#;
    let value: serde_json::Value = serde_json::from_str(compact).unwrap();
    assert_eq!(
        pretty(compact),
        serde_json::to_string_pretty(&value).unwrap()
    );
}
