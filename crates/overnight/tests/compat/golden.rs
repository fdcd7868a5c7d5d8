//! What a row expects: the whole answer, its head and every byte of its body.

use crate::answer::Answer;
use crate::json::pretty;
use crate::pattern::Known;

/// The headers of every answer.
pub(crate) const GROUND: [(&str, &str); 7] = [
    ("x-request-id", "«request»"),
    ("openai-processing-ms", "«int»"),
    ("openai-version", "2020-10-01"),
    ("openai-organization", "overnight"),
    ("openai-project", "default"),
    (
        "strict-transport-security",
        "max-age=31536000; includeSubDomains; preload",
    ),
    ("x-content-type-options", "nosniff"),
];

/// Headers that belong to the connection and say nothing of the answer.
const OF_THE_CONNECTION: [&str; 3] = ["date", "connection", "content-length"];

/// One whole expected answer.
#[derive(Clone)]
pub(crate) struct Golden {
    pub(crate) status: u16,
    /// Values are patterns.
    headers: Vec<(String, String)>,
    body: Expected,
    /// What the document says about the body.
    shown: String,
}

#[derive(Clone)]
enum Expected {
    /// The text of this pattern.
    Text(String),
    /// These bytes.
    Bytes(Vec<u8>),
    /// Lines of these patterns, each once, in any order.
    Lines(Vec<String>),
}

/// How JSON is laid out.
#[derive(Clone, Copy)]
enum Layout {
    Pretty,
    PrettyLine,
    Compact,
}

impl Golden {
    fn json(status: u16, layout: Layout, body: &str, shown: String) -> Self {
        let text = match layout {
            Layout::Pretty => pretty(body),
            Layout::PrettyLine => pretty(body) + "\n",
            Layout::Compact => body.to_owned(),
        };
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Expected::Text(text),
            shown,
        }
    }

    /// The same with a header, in the place of one of that name.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same with another status.
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same, its body called otherwise in the document.
    pub(crate) fn shown(mut self, shown: impl Into<String>) -> Self {
        self.shown = shown.into();
        self
    }

    /// The answer as the document tells it.
    pub(crate) fn told(&self) -> String {
        let headers = self
            .headers
            .iter()
            .filter(|(name, value)| {
                (name.as_str(), value.as_str()) != ("content-type", "application/json")
            })
            .map(|(name, value)| format!(" `{name}: {value}`"));
        let headers: String = headers.collect();
        format!("{}{headers} {}", self.status, self.shown)
    }

    /// Compares an answer with it.
    pub(crate) fn compare(&self, answer: &Answer, known: &mut Known) -> Result<(), String> {
        if answer.status != self.status {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(format!(
                "status {}, not {}: {body}",
                answer.status, self.status
            ));
        }
        for (name, pattern) in self.judged() {
            let value = answer
                .header(name)
                .ok_or_else(|| format!("no header {name}"))?;
            known
                .compare(pattern, value)
                .map_err(|why| format!("header {name}: {why}"))?;
        }
        let mut others = answer.headers.iter().map(|(name, _)| name.as_str());
        if let Some(name) = others.find(|name| !self.knows(name)) {
            return Err(format!("nobody expected the header {name}"));
        }
        self.compare_body(answer, known)
    }

    /// The headers that are compared.
    pub(crate) fn judged(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.headers.iter();
        let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
        let is_own = |name: &str| self.headers.iter().any(|(own, _)| own == name);
        let ground = GROUND.into_iter().filter(move |(name, _)| !is_own(name));
        ground.chain(own)
    }

    fn knows(&self, name: &str) -> bool {
        OF_THE_CONNECTION.contains(&name) || self.judged().any(|(known, _)| known == name)
    }

    fn compare_body(&self, answer: &Answer, known: &mut Known) -> Result<(), String> {
        match &self.body {
            Expected::Text(pattern) => known.compare(pattern, answer.text()?),
            Expected::Bytes(bytes) if *bytes == answer.body => Ok(()),
            Expected::Bytes(bytes) => Err(format!(
                "{} other bytes than the {} expected",
                answer.body.len(),
                bytes.len()
            )),
            Expected::Lines(patterns) => lines(patterns, answer.text()?, known),
        }
    }
}

