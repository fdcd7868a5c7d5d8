//! One small request, of a kind that the model understands.

use std::sync::Arc;
use std::time::Duration;

use overnight_core::attempt::Reply;
use overnight_engine::UpstreamPart;
use overnight_engine::lease::Leave;
use overnight_engine::upstream::{Call, CallBody};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::commands::report::{Check, Finding};

/// How long an answer of one token may take: a model may have to be loaded first.
const ANSWER_PATIENCE: Duration = Duration::from_mins(1);

/// Parts of the names of models that embed texts.
const EMBEDDING_NAMES: [&str; 6] = ["embed", "bge-", "e5-", "gte-", "minilm", "nomic"];

/// What a model can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Chat,
    Embeddings,
    Completions,
}

impl Kind {
    /// What to try with a model, the most likely first.
    fn of(model: &str) -> [Self; 3] {
        let name = model.to_ascii_lowercase();
        if EMBEDDING_NAMES.iter().any(|part| name.contains(part)) {
            [Self::Embeddings, Self::Chat, Self::Completions]
        } else {
            [Self::Chat, Self::Embeddings, Self::Completions]
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Completions => "/v1/completions",
        }
    }

    /// A request for next to nothing.
    fn body(self, model: &str) -> Value {
        match self {
            Self::Chat => json!({
                "model": model,
                "messages": [{ "role": "user", "content": "Hello" }],
                "max_tokens": 1,
            }),
            Self::Embeddings => json!({ "model": model, "input": "Hello" }),
            Self::Completions => json!({ "model": model, "prompt": "Hello", "max_tokens": 1 }),
        }
    }
}

/// Asks a model for as little as possible.
pub(super) async fn ask(part: &UpstreamPart, about: &str, model: &Arc<str>) -> Check {
    let mut refused = 0;
    for kind in Kind::of(model) {
        let body = kind.body(model).to_string();
        let call = Call {
            path: kind.path().into(),
            model: Arc::clone(model),
            body: CallBody::Held(body.into()),
            leave: Leave::default(),
            span: None,
        };
        let began = Instant::now();
        let Ok(received) = timeout(ANSWER_PATIENCE, part.upstream.send(call)).await else {
            let seconds = ANSWER_PATIENCE.as_secs();
            let text = format!("{model} did not answer one token within {seconds} s");
            return Check::new(about, Finding::Note, text);
        };
        let took = began.elapsed().as_millis();
        match received.reply {
            Reply::Answered {
                status: 200..300, ..
            } => {
                let path = kind.path();
                let text = format!("{model} answers, in {took} ms, at {path}");
                return Check::new(about, Finding::Ok, text);
            }
            // It may be a model of another kind.
            Reply::Answered { status, .. } if is_of_kind(status) => refused = status,
            Reply::Answered { status, .. } => return told(about, model, status),
            Reply::NoAnswer(why) => {
                let detail = received.detail.map(|detail| format!(" ({detail})"));
                let detail = detail.unwrap_or_default();
                let text = format!("{model} does not answer: {why}{detail}");
                return Check::new(about, Finding::Error, text);
            }
        }
    }
    let text = format!(
        "{model} neither chats, nor embeds, nor completes (status {refused}); that is right only for a \
         model of another kind"
    );
    Check::new(about, Finding::Note, text)
}

/// Whether a status may mean that the model, or the server, does not do what was asked for.
const fn is_of_kind(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 415 | 422 | 500 | 501)
}

/// What a status means that has nothing to do with the kind of request.
fn told(about: &str, model: &str, status: u16) -> Check {
    let (finding, advice) = match status {
        401 | 403 => (Finding::Error, "check its API key (`api_key_env`)"),
        402 => (Finding::Error, "there is no credit left"),
        429 | 503 => (Finding::Note, "it has too much to do at present"),
        300..=399 => (
            Finding::Error,
            "redirects are not followed: name the address that it leads to",
        ),
        _ => (Finding::Error, "look into its log"),
    };
    let text = format!("{model} answers with status {status}: {advice}");
    Check::new(about, finding, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_asked_for_what_its_name_says() {
        assert_eq!(Kind::of("BAAI/bge-m3")[0], Kind::Embeddings);
        assert_eq!(Kind::of("text-embedding-3-small")[0], Kind::Embeddings);
        assert_eq!(Kind::of("meta-llama/Llama-3.1-8B-Instruct")[0], Kind::Chat);
    }
}
