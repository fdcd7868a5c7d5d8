//! What holds for every file, whatever its bytes: the checker against a slow and simple reader.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
use serde_json::Value;

use super::*;

/// The same cases at every run.
fn seeded(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(11),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn rules() -> Rules {
    Rules {
        endpoint: "/v1/chat/completions".into(),
        limits: InputLimits::default(),
        single_model: false,
        catalog: Catalog::Any,
    }
}

/// What becomes of a file that comes in these pieces.
fn check<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Result<Summary, Rejection>) {
    let mut checker = Checker::new(rules(), 3);
    let mut plan = Vec::new();
    for piece in pieces {
        checker.push(piece, &mut plan);
    }
    let checked = checker.finish(&mut plan);
    (plan, checked)
}

/// The numbers of the lines that are wrong, by a reader that builds a tree of each line.
fn wrong_lines(lines: &[String]) -> Vec<u64> {
    let mut seen = Vec::new();
    let numbered = lines.iter().zip(1..);
    numbered
        .filter(|(line, _)| !line.trim().is_empty() && !is_right(line, &mut seen))
        .map(|(_, no)| no)
        .collect()
}

/// Whether a line may be run. Ids are noted of every line that has the four keys in their types.
fn is_right(line: &str, seen: &mut Vec<String>) -> bool {
    let Ok(Value::Object(line)) = serde_json::from_str(line) else {
        return false;
    };
    let text = |key: &str| line.get(key).and_then(Value::as_str);
    let (Some(id), Some(method), Some(url), Some(Value::Object(body))) = (
        text("custom_id"),
        text("method"),
        text("url"),
        line.get("body"),
    ) else {
        return false;
    };
    let is_new = !seen.iter().any(|known| known == id);
    seen.push(id.to_owned());
    is_new
        && method == "POST"
        && url == "/v1/chat/completions"
        && body
            .get("model")
            .and_then(Value::as_str)
            .is_some_and(|model| !model.is_empty())
        && body
            .get("messages")
            .is_some_and(|messages| !messages.is_null())
        && body.get("stream") != Some(&Value::Bool(true))
}

/// JSON values that a line could have in one place or another.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "null", "true", "false", "0", "-1.5e3", "\"\"", "[]", "{}", "\"POST\"", "\"\\u0050OST\"",
            "\"/v1/chat/completions\"", "\"\\/v1\\/chat/completions\"", "\"m\"", "[{\"a\":[1]}]",
        ]).prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ]
}

/// Lines that are right but for a few keys more, changed bytes, or less than all of it.
fn line() -> impl Strategy<Value = String> {
    let keys = ["custom_id", "method", "url", "body", "m\\u0065thod", "x"];
    let more = prop::collection::vec((prop::sample::select(keys.to_vec()), value()), 0..2);
    let in_body = ["model", "messages", "stream", "mod\\u0065l", "y"];
    let body_more = prop::collection::vec((prop::sample::select(in_body.to_vec()), value()), 0..2);
    let id = prop_oneof![3 => "[a-c]{1,2}", 1 => Just("\\u0061".to_owned())];
    let damage = prop::option::weighted(0.2, (any::<Index>(), prop::char::range(' ', '~')));
    let space = prop::sample::select(vec!["", " ", "\t"]);
    (id, more, body_more, damage, space).prop_map(|(id, more, body_more, damage, space)| {
        let members = |members: Vec<(&str, String)>| {
            let members = members.iter();
            let members =
                members.map(|(key, value)| [",", space, "\"", key, "\":", value].concat());
            members.collect::<String>()
        };
        let (more, body_more) = (members(more), members(body_more));
        let line = format!(
            "{space}{{\"custom_id\":\"{id}\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\
             \"body\":{{\"model\":\"m\",\"messages\":[]{body_more}}}{more}}}"
        );
        let mut letters: Vec<char> = line.chars().collect();
        if let Some((at, letter)) = damage {
            let at = at.index(letters.len());
            letters[at] = letter;
        }
        // A line end inside of a string is escaped, so this is one line.
        letters.into_iter().collect()
    })
}

/// The pieces between these places.
fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect()
}

proptest! {
    #![proptest_config(seeded(1_500))]

    #[test]
    fn exactly_the_lines_that_a_simple_reader_refuses_are_refused(
        lines in prop::collection::vec(line(), 1..6),
    ) {
        let file = lines.join("\n");
        let wrong = wrong_lines(&lines);
        let (_, checked) = check([file.as_bytes()]);
        let found: Vec<u64> = match &checked {
            Ok(summary) => {
                prop_assert_eq!(summary.total, lines.len() as u64);
                Vec::new()
            }
            Err(rejection) => rejection.errors.iter().filter_map(|error| error.line).collect(),
        };
        prop_assert_eq!(found, wrong, "{:#?}\n{:#?}", lines, checked);
    }

    #[test]
    fn any_chunking_of_a_file_gives_the_same_plan_and_the_same_errors(
        lines in prop::collection::vec(line(), 1..5),
        edits in prop::collection::vec((any::<Index>(), any::<u8>()), 0..3),
        cuts in prop::collection::vec(any::<Index>(), 0..10),
    ) {
        let mut file = lines.join("\r\n").into_bytes();
        for (at, byte) in edits {
            let at = at.index(file.len());
            file[at] = byte;
        }
        prop_assert_eq!(check(cut(&file, &cuts)), check([file.as_slice()]));
    }

    #[test]
    fn arbitrary_bytes_are_refused_with_a_reason(
        file in prop::collection::vec(
            prop_oneof![prop::sample::select(&b"{}[]\":,\\\n\r u0\xef\xbb\xbf"[..]), any::<u8>()],
            0..120,
        ),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let (_, checked) = check(cut(&file, &cuts));
        prop_assert!(checked.is_err_and(|rejection| !rejection.errors.is_empty()));
    }

    #[test]
    fn a_value_of_any_depth_is_checked_without_recursion(
        depth in 1_usize..4_000,
        opening in prop::sample::select(vec!["[", "{\"a\":"]),
    ) {
        let (closing, inner) = if opening == "[" { ("]", "") } else { ("}", "1") };
        let nested = [&opening.repeat(depth), inner, &closing.repeat(depth)].concat();
        let file = format!(
            "{{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\
             \"body\":{{\"model\":\"m\",\"messages\":{nested}}}}}"
        );
        // The body itself is one level.
        prop_assert_eq!(check([file.as_bytes()]).1.is_ok(), depth < DEPTH_MAX);
    }
}
