//! The counts of tokens in any answer, against a reader that builds a tree.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value};

use super::{AnswerReader, read_answer};
use crate::usage::Usage;

const KEYS: [&str; 14] = [
    "usage",
    "prompt_tokens",
    "input_tokens",
    "completion_tokens",
    "output_tokens",
    "total_tokens",
    "prompt_tokens_details",
    "input_tokens_details",
    "completion_tokens_details",
    "output_tokens_details",
    "cached_tokens",
    "reasoning_tokens",
    "x",
    "",
];

/// Objects with the names of counts in right and in wrong places.
fn answer() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => any::<u32>().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => Just(Value::from("7")),
        1 => any::<bool>().prop_map(Value::from),
    ];
    let inner = leaf.prop_recursive(3, 40, 6, |inner| {
        let members = prop::collection::vec((prop::sample::select(&KEYS[..]), inner.clone()), 0..6);
        prop_oneof![
            4 => members.prop_map(|members| {
                let members = members.into_iter().map(|(key, value)| (key.to_owned(), value));
                Value::Object(members.collect())
            }),
            1 => prop::collection::vec(inner, 0..3).prop_map(Value::from),
        ]
    });
    let usage = prop::collection::vec((prop::sample::select(&KEYS[1..]), inner.clone()), 0..9);
    (usage, inner.clone(), inner).prop_map(|(usage, before, after)| {
        let usage: Map<String, Value> = usage
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        serde_json::json!({"a": before, "usage": usage, "z": after})
    })
}

/// The counts of a tree: the larger one of two names, and the sum when there is no total.
fn counted(answer: &Value) -> Usage {
    let usage = &answer["usage"];
    let larger = |places: [&str; 2]| -> u64 {
        let counts = places.map(|place| usage.pointer(place).and_then(Value::as_u64));
        counts.into_iter().flatten().max().unwrap_or(0)
    };
    let input_tokens = larger(["/prompt_tokens", "/input_tokens"]);
    let output_tokens = larger(["/completion_tokens", "/output_tokens"]);
    let total_tokens = match larger(["/total_tokens", "/total_tokens"]) {
        0 => input_tokens + output_tokens,
        total => total,
    };
    let details = |name: &str, count: &str| {
        let object = usage.get(name).filter(|details| details.is_object());
        object
            .and_then(|details| details.get(count))
            .and_then(Value::as_u64)
            .unwrap_or(0)
    };
    let cached = ["prompt_tokens_details", "input_tokens_details"]
        .map(|name| details(name, "cached_tokens"));
    let reasoning = ["completion_tokens_details", "output_tokens_details"]
        .map(|name| details(name, "reasoning_tokens"));
    Usage {
        input_tokens,
        cached_tokens: cached.into_iter().max().unwrap_or(0),
        output_tokens,
        reasoning_tokens: reasoning.into_iter().max().unwrap_or(0),
        total_tokens,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_500,
        rng_seed: RngSeed::Fixed(29),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_counts_of_an_answer_are_those_of_its_tree(
        answer in answer(),
        is_pretty in any::<bool>(),
    ) {
        let text = if is_pretty {
            serde_json::to_string_pretty(&answer).unwrap()
        } else {
            answer.to_string()
        };
        let read = read_answer(text.as_bytes()).unwrap();
        prop_assert_eq!(read.usage, counted(&answer));
        let mut reader = AnswerReader::default();
        for piece in text.as_bytes().chunks(7) {
            reader.push(piece).unwrap();
        }
        prop_assert_eq!(reader.finish().unwrap(), read, "in pieces");
    }
}
