//! The answers of each endpoint. An answer is made in two steps: the *plan* looks at the request
//! and refuses what an engine would refuse, before the request stands in line; the *text* is
//! written when the engine has taken its time. A plan is small, so a long line of waiting requests
//! is too.

mod chat;
mod completions;
mod embeddings;
mod generation;
mod json;
mod moderations;
mod rerank;
mod responses;
mod score;

use crate::ask::Ask;
use crate::draw::Draw;
use crate::meter::Usage;
use crate::reply::Refusal;
use crate::routes::Endpoint;
use crate::settings::SimSettings;

pub(crate) use embeddings::DIMENSIONS_MAX;

/// All that an answer is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) settings: &'a SimSettings,
    pub(crate) ask: &'a Ask<'a>,
    pub(crate) draw: Draw,
    /// The model as the answer names it.
    pub(crate) model: &'a str,
}

/// What will be answered.
#[derive(Debug)]
pub(crate) enum Plan<'a> {
    Chat(generation::Texts),
    Completions(generation::Texts),
    Responses(generation::Texts),
    Embeddings(embeddings::Vectors<'a>),
    Moderations(moderations::Inputs),
    Rerank(rerank::Ranking<'a>),
    Score(score::Pairs),
}

impl<'a> Plan<'a> {
    /// Looks at a request.
    ///
    /// # Errors
    ///
    /// The refusal of a request that lacks a field, or has one of the wrong type or value.
    pub(crate) fn new(endpoint: Endpoint, job: &Job<'a>) -> Result<Self, Refusal> {
        match endpoint {
            Endpoint::Chat => chat::plan(job).map(Self::Chat),
            Endpoint::Completions => completions::plan(job).map(Self::Completions),
            Endpoint::Responses => responses::plan(job).map(Self::Responses),
            Endpoint::Embeddings => embeddings::plan(job).map(Self::Embeddings),
            Endpoint::Moderations => moderations::plan(job).map(Self::Moderations),
            Endpoint::Rerank => rerank::plan(job).map(Self::Rerank),
            Endpoint::Score => score::plan(job).map(Self::Score),
        }
    }

    /// The tokens that it reads and writes.
    pub(crate) fn usage(&self) -> Usage {
        let reads = |prompt| Usage {
            prompt,
            completion: 0,
            cut: false,
        };
        match self {
            Self::Chat(texts) | Self::Completions(texts) | Self::Responses(texts) => texts.usage,
            Self::Embeddings(vectors) => reads(vectors.prompt_tokens),
            Self::Moderations(inputs) => reads(inputs.prompt_tokens),
            Self::Rerank(ranking) => reads(ranking.prompt_tokens),
            Self::Score(pairs) => reads(pairs.prompt_tokens),
        }
    }

    /// The tokens of its longest text, which is what the time depends on: texts are written side by
    /// side. What only reads takes the time to the first token.
    pub(crate) fn longest(&self) -> u64 {
        match self {
            Self::Chat(texts) | Self::Completions(texts) | Self::Responses(texts) => texts.longest,
            Self::Embeddings(_) | Self::Moderations(_) | Self::Rerank(_) | Self::Score(_) => 1,
        }
    }

    /// The answer's JSON.
    pub(crate) fn write(&self, job: &Job<'a>) -> Vec<u8> {
        match self {
            Self::Chat(texts) => chat::write(texts, job),
            Self::Completions(texts) => completions::write(texts, job),
            Self::Responses(texts) => responses::write(texts, job),
            Self::Embeddings(vectors) => embeddings::write(vectors, job),
            Self::Moderations(inputs) => moderations::write(inputs, job),
            Self::Rerank(ranking) => rerank::write(ranking, job),
            Self::Score(pairs) => score::write(pairs, job),
        }
    }
}
