//! Makes a [`Received`] of what came in: one place for every implementation of the seam.

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use overnight_core::attempt::{Form, NoAnswer, Reply};
use overnight_core::outcome::{Answer, AnswerReader, NotJson, read_answer};
use overnight_core::usage::Usage;

use super::Received;
use super::answer::{AnswerBody, AnswerBudget, FREE_BYTES, GatherError, Gathering};
use super::retry_after;

/// The longest `x-request-id` that is kept.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// So much of the name of an encoding is shown.
const ENCODING_CHARS_MAX: usize = 40;

/// An answer whose head has come, and whose body is coming in.
pub(super) struct Receiving {
    status: StatusCode,
    headers: HeaderMap,
    body: Gathering,
    /// Reads the body while it comes in, once it is too large to be read in one go.
    reader: Option<Result<AnswerReader, NotJson>>,
}

impl Receiving {
    /// The head came.
    pub(super) fn new(status: StatusCode, headers: HeaderMap, budget: &AnswerBudget) -> Self {
        let body = Gathering::new(budget.clone(), budget.limits().answer_bytes_max);
        Self {
            status,
            headers,
            body,
            reader: None,
        }
    }

    /// The head says how long the body is.
    pub(super) fn expecting(self, length: Option<u64>) -> Self {
        let is_large = length.is_some_and(|length| length > FREE_BYTES as u64);
        Self {
            body: self.body.expecting(length),
            // A large one may be in a file from its first bytes on.
            reader: is_large.then(|| Ok(AnswerReader::default())),
            ..self
        }
    }

    /// Takes the next bytes of the body; or the end of the attempt, when they are too many or there
    /// is nowhere to put them.
    pub(super) async fn push(&mut self, bytes: Bytes) -> Result<(), Received> {
        self.read(&bytes);
        self.body.push(bytes).await.map_err(|error| match error {
            GatherError::TooLarge => no_answer(NoAnswer::TooLarge, None),
            GatherError::Spool(error) => spool_failed(&error),
        })
    }

    fn read(&mut self, bytes: &[u8]) {
        if self.reader.is_none()
            && let Some(small) = self.body.small()
        {
            if small.len() + bytes.len() <= FREE_BYTES {
                return;
            }
            let mut reader = AnswerReader::default();
            self.reader = Some(reader.push(small).map(|()| reader));
        }
        if let Some(Ok(reader)) = &mut self.reader
            && let Err(not_json) = reader.push(bytes)
        {
            self.reader = Some(Err(not_json));
        }
    }

    /// The body is complete.
    pub(super) async fn finish(self) -> Received {
        let body = match self.body.finish().await {
            Ok(body) => body,
            Err(error) => return spool_failed(&error),
        };
        let answer = match self.reader {
            Some(reader) => reader.and_then(AnswerReader::finish),
            None => read_answer(body.small().unwrap_or_default()),
        };
        answered(self.status, &self.headers, body, answer.ok())
    }
}

fn answered(
    status: StatusCode,
    headers: &HeaderMap,
    body: AnswerBody,
    answer: Option<Answer>,
) -> Received {
    let retry_after = if status.is_success() {
        None
    } else {
        retry_after::read(headers)
    };
    Received {
        reply: Reply::Answered {
            status: status.as_u16(),
            form: if answer.is_some() {
                Form::Json
            } else {
                Form::NotJson
            },
            retry_after,
        },
        body,
        detail: if answer.is_none() {
            encoding(headers)
        } else {
            None
        },
        usage: answer.map_or_else(Usage::default, |answer| answer.usage),
        request_id: request_id(headers),
    }
}

/// Says how a body is encoded that should not be.
fn encoding(headers: &HeaderMap) -> Option<String> {
    let encoding = headers.get(CONTENT_ENCODING)?.to_str().ok()?.trim();
    let is_plain = encoding.is_empty() || encoding.eq_ignore_ascii_case("identity");
    let shown: String = encoding.chars().take(ENCODING_CHARS_MAX).collect();
    (!is_plain).then(|| format!("it is encoded with {shown}, which was not asked for"))
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    let fits = !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX;
    fits.then(|| id.to_owned())
}

/// The attempt ended without an answer.
pub(super) fn no_answer(why: NoAnswer, detail: Option<String>) -> Received {
    Received {
        reply: Reply::NoAnswer(why),
        body: AnswerBody::empty(),
        usage: Usage::default(),
        detail,
        request_id: None,
    }
}

fn spool_failed(error: &std::io::Error) -> Received {
    let detail = format!("its answer could not be kept in a spool file: {error}");
    no_answer(NoAnswer::Ours, Some(detail))
}

#[cfg(test)]
mod tests {
    use super::super::answer::AnswerLimits;
    use super::*;

    #[test]
    fn a_request_id_is_kept_unless_it_is_empty_or_too_long() {
        let id_of = |id: String| {
            let id = id.parse().unwrap();
            request_id(&HeaderMap::from_iter([(
                "x-request-id".parse().unwrap(),
                id,
            )]))
        };
        let longest = "x".repeat(REQUEST_ID_BYTES_MAX);
        assert_eq!(id_of(longest.clone()), Some(longest.clone()));
        assert_eq!(id_of(longest + "x"), None);
        assert_eq!(id_of(String::new()), None);
    }

    #[tokio::test]
    async fn a_large_answer_is_read_whole_wherever_it_is_kept_and_however_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        let text = "o".repeat(3 * FREE_BYTES);
        let sent = Bytes::from(format!(
            r#"{{"text":"{text}","usage":{{"total_tokens":7}}}}"#
        ));
        for memory_bytes in [0, 1 << 20] {
            let limits = AnswerLimits {
                memory_bytes,
                ..AnswerLimits::new(folder.path().to_owned())
            };
            let budget = AnswerBudget::new(limits);
            for (length, step) in [
                (None, 1000),
                (Some(sent.len() as u64), 1000),
                (Some(sent.len() as u64), 2 * FREE_BYTES),
            ] {
                let mut receiving =
                    Receiving::new(StatusCode::OK, HeaderMap::new(), &budget).expecting(length);
                for piece in sent.chunks(step) {
                    let pushed = receiving.push(sent.slice_ref(piece)).await;
                    assert!(pushed.is_ok(), "{pushed:?}");
                }
                let received = receiving.finish().await;
                let Reply::Answered { form, .. } = received.reply else {
                    panic!("{:?}", received.reply);
                };
                assert_eq!(form, Form::Json, "{memory_bytes} {length:?} {step}");
                assert_eq!(received.usage.total_tokens, 7);
                assert_eq!(received.body.len(), sent.len() as u64);
            }
        }
    }
}
