//! Which path is what.

use http::Method;

/// An endpoint that takes a slot and gives an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Completions,
    Responses,
    Embeddings,
    Moderations,
    Rerank,
    Score,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Answer(Endpoint),
    Models,
    Model(&'a str),
    Health,
    Metrics,
    Stats,
    SetSlots,
    SetMode,
    /// The path is known, but only for this method.
    Only(&'static str),
    Unknown,
}

impl<'a> Route<'a> {
    pub(crate) fn of(method: &Method, path: &'a str) -> Self {
        let (route, accepted) = match path {
            "/v1/chat/completions" => (Self::Answer(Endpoint::Chat), "POST"),
            "/v1/completions" => (Self::Answer(Endpoint::Completions), "POST"),
            "/v1/responses" => (Self::Answer(Endpoint::Responses), "POST"),
            "/v1/embeddings" => (Self::Answer(Endpoint::Embeddings), "POST"),
            "/v1/moderations" => (Self::Answer(Endpoint::Moderations), "POST"),
            "/v1/rerank" => (Self::Answer(Endpoint::Rerank), "POST"),
            "/v1/score" => (Self::Answer(Endpoint::Score), "POST"),
            "/v1/models" => (Self::Models, "GET"),
            "/health" => (Self::Health, "GET"),
            "/metrics" => (Self::Metrics, "GET"),
            "/sim/stats" => (Self::Stats, "GET"),
            "/sim/slots" => (Self::SetSlots, "POST"),
            "/sim/mode" => (Self::SetMode, "POST"),
            other => match other.strip_prefix("/v1/models/") {
                Some(name) => (Self::Model(name), "GET"),
                None => return Self::Unknown,
            },
        };
        if method.as_str() == accepted {
            route
        } else {
            Self::Only(accepted)
        }
    }

    /// Whether an outage mode holds for it: control is always answered, so that it can be ended.
    pub(crate) fn is_control(self) -> bool {
        match self {
            Self::Stats | Self::SetSlots | Self::SetMode => true,
            Self::Answer(_)
            | Self::Models
            | Self::Model(_)
            | Self::Health
            | Self::Metrics
            | Self::Only(_)
            | Self::Unknown => false,
        }
    }
}
