//! Over arbitrary messages: causes keep apart, what varies does not, and nothing gets out of bounds.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

/// The same cases at every run.
fn seeded() -> ProptestConfig {
    ProptestConfig {
        cases: 300,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Twelve causes as upstreams word them, with places for what varies.
const CAUSES: [(u16, &str); 12] = [
    (
        400,
        "This model's maximum context length is {n} tokens. However, you requested {n} tokens ({n} in the messages, {n} in the completion).",
    ),
    (404, "The model '{q}' does not exist"),
    (
        429,
        "Rate limit reached for {q} in organization {id}: limit {n}, used {n}.",
    ),
    (
        500,
        "CUDA out of memory. Tried to allocate {n} MiB on device {n}",
    ),
    (500, "Engine loop died in request {id}"),
    (503, "The upstream refused the connection ({u})."),
    (400, "Invalid value for 'temperature': {n}"),
    (400, "Could not decode image from {u}"),
    (
        422,
        "Unprocessable entity in message {n}: role {q} is unknown",
    ),
    (408, "Request {id} timed out after {n} s"),
    (
        400,
        "Request {id} was rejected by the guided decoding grammar",
    ),
    (500, "Internal server error (trace {id})"),
];

fn filled(template: &str, number: u32, id: u128, quoted: &str) -> String {
    template
        .replace("{n}", &number.to_string())
        .replace("{id}", &format!("chatcmpl-{id:032x}"))
        .replace("{q}", quoted)
        .replace(
            "{u}",
            &format!("http://10.0.0.{}:8000/v1/x/{id:x}", number % 250),
        )
}

fn failure(status: u16, message: String) -> Failure {
    Failure {
        status: Some(status),
        code: None,
        message,
    }
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn twelve_causes_with_varying_ids_make_twelve_signatures(
        lines in proptest::collection::vec((any::<u32>(), any::<u128>(), "[a-z0-9/:_.-]{1,30}"), 2..8),
    ) {
        let mut signatures = std::collections::BTreeSet::new();
        for (status, template) in CAUSES {
            for (number, id, quoted) in &lines {
                let quoted = format!("'{quoted}'").replace("''", "'");
                let template = template.replace("'{q}'", "{q}");
                let message = filled(&template, *number, *id, &quoted);
                signatures.insert(failure(status, message).signature());
            }
        }
        prop_assert_eq!(signatures.len(), CAUSES.len(), "{:#?}", signatures);
    }

    #[test]
    fn any_message_has_a_short_signature_without_digits(message in any::<String>()) {
        let normal = normalised(&message);
        prop_assert!(normal.chars().count() <= SIGNATURE_CHARS_MAX);
        prop_assert!(!normal.chars().any(|char| char.is_numeric() || char.is_control()));
        prop_assert_eq!(normal.trim(), normal.as_str());
        prop_assert!(!normal.contains("  "));
    }

    #[test]
    fn other_digits_make_no_other_signature(message in "[a-c0-9 '\"`,.:<>_-]{0,60}", digit in 0..10_u8) {
        let digit = char::from(b'0' + digit);
        let changed: String = message
            .chars()
            .map(|char| if char.is_ascii_digit() { digit } else { char })
            .collect();
        prop_assert_eq!(normalised(&message), normalised(&changed));
    }

    #[test]
    fn any_error_line_is_read_as_some_failure(
        line in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let failure = Failure::read(&line);
        let _ = (failure.signature(), failure.advice(), failure.is_retryable());
    }

    #[test]
    fn a_line_that_is_cut_anywhere_is_read_all_the_same(cut in 0..160_usize) {
        let line = br#"{"id":"batch_req_1","custom_id":"a","response":{"status_code":400,"request_id":"r","body":{"error":{"message":"no 1","type":"t","param":null,"code":null}}},"error":null}"#;
        let failure = Failure::read(&line[..cut.min(line.len())]);
        prop_assert!(failure.message.chars().count() <= 2_000);
    }
}
