//! Header values that are a word and parameters: `form-data; name="file";
//! filename*=utf-8''a.jsonl`. Clients write them quoted or not, and some write a file's name twice.

use percent_encoding::percent_decode;

use crate::errors::ApiError;
use crate::params::too_long;

/// How many characters the name of a file may have.
pub(crate) const FILENAME_CHARS_MAX: usize = 512;

/// The word and its parameters.
#[derive(Debug)]
pub(super) struct Parameters {
    /// In lower case.
    pub(super) word: String,
    parameters: Vec<(String, Vec<u8>)>,
}

impl Parameters {
    /// Reads a header value. What is not a parameter is passed over.
    pub(super) fn parse(value: &[u8]) -> Self {
        let mut pieces = split(value).into_iter();
        let word = pieces
            .next()
            .map(|word| lower(word.trim_ascii()))
            .unwrap_or_default();
        let parameters = pieces
            .filter_map(|piece| {
                let equals = piece.iter().position(|byte| *byte == b'=')?;
                let (name, rest) = piece.split_at(equals);
                Some((
                    lower(name.trim_ascii()),
                    unquoted(rest.get(1..)?.trim_ascii()),
                ))
            })
            .collect();
        Self { word, parameters }
    }

    /// A parameter as text; bytes that are not UTF-8 are replaced.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.raw(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The base name of the file, of `filename*` when both forms are there.
    pub(super) fn filename(&self) -> Option<String> {
        let name = self
            .extended("filename*")
            .or_else(|| self.get("filename"))?;
        base_name(&name)
    }

    /// A parameter of the form `utf-8'language'percent-encoded`.
    fn extended(&self, name: &str) -> Option<String> {
        let mut parts = self.raw(name)?.splitn(3, |byte| *byte == b'\'');
        let charset = parts.next()?;
        let text = parts.nth(1)?;
        if !charset.eq_ignore_ascii_case(b"utf-8") {
            return None;
        }
        Some(percent_decode(text).decode_utf8_lossy().into_owned())
    }

    fn raw(&self, name: &str) -> Option<&[u8]> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_slice())
    }
}

/// What stands behind the last folder of a path, of whichever system, if anything does.
pub(crate) fn base_name(path: &str) -> Option<String> {
    let base = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let base: String = base.chars().filter(|char| !char.is_control()).collect();
    Some(base).filter(|base| !base.is_empty())
}

/// Refuses the name of a file that is too long: a download sends it back in a header, of which
/// clients take no more than some thousand bytes.
pub(crate) fn refuse_long(filename: &str) -> Result<(), ApiError> {
    let chars = filename.chars().count();
    if chars > FILENAME_CHARS_MAX {
        return Err(too_long("filename", FILENAME_CHARS_MAX, chars));
    }
    Ok(())
}

/// Splits at semicolons that are not quoted.
fn split(value: &[u8]) -> Vec<&[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    value
        .split(|byte| {
            let ends = *byte == b';' && !quoted;
            if *byte == b'"' && !escaped {
                quoted = !quoted;
            }
            escaped = quoted && *byte == b'\\' && !escaped;
            ends
        })
        .collect()
}

/// Takes the quotes off. A backslash escapes only a quote or a backslash: some clients put the
/// path of a file there as it is.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
    else {
        return value.to_vec();
    };
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().peekable();
    while let Some(byte) = bytes.next() {
        let escapes = *byte == b'\\' && matches!(bytes.peek(), Some(b'"' | b'\\'));
        text.push(if escapes {
            bytes.next().copied().unwrap_or(*byte)
        } else {
            *byte
        });
    }
    text
}

fn lower(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filename(value: &str) -> Option<String> {
        Parameters::parse(value.as_bytes()).filename()
    }

    #[test]
    fn a_filename_is_read_in_every_form_that_clients_send() {
        let name = |text: &str| Some(text.to_owned());
        assert_eq!(
            filename(r#"form-data; name="file"; filename="a;b.jsonl""#),
            name("a;b.jsonl")
        );
        assert_eq!(
            filename("form-data; name=file; filename=a.jsonl"),
            name("a.jsonl")
        );
        assert_eq!(
            filename("form-data; filename=a; filename*=utf-8''%E4%BD%A0%E5%A5%BD.txt"),
            name("你好.txt")
        );
        assert_eq!(
            filename(r#"form-data; filename="你好.txt""#),
            name("你好.txt")
        );
        assert_eq!(
            filename(r#"form-data; filename="a\"b.jsonl""#),
            name("a\"b.jsonl")
        );
        assert_eq!(
            filename(r#"form-data; filename="C:\tmp\in.jsonl""#),
            name("in.jsonl")
        );
        assert_eq!(
            filename(r#"form-data; filename="../../etc/in.jsonl""#),
            name("in.jsonl")
        );
        assert_eq!(filename(r#"form-data; name="file"; filename="""#), None);
    }
}