/// Finds the line of each pattern.
fn lines(patterns: &[String], text: &str, known: &mut Known) -> Result<(), String> {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    for pattern in patterns {
        let pattern = format!("{pattern}\n");
        let mut reasons = Vec::new();
        let found = lines.iter().position(|line| {
            let mut names = known.clone();
            let compared = names.compare(&pattern, line);
            let matches = compared.is_ok();
            if let Err(why) = compared {
                reasons.push(why);
            } else {
                *known = names;
            }
            matches
        });
        let found = found.ok_or_else(|| format!("no line is {pattern:?}: {reasons:?}"))?;
        lines.remove(found);
    }
    match lines.first() {
        None => Ok(()),
        Some(line) => Err(format!("nobody expected the line {line:?}")),
    }
}

// === The answers of the service ===

/// JSON as most routes lay it out.
pub(crate) fn json(body: &str) -> Golden {
    Golden::json(200, Layout::Pretty, body, format!("`{body}`"))
}

/// JSON as the Files API lays it out.
pub(crate) fn files_json(body: &str) -> Golden {
    Golden::json(200, Layout::PrettyLine, body, format!("`{body}`"))
}

/// JSON without white space.
pub(crate) fn compact_json(body: &str) -> Golden {
    Golden::json(200, Layout::Compact, body, format!("`{body}`"))
}

/// Bytes, of that type.
pub(crate) fn bytes(content_type: &str, body: impl Into<Vec<u8>>) -> Golden {
    let body = body.into();
    Golden {
        status: 200,
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        shown: format!("{} bytes, the same", body.len()),
        body: Expected::Bytes(body),
    }
}

/// A result file with these lines, in any order.
pub(crate) fn result_lines(filename: &str, etag: &str, lines: &[String]) -> Golden {
    let shown: Vec<String> = lines.iter().map(|line| format!("`{line}`")).collect();
    let golden = Golden {
        status: 200,
        headers: Vec::new(),
        shown: format!("the lines {}", shown.join(" and ")),
        body: Expected::Lines(lines.to_vec()),
    };
    download(golden, filename, etag)
}

/// The headers of a file's content.
pub(crate) fn download(golden: Golden, filename: &str, id: &str) -> Golden {
    golden
        .header("content-type", "application/octet-stream")
        .header(
            "content-disposition",
            format!("attachment; filename=\"{filename}\""),
        )
        .header("accept-ranges", "bytes")
        .header("etag", format!("\"«{id}»\""))
}

/// What is wrong with a request.
#[derive(Clone, Copy)]
pub(crate) struct Refusal<'a> {
    pub(crate) status: u16,
    pub(crate) message: &'a str,
    /// Whose error it is.
    kind: &'static str,
    pub(crate) param: Option<&'a str>,
    pub(crate) code: Option<&'a str>,
}

impl<'a> Refusal<'a> {
    /// A refusal without param and code.
    pub(crate) const fn new(status: u16, message: &'a str) -> Self {
        Self {
            status,
            message,
            kind: "invalid_request_error",
            param: None,
            code: None,
        }
    }

    /// The same as an error of the server.
    pub(crate) const fn server(mut self) -> Self {
        self.kind = "server_error";
        self
    }

    /// The same about a parameter.
    pub(crate) const fn param(mut self, param: &'a str) -> Self {
        self.param = Some(param);
        self
    }

    /// The same with a code.
    pub(crate) const fn code(mut self, code: &'a str) -> Self {
        self.code = Some(code);
        self
    }

    fn error(self) -> String {
        format!(
            r#""error":{{"message":{},"type":"{}","param":{},"code":{}}}"#,
            quoted(Some(self.message)),
            self.kind,
            quoted(self.param),
            quoted(self.code)
        )
    }

    /// The answer of most routes.
    pub(crate) fn golden(self) -> Golden {
        let body = format!("{{{}}}", self.error());
        Golden::json(self.status, Layout::Pretty, &body, format!("`{body}`"))
    }

    /// The answer of the Files API, which says it twice.
    pub(crate) fn files(self) -> Golden {
        let (message, code) = (quoted(Some(self.message)), quoted(self.code));
        let detail = format!(r#""detail":{{"message":{message},"code":{code}}}"#);
        let body = format!("{{{},{detail}}}", self.error());
        Golden::json(self.status, Layout::Pretty, &body, format!("`{body}`"))
    }
}

/// A text as JSON, or `null`.
pub(crate) fn quoted(text: Option<&str>) -> String {
    text.map_or_else(
        || "null".to_owned(),
        |text| serde_json::json!(text).to_string(),
    )
}
