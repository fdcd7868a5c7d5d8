//! What can be wrong with a line, and the wire's words for it.

use std::borrow::Cow;

use super::DEPTH_MAX;
use super::splitter::LineTooLong;
use super::token::Kind;
use crate::batch::{InputError, InputErrorCode as Code};
use crate::endpoint::{Endpoint, Required};

/// How many characters of a value are quoted in a message.
pub const QUOTED_CHARS_MAX: usize = 200;

/// The first thing that is wrong with a line, in the order of the checks.
#[derive(Debug)]
pub(super) enum Fault<'a> {
    /// The line has more bytes than a line may have.
    TooLong(LineTooLong),
    /// Its number does not fit a plan entry.
    Number,
    /// It is not a JSON object in UTF-8.
    NotJson,
    /// Its body is nested too deeply.
    TooDeep,
    /// It lacks a key.
    Missing(&'static str),
    /// A key has a value of another type.
    WrongType {
        param: &'static str,
        expected: Kind,
        got: Kind,
    },
    /// Its method is not POST.
    Method(Cow<'a, str>),
    /// Its url is not the endpoint.
    Url,
    /// An earlier line has its `custom_id`.
    Duplicate(Cow<'a, str>),
    /// It names no model.
    NoModel,
    /// It lacks what its endpoint needs beside the model.
    NoContent(Required),
    /// Nobody serves its model.
    UnknownModel(Cow<'a, str>),
    /// Its model is not that of the lines before.
    OtherModel(Cow<'a, str>),
    /// Its model is one more than a file may name.
    OneModelTooMany { model: Cow<'a, str>, max: usize },
    /// It asks for a streamed answer of that kind of endpoint.
    Streaming(Endpoint),
}

impl Fault<'_> {
    /// The entry of the batch's list of errors.
    pub(super) fn into_error(self, line: u64) -> InputError {
        InputError {
            code: self.code(),
            message: self.message(),
            param: self.param().map(str::to_owned),
            line: Some(line),
        }
    }

    const fn code(&self) -> Code {
        match self {
            Self::NotJson | Self::TooDeep => Code::InvalidJsonLine,
            Self::Missing(_) => Code::MissingRequiredParameter,
            Self::WrongType { .. } => Code::InvalidType,
            Self::Method(_) => Code::InvalidMethod,
            Self::Url => Code::InvalidUrl,
            Self::Duplicate(_) => Code::DuplicateCustomId,
            Self::TooLong(_)
            | Self::Number
            | Self::NoModel
            | Self::NoContent(_)
            | Self::OneModelTooMany { .. } => Code::InvalidRequest,
            Self::UnknownModel(_) => Code::ModelNotFound,
            Self::OtherModel(_) => Code::MismatchedModel,
            Self::Streaming(_) => Code::StreamingUnsupported,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::TooLong(LineTooLong { length, max }) => {
                format!("This line has {length} bytes, which exceeds the maximum of {max}.")
            }
            Self::Number => {
                format!(
                    "The number of this line exceeds the maximum of {}.",
                    u32::MAX
                )
            }
            Self::NotJson => "This line is not parseable as valid JSON.".to_owned(),
            Self::TooDeep => format!(
                "This line is not parseable as valid JSON: its body is nested deeper than \
                 {DEPTH_MAX} levels."
            ),
            Self::Missing(key) => format!("Missing required parameter: '{key}'."),
            Self::WrongType {
                param,
                expected,
                got,
            } => format!(
                "Invalid type for '{param}': expected {}, but got {} instead.",
                expected.words(),
                got.words()
            ),
            Self::Method(method) => {
                format!(
                    "Invalid method: '{}'. Only 'POST' is supported.",
                    quoted(method)
                )
            }
            Self::Url => {
                "The URL provided for this request does not match the batch endpoint.".to_owned()
            }
            Self::Duplicate(custom_id) => format!(
                "The custom_id '{}' for this request is a duplicate of another request. The \
                 custom_id parameter must be unique for each request in a batch.",
                quoted(custom_id)
            ),
            Self::NoModel => "Model parameter is required.".to_owned(),
            Self::NoContent(required) => content(*required).1.to_owned(),
            Self::UnknownModel(model) => format!(
                "The provided model '{}' is not supported by the Batch API.",
                quoted(model)
            ),
            Self::OtherModel(model) => format!(
                "The model '{}' for this request does not match the rest of the batch. Each batch \
                 must contain requests for a single model.",
                quoted(model)
            ),
            Self::OneModelTooMany { model, max } => format!(
                "The model '{}' for this request is one too many: the requests of a batch may \
                 name at most {max} different models.",
                quoted(model)
            ),
            Self::Streaming(endpoint) => {
                format!(
                    "{}: Streaming is not supported in the Batch API.",
                    title(endpoint)
                )
            }
        }
    }

    const fn param(&self) -> Option<&'static str> {
        match self {
            Self::TooLong(_) | Self::Number | Self::NotJson | Self::TooDeep => None,
            Self::Missing(param) | Self::WrongType { param, .. } => Some(param),
            Self::Method(_) => Some("method"),
            Self::Url => Some("url"),
            Self::Duplicate(_) => Some("custom_id"),
            Self::NoContent(required) => Some(content(*required).0),
            Self::NoModel
            | Self::UnknownModel(_)
            | Self::OtherModel(_)
            | Self::OneModelTooMany { .. } => Some("body.model"),
            Self::Streaming(_) => Some("body.stream"),
        }
    }
}

/// Parameter and message for a body that lacks its content.
const fn content(required: Required) -> (&'static str, &'static str) {
    match required {
        Required::Messages => ("body.messages", "Messages parameter is required."),
        Required::Input => ("body.input", "Input parameter is required."),
        Required::Prompt => ("body.prompt", "Prompt parameter is required."),
        Required::Nothing => ("body", "Body parameter is required."),
    }
}

/// What OpenAI calls the requests of an endpoint; the path of one that a setting added.
fn title(endpoint: &Endpoint) -> &str {
    match endpoint.as_str() {
        "/v1/chat/completions" => "Chat Completions",
        "/v1/completions" => "Completions",
        "/v1/embeddings" => "Embeddings",
        "/v1/images/edits" | "/v1/images/generations" => "Images",
        "/v1/moderations" => "Moderations",
        "/v1/responses" => "Responses",
        "/v1/videos" => "Videos",
        path => path,
    }
}

/// A value as a message quotes it: its first characters.
fn quoted(value: &str) -> &str {
    let end = value
        .char_indices()
        .nth(QUOTED_CHARS_MAX)
        .map_or(value.len(), |(at, _)| at);
    value.get(..end).unwrap_or(value)
}

fn about_the_file(code: Code, message: String) -> InputError {
    InputError {
        code,
        message,
        param: None,
        line: None,
    }
}

/// The error of a file with more than `max` bytes; it names the model, when one is known.
#[must_use]
pub fn too_large(max: u64, model: Option<&str>) -> InputError {
    let for_model = model
        .map(|model| format!(" for the {} model", quoted(model)))
        .unwrap_or_default();
    let message = format!(
        "The batch input file is larger than the {max} maximum{for_model}. Please try again with a \
         smaller batch."
    );
    about_the_file(Code::InvalidRequest, message)
}

/// The error of a file without a request.
pub(super) fn empty() -> InputError {
    let message = "The input file is empty. Please ensure that the batch contains at least one \
                   request.";
    about_the_file(Code::EmptyFile, message.to_owned())
}

/// The error of a file with too many of something, such as `requests`.
pub(super) fn too_many(count: u64, what: &str, max: u64) -> InputError {
    let message = format!("The batch contains {count} {what}, which exceeds the maximum of {max}.");
    about_the_file(Code::TooManyTasks, message)
}

/// The entry that stands for those that were left out.
pub(super) fn more(left_out: u64) -> InputError {
    let message = match left_out {
        1 => "1 more line has an error, which is not listed here.".to_owned(),
        _ => format!("{left_out} more lines have errors, which are not listed here."),
    };
    about_the_file(Code::InvalidRequest, message)
}
