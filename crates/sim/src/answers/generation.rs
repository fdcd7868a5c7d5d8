//! Generated texts: what chat, completions and responses have in common.

use crate::answers::Job;
use crate::answers::json::Json;
use crate::draw::{Length, OutputLimit, Question};
use crate::meter::Usage;
use crate::words::write_text;

/// The most texts that one request may ask for.
pub(crate) const TEXTS_MAX: u64 = 2048;

/// A number of texts, each of its own length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) count: u64,
    pub(crate) limit: OutputLimit,
    pub(crate) usage: Usage,
    pub(crate) longest: u64,
}

impl Texts {
    pub(crate) fn new(job: &Job<'_>, count: u64, prompt_tokens: u64, limit: OutputLimit) -> Self {
        let usage = Usage {
            prompt: prompt_tokens,
            completion: 0,
            cut: false,
        };
        let mut texts = Self {
            count,
            limit,
            usage,
            longest: 0,
        };
        for index in 0..count {
            let length = texts.length(job, index);
            texts.usage.completion += length.tokens;
            texts.usage.cut |= length.cut;
            texts.longest = texts.longest.max(length.tokens);
        }
        texts
    }

    pub(crate) fn length(&self, job: &Job<'_>, index: u64) -> Length {
        job.draw
            .length(job.settings.output_tokens, self.limit, index)
    }

    /// An empty answer with room for the texts, their frame, and no growth.
    pub(crate) fn json(&self) -> Json {
        const WORD_BYTES: u64 = 8;
        const FRAME_BYTES: u64 = 1024;
        let room = FRAME_BYTES + self.count * 128 + self.usage.completion * WORD_BYTES;
        Json::with_capacity(usize::try_from(room).unwrap_or_default())
    }
}

impl Json {
    /// Appends the `index`-th text, without quotes.
    pub(crate) fn text(&mut self, job: &Job<'_>, index: u64, tokens: u64) -> &mut Self {
        write_text(
            self.bytes(),
            &mut job.draw.walk(Question::Words, index),
            tokens,
        );
        self
    }

    /// Appends the end that all answers with prompt and completion tokens have.
    pub(crate) fn usage(&mut self, usage: Usage) -> &mut Self {
        self.raw(r#""usage":{"prompt_tokens":"#)
            .value(&usage.prompt)
            .raw(r#","completion_tokens":"#)
            .value(&usage.completion)
            .raw(r#","total_tokens":"#)
            .value(&usage.total())
            .raw(r#"},"system_fingerprint":"overnight-sim"}"#)
    }
}

/// Why a text ended, in the words of chat and completions.
pub(crate) fn finish_reason(length: Length) -> &'static str {
    if length.cut { "length" } else { "stop" }
}
