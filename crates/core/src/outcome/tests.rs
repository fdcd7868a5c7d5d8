use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

use super::*;
use crate::id::hex32;
use crate::time::Timestamp;
use crate::usage::Usage;

const AT: Timestamp = Timestamp::from_micros(1_761_896_208_123_456);

fn ids() -> LineIds {
    LineIds::new(AT, u128::MAX / 3, 0xfe)
}

fn result_line(custom_id: &str, status: u16, answer: &[u8]) -> String {
    let mut out = Vec::new();
    write_head(&mut out, ids(), custom_id.as_bytes(), status);
    append_answer(&mut out, answer);
    write_tail(&mut out);
    String::from_utf8(out).unwrap()
}

/// The keys of an object in the order in which they stand.
fn keys_of(line: &str) -> Vec<String> {
    struct Keys(Vec<String>);
    impl<'de> serde::Deserialize<'de> for Keys {
        fn deserialize<D: serde::Deserializer<'de>>(object: D) -> Result<Self, D::Error> {
            struct InOrder;
            impl<'de> serde::de::Visitor<'de> for InOrder {
                type Value = Keys;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Keys, A::Error> {
                    let mut keys = Vec::new();
                    while let Some(key) = map.next_key()? {
                        keys.push(key);
                        map.next_value::<serde::de::IgnoredAny>()?;
                    }
                    Ok(Keys(keys))
                }
            }
            object.deserialize_map(InOrder)
        }
    }
    serde_json::from_str::<Keys>(line).unwrap().0
}

fn usage_of(answer: &str) -> Usage {
    let whole = read_answer(answer.as_bytes()).unwrap();
    assert_eq!(
        read_answer_from(OneByOne(answer.as_bytes())).unwrap(),
        whole
    );
    whole.usage
}

/// Gives one byte at a time.
struct OneByOne<'a>(&'a [u8]);

impl std::io::Read for OneByOne<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = self.0.len().min(1);
        std::io::Read::read(&mut self.0, &mut into[..length])
    }
}

#[test]
fn an_answer_becomes_a_line_of_four_keys() {
    let line = result_line("\"r-1\"", 200, b"{\"id\":1}");
    let line_id = hex32(AT, u128::MAX / 3);
    assert_eq!(
        line,
        format!(
            "{{\"id\":\"batch_req_{line_id}\",\"custom_id\":\"r-1\",\"response\":{{\
             \"status_code\":200,\"request_id\":\"000000000000000000000000000000fe\",\
             \"body\":{{\"id\":1}}}},\"error\":null}}\n"
        )
    );
}

#[test]
fn each_line_error_has_its_code_and_sentence() {
    let cases = [
        (
            LineError::Expired,
            r#"{"code":"batch_expired","message":"This request could not be executed before the completion window expired."}"#,
        ),
        (
            LineError::Cancelled,
            r#"{"code":"batch_cancelled","message":"This request was not executed because the batch was cancelled."}"#,
        ),
        (
            LineError::RequestTimeout,
            r#"{"code":"request_timeout","message":"This request timed out before a response was received."}"#,
        ),
    ];
    for (error, expected) in cases {
        let mut out = Vec::new();
        write_error(&mut out, ids(), b"\"r-2\"", error);
        let line = String::from_utf8(out).unwrap();
        let line_id = hex32(AT, u128::MAX / 3);
        assert_eq!(
            line,
            format!(
                "{{\"id\":\"batch_req_{line_id}\",\"custom_id\":\"r-2\",\"response\":null,\
                 \"error\":{expected}}}\n"
            )
        );
    }
}

#[test]
fn statuses_are_written_in_decimal() {
    for status in [0, 7, 10, 200, 503, 999, u16::MAX] {
        let line: Value = serde_json::from_str(&result_line("\"a\"", status, b"{}")).unwrap();
        assert_eq!(line["response"]["status_code"], status);
    }
}

#[test]
fn line_ends_are_left_out_and_nothing_else() {
    let line = result_line(
        "\"a\"",
        200,
        b"\r\n{\r\n  \"b\" :\t1.0e+5,\n\n\"a\":\"\\n\"}\n",
    );
    assert!(
        line.contains("\"body\":{  \"b\" :\t1.0e+5,\"a\":\"\\n\"}},\"error\""),
        "{line}"
    );
    let pieces: Vec<&[u8]> = strip_newlines(b"{}").collect();
    assert_eq!(pieces, [b"{}"]);
    assert_eq!(strip_newlines(b"\n\r\n").count(), 0);
}

