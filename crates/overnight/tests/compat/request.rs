//! What a row sends. Paths, headers and texts are patterns, so that a row reads the same in every
//! run and its line in the document says what was asked.

use std::io::{self, Write};

use crate::pattern::Known;

/// What separates the parts of a form.
const BOUNDARY: &str = "overnight-compat-7MA4YWxkTrZu0gW";

/// One request.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    /// A pattern.
    pub(crate) path: String,
    /// Values are patterns.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    /// Whether the body comes in chunks, its length untold.
    pub(crate) chunked: bool,
    /// What the document says about the body.
    shown: String,
}

/// The body of a request.
#[derive(Clone)]
pub(crate) enum Body {
    None,
    /// A pattern.
    Text(String),
    Raw(Vec<u8>),
    /// Too long to be held.
    Long(Long),
    /// A form around a file that takes time to make, and so is made only when it is sent.
    Made(Made),
}

/// A file that is made when it is sent.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    /// What tells it from every other one.
    pub(crate) name: &'static str,
    pub(crate) content: fn() -> String,
}

/// A body that is made while it is sent.
#[derive(Clone, Copy)]
pub(crate) struct Long {
    /// What tells it from every other one.
    pub(crate) name: &'static str,
    /// How many bytes `write` writes.
    pub(crate) bytes: fn() -> u64,
    pub(crate) write: fn(&mut dyn Write) -> io::Result<()>,
}

impl Request {
    fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Body::None,
            chunked: false,
            shown: String::new(),
        }
    }

    /// The same with a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    /// The same, its body in chunks.
    pub(crate) fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// The same with a body, which the document calls `shown`.
    pub(crate) fn body(mut self, body: Body, shown: impl Into<String>) -> Self {
        self.body = body;
        self.shown = shown.into();
        self
    }

    /// The request as the document tells it.
    pub(crate) fn told(&self) -> String {
        let headers = self
            .headers
            .iter()
            .filter(|(name, _)| *name != "content-type")
            .map(|(name, value)| format!(" `{name}: {value}`"));
        let headers: String = headers.collect();
        let shown = match self.shown.as_str() {
            "" => String::new(),
            shown => format!(" {shown}"),
        };
        format!("`{} {}`{headers}{shown}", self.method, self.path)
    }

    /// The request with its names filled in, as far as a replay compares it.
    pub(crate) fn digest(&self, known: &Known) -> Result<String, String> {
        let body = match &self.body {
            Body::None => String::new(),
            Body::Text(text) => known.fill(text)?,
            Body::Raw(bytes) => format!("{} bytes", bytes.len()),
            Body::Long(Long { name, .. }) | Body::Made(Made { name, .. }) => (*name).to_owned(),
        };
        let path = known.fill(&self.path)?;
        let mut digest = format!("{} {path}\n{body}", self.method);
        for (name, value) in &self.headers {
            digest.push_str(name);
            digest.push_str(&known.fill(value)?);
        }
        Ok(digest)
    }
}

/// `GET` of a path.
pub(crate) fn get(path: impl Into<String>) -> Request {
    Request::new("GET", path)
}

/// `HEAD` of a path.
pub(crate) fn head(path: impl Into<String>) -> Request {
    Request::new("HEAD", path)
}

/// `DELETE` of a path.
pub(crate) fn delete(path: impl Into<String>) -> Request {
    Request::new("DELETE", path)
}

/// `POST` without a body.
pub(crate) fn post(path: impl Into<String>) -> Request {
    Request::new("POST", path)
}

/// `POST` of a JSON text.
pub(crate) fn post_json(path: impl Into<String>, json: impl Into<String>) -> Request {
    let json = json.into();
    let shown = match json.chars().count() {
        0..=300 => format!("`{json}`"),
        many => format!("a body of {many} characters"),
    };
    Request::new("POST", path)
        .header("content-type", "application/json")
        .body(Body::Text(json), shown)
}

/// A form, part by part.
#[derive(Clone, Default)]
pub(crate) struct Form {
    bytes: Vec<u8>,
    told: Vec<String>,
}

impl Form {
    /// A field.
    pub(crate) fn field(self, name: &str, value: &str) -> Self {
        self.part(
            &format!("Content-Disposition: form-data; name=\"{name}\"\r\n"),
            value.as_bytes(),
            format!("`{name}={value}`"),
        )
    }

    /// The part with the file.
    pub(crate) fn file(self, filename: &str, content: impl AsRef<[u8]>) -> Self {
        self.part(
            &format!(
                "Content-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n\
                 Content-Type: application/octet-stream\r\n"
            ),
            content.as_ref(),
            format!("the file `{filename}`"),
        )
    }

    /// A part with any head.
    pub(crate) fn part(mut self, head: &str, body: &[u8], told: impl Into<String>) -> Self {
        self.bytes
            .extend_from_slice(format!("--{BOUNDARY}\r\n{head}\r\n").as_bytes());
        self.bytes.extend_from_slice(body);
        self.bytes.extend_from_slice(b"\r\n");
        self.told.push(told.into());
        self
    }

    /// The request that sends it to a path.
    pub(crate) fn post(mut self, path: &str) -> Request {
        self.bytes
            .extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let shown = format!("with {}", self.told.join(", "));
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        Request::new("POST", path)
            .header("content-type", content_type)
            .body(Body::Raw(self.bytes), shown)
    }

    /// The request that uploads it.
    pub(crate) fn upload(self) -> Request {
        self.post("/v1/files")
    }
}

/// The upload of a file for a batch.
pub(crate) fn batch_file(filename: &str, content: impl AsRef<[u8]>) -> Request {
    Form::default()
        .field("purpose", "batch")
        .file(filename, content)
        .upload()
}

/// The beginning and the end of a form around a long file.
pub(crate) fn form_ends(filename: &str) -> (String, String) {
    let begin = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
         --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; \
         filename=\"{filename}\"\r\n\r\n"
    );
    (begin, format!("\r\n--{BOUNDARY}--\r\n"))
}

/// The upload of a file that is made when it is sent.
pub(crate) fn made_upload(made: Made) -> Request {
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    Request::new("POST", "/v1/files")
        .header("content-type", content_type)
        .body(Body::Made(made), format!("with {}", made.name))
}

/// The upload of a long file, whose body is the whole form.
pub(crate) fn long_upload(long: Long, shown: &str) -> Request {
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    Request::new("POST", "/v1/files")
        .header("content-type", content_type)
        .body(Body::Long(long), shown)
}
