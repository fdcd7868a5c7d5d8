//! What holds whatever an upstream sends, and for every body that is sent to one.

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value};

use super::alias::ModelSplice;
use super::{gauges, models};
use crate::upstream::retry_after;

/// The same cases at every run.
fn seeded() -> ProptestConfig {
    ProptestConfig {
        cases: 500,
        rng_seed: RngSeed::Fixed(19),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A body with another model, which comes in pieces of that many bytes.
fn spliced(body: &[u8], width: usize) -> Vec<u8> {
    let mut splice = ModelSplice::new(br#""new\n""#);
    let mut out = Vec::new();
    for piece in body.chunks(width) {
        splice.push(piece, &mut out);
    }
    out
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a\"\\\\{}\\[\\],:ü]{0,6}".prop_map(Value::from),
        Just(Value::from("model")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("model|[a\"\\\\]{0,2}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Bytes of a number as an engine might write it.
fn count() -> impl Strategy<Value = (String, u64)> {
    (0_u64..100_000, 0_u8..3).prop_map(|(count, form)| {
        let text = match form {
            0 => count.to_string(),
            1 => format!("{count}.0"),
            _ => format!("{count}e0"),
        };
        (text, count)
    })
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn a_reader_of_the_body_finds_another_model_and_nothing_else_changed(
        members in prop::collection::vec(("model|x|[a\"\\\\]{0,2}", value()), 0..6),
        is_pretty in any::<bool>(),
        width in 1_usize..20,
    ) {
        let mut object: Map<String, Value> = members.into_iter().collect();
        let body = if is_pretty {
            serde_json::to_vec_pretty(&object).unwrap()
        } else {
            serde_json::to_vec(&object).unwrap()
        };
        if let Some(model) = object.get_mut("model").filter(|model| model.is_string()) {
            *model = "new\n".into();
        }
        let read: Value = serde_json::from_slice(&spliced(&body, width)).unwrap();
        prop_assert_eq!(read, Value::Object(object));
    }

    #[test]
    fn any_bytes_pass_alike_in_any_pieces(
        body in prop::collection::vec(
            prop_oneof![6 => prop::sample::select(&b"{}[]\":,\\model "[..]), 1 => any::<u8>()],
            0..60,
        ),
        width in 1_usize..20,
    ) {
        prop_assert_eq!(spliced(&body, width), spliced(&body, 60));
    }

    #[test]
    fn the_gauges_of_all_label_sets_are_summed(
        samples in prop::collection::vec(
            ("[a-z]{0,3}", "[ -!#-\\[\\]-~]{0,8}", count(), any::<bool>()),
            1..8,
        ),
        noise in prop::collection::vec("# [ -~]{0,20}|[a-z_]{1,9} [0-9.]{1,4}|", 0..4),
    ) {
        let mut text = noise.join("\n");
        let (mut running, mut waiting) = (0, 0);
        for (label, value, (number, count), is_running) in samples {
            let name = if is_running {
                running += count;
                "vllm:num_requests_running"
            } else {
                waiting += count;
                "vllm:num_requests_waiting"
            };
            let sample = format!("\n{name}{{l{label}=\"{value}\",m=\"\\\"}}\"}} {number}");
            text.push_str(&sample);
        }
        text.push_str("\nvllm:num_requests_running 0\nvllm:num_requests_waiting 0\n");
        let gauges = gauges::read(&text).unwrap();
        prop_assert_eq!((gauges.running, gauges.waiting), (running, waiting));
    }

    #[test]
    fn any_text_is_gauges_or_none(
        lines in prop::collection::vec(
            "(sglang:num_running_reqs|sglang:num_queue_reqs|x)[{}\" =,\\\\0-9NaInfe.+-]{0,16}\\PC{0,3}",
            0..5,
        ),
    ) {
        // Whatever it is, it is read to its end.
        let gauges = gauges::read(&lines.join("\n"));
        let named = |name: &str| lines.iter().any(|line| line.starts_with(name));
        let both = named("sglang:num_running_reqs") && named("sglang:num_queue_reqs");
        prop_assert!(gauges.is_none() || both);
    }

    #[test]
    fn every_listed_model_with_a_name_is_read(
        entries in prop::collection::vec(("[a-z/]{0,5}", prop::option::of(any::<u64>())), 0..6),
        is_bare in any::<bool>(),
        edit in prop::option::weighted(0.5, (any::<Index>(), any::<u8>())),
    ) {
        let list: Vec<Value> = entries
            .iter()
            .map(|(id, created)| serde_json::json!({"id": id, "created": created}))
            .collect();
        let body = if is_bare {
            Value::from(list)
        } else {
            serde_json::json!({"object": "list", "data": list})
        };
        let mut body = body.to_string().into_bytes();
        let read: Vec<_> = models::read(&body)
            .unwrap()
            .into_iter()
            .map(|model| (model.id, model.created))
            .collect();
        let expected: Vec<_> = entries.into_iter().filter(|(id, _)| !id.is_empty()).collect();
        prop_assert_eq!(read, expected);
        if let Some((at, byte)) = edit {
            let at = at.index(body.len());
            body[at] = byte;
            // Read or not, a model has a name.
            let read = models::read(&body).unwrap_or_default();
            prop_assert!(read.iter().all(|model| !model.id.is_empty()));
        }
    }

    #[test]
    fn any_wait_that_is_asked_for_is_at_most_an_hour(
        wait in "[-+]?[0-9]{0,12}(\\.[0-9]{0,3})?(e[0-9]{1,3})?|[A-Z][a-z]{2}, [0-9]{1,2} \
                 (Jan|Feb|Dec|Foo) [0-9]{1,5} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT|[ -~]{0,30}",
        date in "Sun, [0-9]{2} (Feb|Nov) (19|20|99)[0-9]{2} [0-2][0-9]:[0-5][0-9]:00 GMT|[ -~]{0,9}",
        milliseconds in prop::option::of("[0-9.e-]{0,8}"),
    ) {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, wait.parse().unwrap());
        headers.insert(DATE, date.parse().unwrap());
        if let Some(milliseconds) = milliseconds {
            headers.insert("retry-after-ms", milliseconds.parse().unwrap());
        }
        let read = retry_after::read(&headers);
        prop_assert!(read.is_none_or(|wait| wait.as_secs_f64() <= 3_600.0));
    }

    #[test]
    fn a_date_is_as_far_away_as_it_says(
        from in 0_u64..86_400,
        later in 0_u64..3_600,
    ) {
        let written = |seconds: u64| {
            let (day, clock) = (1 + seconds / 86_400, seconds % 86_400);
            let (hour, rest) = (clock / 3_600, clock % 3_600);
            format!("Mon, {day:02} Nov 2026 {hour:02}:{:02}:{:02} GMT", rest / 60, rest % 60)
        };
        let mut headers = HeaderMap::new();
        headers.insert(DATE, written(from).parse().unwrap());
        headers.insert(RETRY_AFTER, written(from + later).parse().unwrap());
        let read = retry_after::read(&headers).map(|wait| wait.as_secs());
        prop_assert_eq!(read, Some(later));
    }
}