#[test]
fn tokens_are_found_under_the_names_of_chat_completions() {
    let usage = usage_of(
        r#"{"choices":[{"usage":{"prompt_tokens":99}}],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":31,"prompt_tokens_details":{"cached_tokens":3,"x":{"cached_tokens":9}},"completion_tokens_details":{"reasoning_tokens":4,"cached_tokens":9}},"prompt_tokens":98}"#,
    );
    assert_eq!(
        usage,
        Usage {
            input_tokens: 10,
            cached_tokens: 3,
            output_tokens: 20,
            reasoning_tokens: 4,
            total_tokens: 31,
        }
    );
}

#[test]
fn tokens_are_found_under_the_names_of_responses() {
    let usage = usage_of(
        r#"{"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":3},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":4}}}"#,
    );
    assert_eq!(
        usage,
        Usage {
            input_tokens: 10,
            cached_tokens: 3,
            output_tokens: 20,
            reasoning_tokens: 4,
            total_tokens: 30,
        }
    );
}

#[test]
fn an_odd_usage_counts_as_none_and_never_fails() {
    for usage in [
        "null",
        "5",
        "[]",
        "[5]",
        "\"prompt_tokens\"",
        r#"{"prompt_tokens":null,"completion_tokens":"7","total_tokens":-7}"#,
        r#"{"prompt_tokens":[1],"completion_tokens":{"prompt_tokens":1},"total_tokens":1e9}"#,
        r#"{"prompt_tokens_details":null,"completion_tokens_details":[5]}"#,
        r#"{"prompt_tokens_details":{"cached_tokens":null},"input_tokens_details":{"cached_tokens":[4]}}"#,
    ] {
        let answer = format!(r#"{{"usage":{usage}}}"#);
        assert_eq!(usage_of(&answer), Usage::default(), "{usage}");
    }
    for answer in [
        "[]",
        "1",
        "\"usage\"",
        r#"[{"usage":{"prompt_tokens":1}}]"#,
        "{}",
    ] {
        assert_eq!(usage_of(answer), Usage::default(), "{answer}");
    }
}

#[test]
fn huge_counts_stop_at_the_largest_number() {
    let usage = usage_of(
        r#"{"usage":{"prompt_tokens":99999999999999999999999999,"completion_tokens":3.75}}"#,
    );
    assert_eq!(usage.input_tokens, u64::MAX);
    assert_eq!(usage.output_tokens, 3);
    assert_eq!(usage.total_tokens, u64::MAX);
}

#[test]
fn only_one_json_value_in_utf8_is_an_answer() {
    for answer in [
        "{}",
        " [1, 2.5e-3, true, false, null, \"\\u00E4\\/\"]\r\n",
        "0",
        "-0.0E+1",
    ] {
        assert!(read_answer(answer.as_bytes()).is_ok(), "{answer}");
        let in_pieces = read_answer_from(OneByOne(answer.as_bytes()));
        assert!(in_pieces.is_ok(), "{answer}");
    }
    for answer in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{1:2}",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "tru",
        "truE",
        "nul",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "{}{}",
        "{} x",
        "[}",
        "{]",
        "<html>",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "[1 2",
        "{\"a\":1 2",
        "NaN",
        "'a'",
        "\u{feff}{}",
        "\"a\nb\"",
        "\"\u{1}\"",
        ",",
    ] {
        assert_eq!(
            read_answer(answer.as_bytes()),
            Err(NotJson::Malformed),
            "{answer}"
        );
        let in_pieces = read_answer_from(OneByOne(answer.as_bytes()));
        assert!(in_pieces.is_err(), "{answer}");
    }
    assert_eq!(read_answer(b"\"\xff\""), Err(NotJson::NotUtf8));
    assert!(matches!(
        read_answer_from(b"\"\xf0\x9f".as_slice()),
        Err(ReadError::NotJson(NotJson::NotUtf8))
    ));
}

