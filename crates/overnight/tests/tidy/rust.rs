//! Rust text taken apart as far as the rules need it: code, comments and strings, line by line.

use super::tree::{File, files};

/// One file of Rust.
pub(crate) struct Source {
    /// Its path from the root.
    pub(crate) path: String,
    /// Its lines.
    pub(crate) lines: Vec<Line>,
}

/// One line, taken apart.
#[derive(Default)]
pub(crate) struct Line {
    /// Its number, from 1.
    pub(crate) number: usize,
    /// What is neither comment nor within a string.
    pub(crate) code: String,
    /// The text of its comments.
    pub(crate) comment: String,
    /// What stands within its strings.
    pub(crate) strings: String,
    /// How many columns it has.
    pub(crate) columns: usize,
    /// Whether it is there only for tests.
    pub(crate) is_test: bool,
}

/// Every Rust file of the project.
pub(crate) fn sources() -> Vec<Source> {
    files("rs").into_iter().map(Source::of).collect()
}

impl Source {
    fn of(file: File) -> Self {
        let File { path, text } = file;
        let in_test_file = path.contains("/tests/")
            || path.ends_with("/tests.rs")
            || path.contains("/conformance")
            || path.starts_with("crates/testkit/");
        let mut lines = take_apart(&text);
        let tests = lines.windows(2).position(|pair| match pair {
            [one, next] => one.code.trim() == "#[cfg(test)]" && next.code.ends_with('{'),
            _ => false,
        });
        for line in &mut lines {
            line.is_test = in_test_file || tests.is_some_and(|first| line.number > first);
        }
        Self { path, lines }
    }

    /// Its room: the folder below `crates`.
    pub(crate) fn room(&self) -> &str {
        self.path.split('/').nth(1).unwrap_or_default()
    }

    /// The lines that are part of the product.
    pub(crate) fn product(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !line.is_test)
    }

    /// Where a line is, as compilers write it.
    pub(crate) fn place(&self, line: &Line) -> String {
        format!("{}:{}", self.path, line.number)
    }
}

/// What the next character belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    Code,
    LineComment,
    /// Comments nest: how deep it is.
    BlockComment(u32),
    Text,
    /// A raw string ends with a quote and so many hashes.
    RawText(usize),
}

fn take_apart(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = In::Code;
    for (index, whole) in text.lines().enumerate() {
        let columns = whole.chars().count();
        let mut line = Line {
            number: index + 1,
            columns,
            ..Line::default()
        };
        let mut rest = whole;
        while let Some(next) = rest.chars().next() {
            let taken;
            (at, taken) = step(at, rest, &line.code);
            let part = match at {
                In::Code => &mut line.code,
                In::LineComment | In::BlockComment(_) => &mut line.comment,
                In::Text | In::RawText(_) => &mut line.strings,
            };
            let taken = taken.max(next.len_utf8());
            part.push_str(&rest[..taken]);
            rest = &rest[taken..];
        }
        if at == In::LineComment {
            at = In::Code;
        }
        lines.push(line);
    }
    lines
}

/// Where the next bytes belong, and how many they are; 0 stands for one character.
fn step(at: In, rest: &str, code: &str) -> (In, usize) {
    match at {
        In::LineComment => (In::LineComment, rest.len()),
        In::BlockComment(depth) if rest.starts_with("/*") => (In::BlockComment(depth + 1), 2),
        In::BlockComment(1) if rest.starts_with("*/") => (In::Code, 2),
        In::BlockComment(depth) if rest.starts_with("*/") => (In::BlockComment(depth - 1), 2),
        In::Text if rest.starts_with('\\') => {
            (In::Text, rest.chars().take(2).map(char::len_utf8).sum())
        }
        In::Text if rest.starts_with('"') => (In::Code, 1),
        In::RawText(hashes) if rest.starts_with(&closing(hashes)) => (In::Code, hashes + 1),
        In::Code if rest.starts_with("//") => (In::LineComment, rest.len()),
        In::Code if rest.starts_with("/*") => (In::BlockComment(1), 2),
        In::Code if rest.starts_with('"') => match raw_hashes(code) {
            Some(hashes) => (In::RawText(hashes), 1),
            None => (In::Text, 1),
        },
        In::Code if rest.starts_with('\'') => (In::Code, char_literal(rest)),
        In::Code | In::BlockComment(_) | In::Text | In::RawText(_) => (at, 0),
    }
}

fn closing(hashes: usize) -> String {
    format!("\"{}", "#".repeat(hashes))
}

/// How many hashes a raw string has whose `r##` was just read; `None` for a plain string.
fn raw_hashes(code: &str) -> Option<usize> {
    let prefix = code.trim_end_matches('#');
    let before = prefix.strip_suffix('r')?;
    let before = before.strip_suffix(['b', 'c']).unwrap_or(before);
    let is_word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    (!is_word).then(|| code.len() - prefix.len())
}

/// The length of a character literal; 1 when the quote begins a lifetime.
fn char_literal(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[2..]
            .char_indices()
            .skip(1)
            .find(|(_, c)| *c == '\'')
            .map_or(1, |(at, _)| at + 3),
        Some(_) => chars
            .next()
            .filter(|(_, c)| *c == '\'')
            .map_or(1, |(at, _)| at + 1),
        None => 1,
    }
}

/// The names that a line of code declares.
pub(crate) fn declared(code: &str) -> Vec<&str> {
    const KEYWORDS: [&str; 8] = [
        "fn", "struct", "enum", "trait", "type", "mod", "const", "static",
    ];
    let words: Vec<&str> = code
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let pairs = words.windows(2).filter(|pair| KEYWORDS.contains(&pair[0]));
    pairs
        .map(|pair| pair[1])
        .filter(|name| !KEYWORDS.contains(name))
        .collect()
}

#[test]
fn rust_is_taken_apart_into_code_comments_and_strings() {
    let text = "let a = \"x // y\"; // why \"q\"\nlet c = '\"'; /* a\nb */ let l: &'a str = r#\"s\"t\"#;\n";
    let lines = take_apart(text);
    let parts: Vec<(&str, &str, &str)> = lines
        .iter()
        .map(|line| {
            (
                line.code.as_str(),
                line.comment.as_str(),
                line.strings.as_str(),
            )
        })
        .collect();
    assert_eq!(
        parts,
        [
            ("let a = \"; ", "// why \"q\"", "\"x // y"),
            ("let c = '\"'; ", "/* a", ""),
            ("*/ let l: &'a str = r#\"#;", "b ", "\"s\"t"),
        ]
    );
    assert_eq!(declared("pub(crate) const fn whole(value: f64)"), ["whole"]);
    assert_eq!(declared("let x = '\\'';"), Vec::<&str>::new());
}
