//! Everything that looks random in an answer, drawn from the seed and the body's bytes alone.
//!
//! A draw has no state that moves on: each question has its own number, so the order in which
//! requests arrive, or questions are asked, changes nothing, and a repeated body is repeated whole.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::settings::{SimSettings, TokenRange};

/// The numbers that belong to one body under one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw {
    digest: u64,
}

/// What a number is for; two questions never share one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Question {
    FirstToken = 1,
    NextTokens = 2,
    Length = 3,
    Words = 4,
    Vector = 5,
    Score = 6,
    Fault = 7,
}

/// One generated text: how many tokens, and whether the request's limit ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) tokens: u64,
    pub(crate) cut: bool,
}

/// A walk of pseudo-random numbers (splitmix64), for texts and vectors.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    state: u64,
}

impl Draw {
    pub(crate) fn new(seed: u64, bytes: &[u8]) -> Self {
        Self {
            digest: xxh3_64_with_seed(bytes, seed),
        }
    }

    /// The number that names the answer in its id.
    pub(crate) fn digest(self) -> u64 {
        self.digest
    }

    /// A walk of its own for the `index`-th instance of a question.
    pub(crate) fn walk(self, question: Question, index: u64) -> Walk {
        let start = self.digest ^ (question as u64).rotate_right(8) ^ index.rotate_right(24);
        let mut walk = Walk { state: start };
        walk.next();
        walk
    }

    /// How long the `index`-th text of the answer is, cut at `limit` tokens.
    pub(crate) fn length(self, range: TokenRange, limit: OutputLimit, index: u64) -> Length {
        let span = u64::from(range.max - range.min) + 1;
        let drawn = u64::from(range.min) + self.walk(Question::Length, index).next() % span;
        match limit {
            OutputLimit::None => Length {
                tokens: drawn,
                cut: false,
            },
            OutputLimit::AtMost(most) if drawn <= most => Length {
                tokens: drawn,
                cut: false,
            },
            OutputLimit::AtMost(most) | OutputLimit::Exactly(most) => Length {
                tokens: most,
                cut: true,
            },
        }
    }

    /// How long the engine takes for an answer of so many tokens, or `None` when it takes no time.
    pub(crate) fn duration(self, settings: &SimSettings, tokens: u64) -> Option<Duration> {
        if settings.ttft_ms == 0.0 && settings.tpot_ms == 0.0 {
            return None;
        }
        let first = settings.ttft_ms * self.jitter(settings.jitter, Question::FirstToken);
        let each = settings.tpot_ms * self.jitter(settings.jitter, Question::NextTokens);
        #[expect(
            clippy::cast_precision_loss,
            reason = "token counts are far below 2^52"
        )]
        let after_first = tokens.saturating_sub(1) as f64;
        Some(Duration::from_secs_f64(
            (first + each * after_first) / 1000.0,
        ))
    }

    fn jitter(self, share: f64, question: Question) -> f64 {
        1.0 + share * (2.0 * self.walk(question, 0).unit() - 1.0)
    }
}

/// What a request says about the length of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputLimit {
    None,
    AtMost(u64),
    /// With vLLM's `ignore_eos`: the answer goes on until the limit.
    Exactly(u64),
}

impl Walk {
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in 0 <= x < 1.
    pub(crate) fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
        let bits = (self.next() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: TokenRange = TokenRange { min: 5, max: 9 };

    #[test]
    fn the_same_seed_and_body_give_the_same_numbers() {
        let (one, again) = (Draw::new(7, b"body"), Draw::new(7, b"body"));
        assert_eq!(
            one.walk(Question::Words, 3).next(),
            again.walk(Question::Words, 3).next()
        );
        assert_ne!(Draw::new(8, b"body"), one);
        assert_ne!(Draw::new(7, b"Body"), one);
    }

    #[test]
    fn lengths_fill_their_range_and_keep_to_it() {
        let mut seen = [0_u32; 10];
        for index in 0..500 {
            let length = Draw::new(1, b"x").length(RANGE, OutputLimit::None, index);
            assert!(!length.cut);
            seen[usize::try_from(length.tokens).unwrap()] += 1;
        }
        assert!(
            seen[..5].iter().all(|&count| count == 0),
            "below the range: {seen:?}"
        );
        assert!(
            seen[5..].iter().all(|&count| count > 50),
            "uneven: {seen:?}"
        );
    }

    #[test]
    fn a_limit_cuts_only_what_is_longer() {
        let draw = Draw::new(1, b"x");
        let free = draw.length(RANGE, OutputLimit::None, 0).tokens;
        let at = |limit| draw.length(RANGE, limit, 0);
        assert_eq!(
            at(OutputLimit::AtMost(free)),
            Length {
                tokens: free,
                cut: false
            }
        );
        assert_eq!(
            at(OutputLimit::AtMost(free - 1)),
            Length {
                tokens: free - 1,
                cut: true
            }
        );
        assert_eq!(
            at(OutputLimit::Exactly(100)),
            Length {
                tokens: 100,
                cut: true
            }
        );
    }

    #[test]
    fn durations_stay_within_the_jitter() {
        let settings = SimSettings {
            ttft_ms: 100.0,
            tpot_ms: 10.0,
            ..SimSettings::default()
        };
        let mut times = Vec::new();
        for body in 0..200_u32 {
            let draw = Draw::new(0, &body.to_le_bytes());
            times.push(draw.duration(&settings, 11).unwrap().as_secs_f64());
        }
        assert!(
            times.iter().all(|time| (0.16..=0.24).contains(time)),
            "{times:?}"
        );
        assert!(times.iter().any(|&time| time < 0.19) && times.iter().any(|&time| time > 0.21));
        assert_eq!(
            Draw::new(0, b"x").duration(&SimSettings::instant(), 11),
            None
        );
    }
}