#[test]
fn an_answer_may_be_nested_up_to_the_limit() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(read_answer(nested(DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(
        read_answer(nested(DEPTH_MAX + 1).as_bytes()),
        Err(NotJson::TooDeep)
    );
    assert_eq!(
        read_answer("[".repeat(200_000).as_bytes()),
        Err(NotJson::TooDeep)
    );
    let objects = "{\"a\":".repeat(DEPTH_MAX) + "1" + &"}".repeat(DEPTH_MAX);
    assert!(read_answer(objects.as_bytes()).is_ok());
    // What lies around counts as well, also where tokens are looked for.
    for (before, after) in [
        ("{\"a\":", "}"),
        ("{\"usage\":{\"a\":", "}}"),
        ("{\"usage\":{\"a\":{\"b\":", "}}}"),
    ] {
        let inside = DEPTH_MAX - after.len();
        let deep = |inside: usize| [before, &nested(inside), after].concat();
        assert!(read_answer(deep(inside).as_bytes()).is_ok(), "{before}");
        let deeper = read_answer(deep(inside + 1).as_bytes());
        assert_eq!(deeper, Err(NotJson::TooDeep), "{before}");
    }
}

#[test]
fn newlines_are_noticed() {
    assert!(!read_answer(b"{\"a\":\"\\n\"}").unwrap().has_newlines);
    assert!(read_answer(b"{}\n").unwrap().has_newlines);
    assert!(read_answer(b"{\r}").unwrap().has_newlines);
}

#[test]
fn a_reader_that_fails_is_no_verdict_on_the_answer() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    assert!(matches!(read_answer_from(Broken), Err(ReadError::Io(_))));
}

#[test]
fn a_reader_that_is_interrupted_is_asked_again() {
    struct Interrupted<'a>(bool, &'a [u8]);
    impl std::io::Read for Interrupted<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0 = !self.0;
            if self.0 {
                Err(std::io::ErrorKind::Interrupted.into())
            } else {
                self.1.read(into)
            }
        }
    }
    assert!(read_answer_from(Interrupted(false, b"{}")).is_ok());
}

/// The same cases at every run.
fn seeded(cases: u32) -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(7);
    ProptestConfig {
        cases,
        rng_seed,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Any JSON value, with any characters in its texts.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(seeded(500))]

    #[test]
    fn any_custom_id_and_answer_survive_byte_for_byte(
        custom_id in any::<String>(),
        answer in json(),
        is_pretty in any::<bool>(),
        status in 100_u16..600,
    ) {
        let token = serde_json::to_string(&custom_id).unwrap();
        let answer = if is_pretty {
            serde_json::to_string_pretty(&answer).unwrap()
        } else {
            answer.to_string()
        };
        let read = read_answer(answer.as_bytes()).unwrap();
        prop_assert_eq!(read.has_newlines, answer.contains('\n'));
        prop_assert_eq!(read_answer_from(OneByOne(answer.as_bytes())).unwrap(), read);

        let line = result_line(&token, status, answer.as_bytes());
        prop_assert_eq!(line.matches('\n').count(), 1);
        prop_assert!(line.ends_with('\n'));
        prop_assert_eq!(keys_of(&line), ["id", "custom_id", "response", "error"]);
        let body = answer.replace('\n', "");
        let parsed: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(parsed["custom_id"].as_str(), Some(custom_id.as_str()));
        let tail = format!("\"body\":{body}}},\"error\":null}}\n");
        prop_assert!(line.ends_with(&tail));
        let head = format!("\"custom_id\":{token},\"response\":{{\"status_code\":{status},");
        prop_assert!(line.contains(&head));
    }

    #[test]
    fn the_scanner_accepts_what_serde_json_accepts(
        answer in json(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        width in 1_usize..40,
    ) {
        let mut bytes = answer.to_string().into_bytes();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let expected = std::str::from_utf8(&bytes).is_ok()
            && serde_json::from_slice::<Box<serde_json::value::RawValue>>(&bytes).is_ok();
        prop_assert_eq!(read_answer(&bytes).is_ok(), expected);
        let mut reader = AnswerReader::default();
        let pushed = bytes.chunks(width).try_for_each(|piece| reader.push(piece));
        prop_assert_eq!(pushed.and_then(|()| reader.finish()).is_ok(), expected);
    }

    #[test]
    fn the_scanner_agrees_with_serde_json_on_small_tokens(
        symbols in prop::collection::vec(
            prop::sample::select(&b"{}[]:,\"\\ut1e0.-+ \nalsrn"[..]), 0..9),
    ) {
        let expected =
            serde_json::from_slice::<Box<serde_json::value::RawValue>>(&symbols).is_ok();
        prop_assert_eq!(read_answer(&symbols).is_ok(), expected);
    }
}
