//! What may be done about a failure.

use super::Failure;

/// What tells a common cause, and what to do about it. The first that fits counts.
struct Advice {
    statuses: &'static [u16],
    /// Parts of the code or the message, in small letters. With statuses given either is enough.
    words: &'static [&'static str],
    hint: &'static str,
}

const COMMON: [Advice; 11] = [
    Advice {
        statuses: &[],
        words: &["batch_cancelled"],
        hint: "The batch was cancelled before this line was sent. Retry the lines to run them after all.",
    },
    Advice {
        statuses: &[],
        words: &["batch_expired"],
        hint: "The completion window ended before this line was sent. Retry the lines with more time, more upstreams or a longer window.",
    },
    Advice {
        statuses: &[],
        words: &[
            "context_length",
            "context length",
            "maximum context",
            "context window",
            "too many tokens",
            "prompt is too long",
            "exceeds the available context",
        ],
        hint: "The prompt and the answer together are longer than the model takes. Retry with a smaller max_tokens, shorten the input, or name a model with a longer context.",
    },
    Advice {
        statuses: &[],
        words: &[
            "model_not_found",
            "model not found",
            "no such model",
            "unknown model",
        ],
        hint: "No upstream serves this model under this name. Compare it with GET /v1/models, or retry with another model.",
    },
    Advice {
        statuses: &[],
        words: &[
            "content_filter",
            "content_policy",
            "content management policy",
        ],
        hint: "The upstream refuses this content. The same request will be refused again.",
    },
    Advice {
        statuses: &[],
        words: &[
            "insufficient_quota",
            "exceeded your current quota",
            "billing",
        ],
        hint: "The account at the upstream is out of quota. Raise it there, then retry the lines.",
    },
    Advice {
        statuses: &[408, 504],
        words: &["request_timeout", "timed out", "timeout"],
        hint: "No answer came in time. Retry the lines, with a smaller max_tokens or a longer head_timeout if it happens again.",
    },
    Advice {
        statuses: &[429],
        words: &["rate limit", "rate_limit", "too many requests"],
        hint: "The upstream had too much to do. Retry the lines, with a lower limit for this upstream if it happens again.",
    },
    Advice {
        statuses: &[401, 403],
        words: &["invalid_api_key", "unauthorized"],
        hint: "The upstream does not accept its key. Check api_key_env of this upstream, then retry the lines.",
    },
    Advice {
        statuses: &[413],
        words: &["too large", "larger than"],
        hint: "The request or the answer is larger than a limit. Make it smaller, or raise the limit.",
    },
    Advice {
        statuses: &[404, 405],
        words: &[],
        hint: "The upstream does not have this route or this model. Check the batch's endpoint and the model's name.",
    },
];

const REFUSED: &str = "The upstream refuses the request itself; the message says why. The same request will be refused again.";

const BROKEN: &str = "The upstream failed. Look at its log, then retry the lines.";

impl Failure {
    /// What a person may do about it, as one or two sentences; `None` for causes that are not known.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        let told = format!(
            "{} {}",
            self.code.as_deref().unwrap_or_default(),
            self.message
        )
        .to_lowercase();
        let fits = |advice: &&Advice| {
            let by_status = self
                .status
                .is_some_and(|status| advice.statuses.contains(&status));
            by_status || advice.words.iter().any(|word| told.contains(word))
        };
        if let Some(advice) = COMMON.iter().find(fits) {
            return Some(advice.hint);
        }
        match self.status {
            Some(400 | 409 | 415 | 422) => Some(REFUSED),
            Some(500..) => Some(BROKEN),
            Some(_) | None => None,
        }
    }

    /// Whether the same request may have another outcome when it is sent again: it was never sent,
    /// or its upstream was not well. What an upstream refuses, it refuses again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.status
            .is_none_or(|status| status >= 500 || matches!(status, 408 | 425 | 429))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: Option<u16>, code: &str, message: &str) -> Failure {
        Failure {
            status,
            code: Some(code.to_owned()),
            message: message.to_owned(),
        }
    }

    #[test]
    fn common_causes_have_advice_of_their_own() {
        let long = "This model's maximum context length is 8192 tokens.";
        let cases = [
            (None, "batch_cancelled", "", "was cancelled", true),
            (None, "batch_expired", "", "window ended", true),
            (None, "request_timeout", "", "in time", true),
            (
                Some(400),
                "invalid_request_error",
                long,
                "longer than the model",
                false,
            ),
            (
                Some(404),
                "model_not_found",
                "The model 'x' does not exist",
                "GET /v1/models",
                false,
            ),
            (Some(429), "", "slow down", "too much to do", true),
            (Some(429), "insufficient_quota", "", "out of quota", true),
            (Some(401), "", "", "api_key_env", false),
            (
                Some(422),
                "",
                "bad field",
                "refuses the request itself",
                false,
            ),
            (Some(502), "", "", "Look at its log", true),
        ];
        for (status, code, message, expected, retryable) in cases {
            let failure = failure(status, code, message);
            let advice = failure.advice().unwrap();
            assert!(advice.contains(expected), "{code} {message}: {advice}");
            assert_eq!(failure.is_retryable(), retryable, "{code} {message}");
        }
        assert_eq!(failure(Some(302), "", "moved").advice(), None);
    }
}
