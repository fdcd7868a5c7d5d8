//! What is asked of an upstream besides lines: its models, its gauges, its health.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use overnight_core::attempt::NoAnswer;
use tokio::time::Instant;

use super::body::RequestBody;
use super::client::ReplyBody;
use super::{HttpUpstream, failure, gauges, models};
use crate::upstream::{Gauges, ModelList};

/// A question that has to be answered within a time and a size.
struct Question {
    path: &'static str,
    timeout: Duration,
    bytes_max: usize,
}

const MODELS: Question = Question {
    path: "/v1/models",
    timeout: Duration::from_secs(10),
    bytes_max: 8 << 20,
};
const GAUGES: Question = Question {
    path: "/metrics",
    timeout: Duration::from_secs(2),
    bytes_max: 4 << 20,
};
const HEALTH: Question = Question {
    path: "/health",
    timeout: Duration::from_secs(5),
    bytes_max: 64 << 10,
};

impl HttpUpstream {
    /// The models that lines may name, as [`crate::upstream::Upstream::models`] promises.
    pub(super) async fn ask_models(&self) -> Result<ModelList, String> {
        if let Some(names) = &self.settings.models {
            return Ok(self.seen_by_lines(models::named(names)));
        }
        let (status, body) = self.ask(&MODELS).await?;
        match status {
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => Ok(ModelList::NoList),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(format!(
                "answered {} to {}: check its API key",
                status.as_u16(),
                MODELS.path
            )),
            _ if !status.is_success() => {
                Err(format!("answered {} to {}", status.as_u16(), MODELS.path))
            }
            _ => match models::read(&body) {
                Some(list) => Ok(self.seen_by_lines(list)),
                None => Err(format!("answered {} with no list of models", MODELS.path)),
            },
        }
    }

    fn seen_by_lines(&self, list: Vec<overnight_store::status::ServedModel>) -> ModelList {
        ModelList::Models(models::with_aliases(list, &self.settings.served_as))
    }

    /// The gauges, unless the settings forbid to ask.
    pub(super) async fn ask_gauges(&self) -> Option<Gauges> {
        if !self.settings.gauges {
            return None;
        }
        let (status, body) = self.ask(&GAUGES).await.ok()?;
        if status.is_success() {
            gauges::read(&String::from_utf8_lossy(&body))
        } else {
            None
        }
    }

    /// Whether it answers its health check, or has none.
    pub(super) async fn ask_health(&self) -> bool {
        match self.ask(&HEALTH).await {
            Ok((status, _)) => status.is_success() || status == StatusCode::NOT_FOUND,
            Err(_) => false,
        }
    }

    /// The whole answer, or a sentence that lacks only its subject.
    async fn ask(&self, question: &Question) -> Result<(StatusCode, Bytes), String> {
        let answer = tokio::time::timeout(question.timeout, self.get(question)).await;
        answer.unwrap_or_else(|_| {
            let seconds = question.timeout.as_secs();
            Err(format!(
                "did not answer {} within {seconds} s",
                question.path
            ))
        })
    }

    async fn get(&self, question: &Question) -> Result<(StatusCode, Bytes), String> {
        let first = self.get_head(question).await;
        // A connection that was closed while it was idle says nothing about the upstream.
        let response = match first {
            Err((NoAnswer::StaleConnection, _)) => self.get_head(question).await,
            Ok(_) | Err(_) => first,
        };
        let response = response.map_err(|(why, detail)| format!("{why}: {detail}"))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), question.bytes_max);
        match body.collect().await {
            Ok(body) => Ok((status, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(format!("answered {} with more than is read", question.path))
            }
            Err(error) => Err(format!(
                "{}: {}",
                NoAnswer::CutBody,
                failure::detail(&*error)
            )),
        }
    }

    async fn get_head(
        &self,
        question: &Question,
    ) -> Result<Response<ReplyBody>, (NoAnswer, String)> {
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self.target.uri(question.path);
        *request.headers_mut() = self.headers_without_body();
        let began = Instant::now();
        self.client.request(request).await.map_err(|error| {
            (
                failure::of_head(&error, began.elapsed()),
                failure::detail(&error),
            )
        })
    }

    fn headers_without_body(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.remove(CONTENT_TYPE);
        headers
    }
}
