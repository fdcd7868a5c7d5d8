use std::fmt::Write as _;

use super::*;
use crate::batch::InputErrorCode;
use crate::plan::{PlanEntry, PlanFooter, TRAILER_SIZE, tail_range};

const SEED: u64 = 7;

fn rules() -> Rules {
    rules_of("/v1/chat/completions")
}

fn rules_of(endpoint: &str) -> Rules {
    Rules {
        endpoint: endpoint.into(),
        limits: InputLimits::default(),
        single_model: false,
        catalog: Catalog::Any,
    }
}

fn known(models: &[&str]) -> Catalog {
    Catalog::Known(models.iter().map(|model| Arc::from(*model)).collect())
}

/// A chat line whose body is right.
fn chat(custom_id: &str) -> String {
    chat_with(custom_id, r#"{"model":"m","messages":[]}"#)
}

fn chat_with(custom_id: &str, body: &str) -> String {
    line_with(custom_id, "/v1/chat/completions", body)
}

fn line_with(custom_id: &str, url: &str, body: &str) -> String {
    format!(r#"{{"custom_id":"{custom_id}","method":"POST","url":"{url}","body":{body}}}"#)
}

fn run(rules: Rules, file: &[u8], chunk: usize) -> Result<(Summary, Vec<u8>), Rejection> {
    let mut checker = Checker::new(rules, SEED);
    let mut plan = Vec::new();
    for chunk in file.chunks(chunk) {
        checker.push(chunk, &mut plan);
    }
    checker.finish(&mut plan).map(|summary| (summary, plan))
}

fn accepted(rules: Rules, file: &str) -> Summary {
    run(rules, file.as_bytes(), 4_096)
        .map(|(summary, _)| summary)
        .unwrap()
}

fn rejected(rules: Rules, file: &str) -> Rejection {
    run(rules, file.as_bytes(), 4_096).unwrap_err()
}

/// Checks a file of these lines: no error, or exactly these as `line code param message`.
fn check_with(rules: Rules, lines: &[&str], expected: &[&str]) {
    let file = lines.join("\n");
    let found = match run(rules, file.as_bytes(), 4_096) {
        Ok(_) => Vec::new(),
        Err(rejection) => rejection.errors.iter().map(shown).collect(),
    };
    assert_eq!(found, expected, "{lines:#?}");
}

fn check(lines: &[&str], expected: &[&str]) {
    check_with(rules(), lines, expected);
}

fn shown(error: &InputError) -> String {
    let code = serde_json::to_value(error.code).unwrap();
    let mut text = error
        .line
        .map_or_else(|| "-".to_owned(), |line| line.to_string());
    let param = error.param.as_deref().unwrap_or("-");
    write!(
        text,
        " {} {param} {}",
        code.as_str().unwrap(),
        error.message
    )
    .unwrap();
    text
}

const NOT_JSON: &str = "invalid_json_line - This line is not parseable as valid JSON.";

#[test]
fn a_file_that_is_too_large_is_refused_before_and_while_it_is_read() {
    assert_eq!(
        shown(&too_large(209_715_200, None)),
        "- invalid_request - The batch input file is larger than the 209715200 maximum. Please try \
         again with a smaller batch."
    );
    let file = chat("a") + "\n" + &chat("b");
    let mut rules = rules();
    rules.limits.file_bytes_max = file.len() as u64;
    assert_eq!(accepted(rules.clone(), &file).total, 2);
    rules.limits.file_bytes_max -= 1;
    let rejection = run(rules, file.as_bytes(), chat("a").len() + 1).unwrap_err();
    assert_eq!(
        rejection.errors.iter().map(shown).collect::<Vec<_>>(),
        [format!(
            "- invalid_request - The batch input file is larger than the {} maximum for the m \
             model. Please try again with a smaller batch.",
            file.len() - 1
        )]
    );
}

#[test]
fn a_file_without_a_request_is_refused() {
    let empty = "- empty_file - The input file is empty. Please ensure that the batch contains at \
                 least one request.";
    check(&[], &[empty]);
    check(&["", " \t", "\r"], &[empty]);
}

#[test]
fn more_lines_than_allowed_are_counted_and_refused() {
    let mut rules = rules();
    rules.limits.lines_max = 2;
    let (a, b, c) = (chat("a"), chat("b"), chat("c"));
    check_with(rules.clone(), &[&a, "", &b], &[]);
    check_with(
        rules,
        &[&a, &b, &c, "not looked at"],
        &["- too_many_tasks - The batch contains 4 requests, which exceeds the maximum of 2."],
    );
}

#[test]
fn errors_of_the_file_and_of_its_lines_are_counted_together() {
    let mut rules = rules();
    rules.limits.lines_max = 2;
    let rejection = rejected(rules, "{\n[]\n{}\n{}");
    assert_eq!((rejection.errors.len(), rejection.errors_total), (3, 3));
    assert_eq!(rejected(self::rules(), "{\n[]\n1").errors_total, 3);
}

#[test]
fn a_line_has_to_be_a_json_object() {
    for line in [
        "{",
        "[]",
        "1",
        "null",
        "\"text\"",
        "{}{}",
        "{'custom_id':1}",
        "{\"a\":1,}",
    ] {
        check(&[&chat("a"), line], &[&format!("2 {NOT_JSON}")]);
    }
}

#[test]
fn a_line_that_is_not_utf8_is_not_json() {
    let file = [chat("a").as_bytes(), b"\n{\"custom_id\":\"\xff\"}"].concat();
    let rejection = run(rules(), &file, 4_096).unwrap_err();
    let found: Vec<_> = rejection.errors.iter().map(shown).collect();
    assert_eq!(found, [format!("2 {NOT_JSON}")]);
}

#[test]
fn a_body_may_be_nested_up_to_the_limit() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        chat_with("a", &format!(r#"{{"model":"m","messages":{open}{close}}}"#))
    };
    check(&[&nested(512)], &[]);
    check(
        &[&nested(513)],
        &[
            "1 invalid_json_line - This line is not parseable as valid JSON: its body is nested \
           deeper than 512 levels.",
        ],
    );
}

#[test]
fn a_line_of_brackets_is_an_error_and_no_stack_overflow() {
    let deep = "[".repeat(200_000);
    check(&[&deep], &[&format!("1 {NOT_JSON}")]);
    check(&[&chat_with("a", &deep)], &[&format!("1 {NOT_JSON}")]);
    let closed = format!("{deep}{}", "]".repeat(200_000));
    let body = format!(r#"{{"model":"m","messages":{closed}}}"#);
    let rejection = rejected(rules(), &chat_with("a", &body));
    assert_eq!(rejection.errors[0].code, InputErrorCode::InvalidJsonLine);
}

#[test]
fn a_line_that_is_too_long_is_refused() {
    let mut rules = rules();
    let (short, long) = (chat("a"), chat("bb"));
    rules.limits.line_bytes_max = short.len();
    let expected = format!(
        "2 invalid_request - This line has {} bytes, which exceeds the maximum of {}.",
        long.len(),
        short.len()
    );
    check_with(rules, &[&short, &long, &chat("c")], &[&expected]);
}

#[test]
fn each_key_has_to_be_there() {
    let keys = [
        ("custom_id", "\"a\""),
        ("method", "\"POST\""),
        ("url", "\"/v1/chat/completions\""),
        ("body", r#"{"model":"m","messages":[]}"#),
    ];
    for (missing, _) in keys {
        let rest = keys.iter().filter(|(key, _)| *key != missing);
        let rest: Vec<_> = rest
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        let line = format!("{{{}}}", rest.join(","));
        let expected = format!(
            "1 missing_required_parameter {missing} Missing required parameter: '{missing}'."
        );
        check(&[&line], &[&expected]);
    }
    let first = "1 missing_required_parameter custom_id Missing required parameter: 'custom_id'.";
    check(&["{}"], &[first]);
}

#[test]
fn each_key_has_to_have_its_type() {
    let cases = [
        ("custom_id", "a string", "7", "an integer"),
        ("custom_id", "a string", "-7.5", "a decimal number"),
        ("custom_id", "a string", "null", "null"),
        ("method", "a string", "[]", "an array"),
        ("url", "a string", "true", "a boolean"),
        ("body", "an object", "\"{}\"", "a string"),
        ("body", "an object", "[{}]", "an array"),
    ];
    for (key, expected, value, got) in cases {
        // The last of a repeated key wins.
        let right = chat("a");
        let line = format!("{},\"{key}\":{value}}}", right.strip_suffix('}').unwrap());
        let message = format!(
            "1 invalid_type {key} Invalid type for '{key}': expected {expected}, but got {got} \
             instead."
        );
        check(&[&line], &[&message]);
    }
}

#[test]
fn the_method_has_to_be_post() {
    check(
        &[
            &chat("a").replace("POST", "GET"),
            &chat("b").replace("POST", "post"),
        ],
        &[
            "1 invalid_method method Invalid method: 'GET'. Only 'POST' is supported.",
            "2 invalid_method method Invalid method: 'post'. Only 'POST' is supported.",
        ],
    );
    check(&[&chat("a").replace("POST", "\\u0050OST")], &[]);
}

#[test]
fn the_url_has_to_be_the_endpoint() {
    let message = "invalid_url url The URL provided for this request does not match the batch \
                   endpoint.";
    check(
        &[
            &line_with("a", "/v1/embeddings", "{}"),
            &line_with("b", "https://api.openai.com/v1/chat/completions", "{}"),
            &chat("c").replace("/v1", "\\/v1"),
        ],
        &[&format!("1 {message}"), &format!("2 {message}")],
    );
}

#[test]
fn a_custom_id_may_occur_once() {
    let duplicate = |line: u64, id: &str| {
        format!(
            "{line} duplicate_custom_id custom_id The custom_id '{id}' for this request is a \
             duplicate of another request. The custom_id parameter must be unique for each request \
             in a batch."
        )
    };
    check(
        &[&chat("a"), &chat("b"), &chat("a"), &chat("A"), &chat("a")],
        &[&duplicate(3, "a"), &duplicate(5, "a")],
    );
    check(
        &[&chat("\u{e4}"), &chat("\\u00e4")],
        &[&duplicate(2, "\u{e4}")],
    );
    check(
        &[&chat("a\\/b"), &chat("a/b"), &chat("a\\\\/b")],
        &[&duplicate(2, "a/b")],
    );
    check(&[&chat(""), &chat("")], &[&duplicate(2, "")]);
}

#[test]
fn a_custom_id_with_an_unpaired_surrogate_is_kept_and_compared() {
    let (one, other) = (chat("\\ud800"), chat("\\ud801"));
    check(&[&one, &other, &chat("\\ufffd")], &[]);
    let rejection = rejected(rules(), &[one.clone(), other, one].join("\n"));
    assert_eq!(rejection.errors.len(), 1);
    assert_eq!(rejection.errors[0].line, Some(3));
}

#[test]
fn a_body_has_to_name_its_model() {
    for body in [
        r#"{"messages":[]}"#,
        "{}",
        r#"{"model":null}"#,
        r#"{"model":""}"#,
    ] {
        check(
            &[&chat_with("a", body)],
            &["1 invalid_request body.model Model parameter is required."],
        );
    }
    check(
        &[&chat_with("a", r#"{"model":5,"messages":[]}"#)],
        &[
            "1 invalid_type body.model Invalid type for 'body.model': expected a string, but got an \
           integer instead.",
        ],
    );
}

#[test]
fn a_body_has_to_hold_what_its_endpoint_needs() {
    let cases = [
        ("/v1/chat/completions", "messages", "Messages"),
        ("/v1/completions", "prompt", "Prompt"),
        ("/v1/embeddings", "input", "Input"),
        ("/v1/images/edits", "prompt", "Prompt"),
        ("/v1/images/generations", "prompt", "Prompt"),
        ("/v1/moderations", "input", "Input"),
        ("/v1/responses", "input", "Input"),
        ("/v1/videos", "prompt", "Prompt"),
    ];
    for (endpoint, key, title) in cases {
        let message = format!("invalid_request body.{key} {title} parameter is required.");
        check_with(
            rules_of(endpoint),
            &[
                &line_with("a", endpoint, r#"{"model":"m"}"#),
                &line_with("b", endpoint, &format!(r#"{{"model":"m","{key}":null}}"#)),
                &line_with("c", endpoint, &format!(r#"{{"model":"m","{key}":"x"}}"#)),
            ],
            &[&format!("1 {message}"), &format!("2 {message}")],
        );
    }
    let score = line_with("a", "/v1/score", r#"{"model":"m"}"#);
    check_with(rules_of("/v1/score"), &[&score], &[]);
}

#[test]
fn a_model_has_to_be_served() {
    let of =
        |id: &str, model: &str| chat_with(id, &format!(r#"{{"messages":[],"model":"{model}"}}"#));
    let lines = [
        of("a", "m"),
        of("b", "x"),
        of("c", "y\\u0031"),
        of("d", "x"),
    ]
    .join("\n");
    let rejection = rejected(
        Rules {
            catalog: known(&["m", "n"]),
            ..rules()
        },
        &lines,
    );
    let refused = |line: u64, model: &str| {
        format!(
            "{line} model_not_found body.model The provided model '{model}' is not supported by \
             the Batch API."
        )
    };
    let found: Vec<_> = rejection.errors.iter().map(shown).collect();
    assert_eq!(found, [refused(2, "x"), refused(3, "y1"), refused(4, "x")]);
    assert_eq!(rejection.unknown_models, [Arc::from("x"), Arc::from("y1")]);
    let served = Rules {
        catalog: known(&["m", "x", "y1"]),
        ..rules()
    };
    assert_eq!(accepted(served, &lines).models.len(), 3);
}

#[test]
fn of_very_many_unknown_models_only_the_first_are_kept() {
    let lines: Vec<String> = (0..2_000)
        .map(|line| {
            let body = format!(r#"{{"messages":[],"model":"{line}{}"}}"#, "x".repeat(100));
            chat_with(&line.to_string(), &body)
        })
        .collect();
    let rejection = rejected(
        Rules {
            catalog: known(&["m"]),
            ..rules()
        },
        &lines.join("\n"),
    );
    let bytes: usize = rejection
        .unknown_models
        .iter()
        .map(|model| model.len())
        .sum();
    assert!((32 << 10..64 << 10).contains(&bytes), "{bytes}");
}

#[test]
fn a_rejection_for_other_reasons_has_no_unknown_model() {
    let rejection = rejected(
        Rules {
            catalog: known(&["m"]),
            ..rules()
        },
        "{}",
    );
    assert_eq!(rejection.unknown_models, []);
}

#[test]
fn a_second_model_is_refused_when_one_is_the_setting() {
    let other = chat_with("b", r#"{"model":"n","messages":[]}"#);
    let lines: [&str; 3] = [&chat("a"), &other, &chat("c")];
    check(&lines, &[]);
    check_with(
        Rules {
            single_model: true,
            ..rules()
        },
        &lines,
        &[
            "2 mismatched_model body.model The model 'n' for this request does not match the rest of \
           the batch. Each batch must contain requests for a single model.",
        ],
    );
}

#[test]
fn the_number_of_models_is_limited() {
    let mut rules = rules();
    rules.limits.models_max = 1;
    let other = chat_with("b", r#"{"model":"n","messages":[]}"#);
    check_with(
        rules,
        &[&chat("a"), &other, &chat("c")],
        &[
            "2 invalid_request body.model The model 'n' for this request is one too many: the \
           requests of a batch may name at most 1 different models.",
        ],
    );
}

#[test]
fn streaming_is_refused() {
    let stream = |value: &str| {
        chat_with(
            "a",
            &format!(r#"{{"model":"m","messages":[],"stream":{value}}}"#),
        )
    };
    check(
        &[&stream("true")],
        &[
            "1 streaming_unsupported body.stream Chat Completions: Streaming is not supported in the \
           Batch API.",
        ],
    );
    for value in ["false", "null", "\"true\"", "true,\"stream\":false"] {
        check(&[&stream(value)], &[]);
    }
    let line = line_with("a", "/v1/x", r#"{"model":"m","stream":true}"#);
    let expected = "1 streaming_unsupported body.stream /v1/x: Streaming is not supported in the \
                    Batch API.";
    check_with(rules_of("/v1/x"), &[&line], &[expected]);
}

#[test]
fn embedding_inputs_are_counted_over_the_file() {
    let of = |id: &str, input: &str| {
        line_with(
            id,
            "/v1/embeddings",
            &format!(r#"{{"model":"m","input":{input}}}"#),
        )
    };
    let lines = [
        of("a", "\"x\""),
        of("b", "[\"x\",\"y\"]"),
        of("c", "[1,2,3]"),
    ];
    let mut rules = rules_of("/v1/embeddings");
    rules.limits.embedding_inputs_max = 4;
    assert_eq!(
        accepted(rules.clone(), &lines.join("\n")).embedding_inputs,
        4
    );
    rules.limits.embedding_inputs_max = 3;
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    check_with(
        rules,
        &lines,
        &[
            "- too_many_tasks - The batch contains 4 embedding inputs, which exceeds the maximum of \
           3.",
        ],
    );
}

#[test]
fn the_first_failing_check_of_a_line_is_reported_and_every_line_is_checked() {
    check(
        &[
            r#"{"method":"GET","url":"/","body":5}"#,
            "oops",
            r#"{"custom_id":"a","method":"GET","url":"/","body":5}"#,
            r#"{"custom_id":"a","method":"GET","url":"/","body":{}}"#,
            &line_with("b", "/", "{}"),
            &chat_with("a", "{}"),
            &chat_with("c", "{}"),
        ],
        &[
            "1 missing_required_parameter custom_id Missing required parameter: 'custom_id'.",
            &format!("2 {NOT_JSON}"),
            "3 invalid_type body Invalid type for 'body': expected an object, but got an integer \
             instead.",
            "4 invalid_method method Invalid method: 'GET'. Only 'POST' is supported.",
            "5 invalid_url url The URL provided for this request does not match the batch \
             endpoint.",
            "6 duplicate_custom_id custom_id The custom_id 'a' for this request is a duplicate of \
             another request. The custom_id parameter must be unique for each request in a batch.",
            "7 invalid_request body.model Model parameter is required.",
        ],
    );
}

#[test]
fn the_last_of_repeated_keys_wins_and_unknown_ones_are_ignored() {
    let line = r#"{"x":[{}],"custom_id":1,"body":[],"method":"GET","url":"/","custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":1,"messages":null,"stream":true,"stream":false,"messages":"any","model":"m"},"y":null}"#;
    check(&[line], &[]);
}

#[test]
fn quoted_values_are_cut() {
    let long = "\u{e4}".repeat(300);
    let rejection = rejected(rules(), &chat("a").replace("POST", &long));
    let expected = format!(
        "Invalid method: '{}'. Only 'POST' is supported.",
        "\u{e4}".repeat(200)
    );
    assert_eq!(rejection.errors[0].message, expected);
}

#[test]
fn the_list_of_errors_has_at_most_a_thousand_entries() {
    let rejection = rejected(rules(), &"{}\n".repeat(1_000));
    assert_eq!(rejection.errors.len(), 1_000);
    assert_eq!(rejection.errors[999].line, Some(1_000));

    let rejection = rejected(rules(), &"{}\n".repeat(1_001));
    assert_eq!(rejection.errors.len(), 1_000);
    assert_eq!(rejection.errors[998].line, Some(999));
    assert_eq!(
        shown(&rejection.errors[999]),
        "- invalid_request - 2 more lines have errors, which are not listed here."
    );

    let mut rules = rules();
    rules.limits.lines_max = 1_000;
    let rejection = rejected(rules, &"{}\n".repeat(1_001));
    assert_eq!(rejection.errors.len(), 1_000);
    assert_eq!(rejection.errors[0].code, InputErrorCode::TooManyTasks);
    assert_eq!(rejection.errors[1].line, Some(1));
    assert!(rejection.errors[999].message.starts_with("2 more"));
}

#[test]
fn the_list_of_errors_has_at_most_a_mebibyte() {
    // 200 control characters: 1,200 bytes of JSON an entry.
    let method = "\\u0001".repeat(200);
    let lines: Vec<String> = (0..999)
        .map(|line| chat(&line.to_string()).replace("POST", &method))
        .collect();
    let rejection = rejected(rules(), &lines.join("\n"));
    let bytes = serde_json::to_vec(&rejection.errors).unwrap().len();
    assert!(bytes <= ENTRY_BYTES_MAX, "{bytes}");
    assert!(bytes > ENTRY_BYTES_MAX - (8 << 10), "{bytes}");
    let listed = rejection.errors.len() - 1;
    assert!(listed < 999);
    let message = &rejection.errors[listed].message;
    assert!(
        message.starts_with(&format!("{} more lines", 999 - listed)),
        "{message}"
    );
}

#[test]
fn who_watches_sees_every_line_that_is_wrong() {
    let mut seen = Vec::new();
    let mut watch = |line: Line<'_>, error: &InputError| {
        assert_eq!(error.line, Some(line.no));
        seen.push((line.no, line.bytes.unwrap().to_vec()));
    };
    let mut checker = Checker::new(rules(), SEED);
    let file = format!("{}\n{}[1]", chat("a"), "{}\n".repeat(5_000));
    checker.push_watched(file.as_bytes(), &mut Vec::new(), &mut watch);
    let rejection = checker.finish_watched(&mut Vec::new(), &mut watch);
    assert_eq!(rejection.unwrap_err().errors.len(), ENTRIES_MAX);
    assert_eq!(seen.len(), 5_001);
    assert_eq!(seen[0], (2, b"{}".to_vec()));
    assert_eq!(seen[5_000], (5_002, b"[1]".to_vec()));
}

#[test]
fn the_summary_says_what_the_file_holds() {
    let body = r#"{"model":"n","messages":[]}"#;
    let other = chat_with("c", body);
    let alone = accepted(rules(), &other);
    assert_eq!(alone.body_bytes, body.len() as u64);
    let one = [chat("a"), chat("b")].join("\n");
    let summary = accepted(rules(), &one);
    let model: Arc<str> = "m".into();
    assert_eq!(
        summary,
        Summary {
            total: 2,
            model: Some(Arc::clone(&model)),
            models: vec![(Arc::clone(&model), 2)],
            bytes: one.len() as u64,
            body_bytes: summary.body_bytes,
            embedding_inputs: 0,
        }
    );
    let summary = accepted(rules(), &[one, other, chat("d")].join("\r\n"));
    assert_eq!(summary.model, None);
    assert_eq!(summary.models, [(model, 3), ("n".into(), 1)]);
}

#[test]
fn the_plan_names_the_bytes_of_every_line() {
    let body = r#"{ "messages" : [ 1.0e5, "\u00e4" ], "model":"n" }"#;
    let file = format!(
        "\u{feff}{}\r\n\r\n  {{\"body\": {body} , \"url\":\"/v1/chat/completions\",\
         \"custom_id\" : \"x\\ud800\\n\",\"method\":\"POST\"}}\n{}",
        chat("a"),
        chat("b")
    );
    for chunk in [1, 2, 7, 64, 4_096] {
        let (summary, plan) = run(rules(), file.as_bytes(), chunk).unwrap();
        assert_eq!(summary.total, 3);
        let entries = entries(&plan);
        let (numbers, models): (Vec<_>, Vec<_>) = entries
            .iter()
            .map(|entry| (entry.line, entry.model))
            .unzip();
        assert_eq!((numbers, models), (vec![1, 3, 4], vec![0, 1, 0]));
        let parts: Vec<(&str, &str)> = entries
            .iter()
            .map(|entry| {
                let range = entry.range();
                let start = usize::try_from(range.start).unwrap();
                let end = usize::try_from(range.end).unwrap();
                let parts = entry.parts(&file.as_bytes()[start..end]).unwrap();
                let text = |bytes| std::str::from_utf8(bytes).unwrap();
                (text(parts.custom_id), text(parts.body))
            })
            .collect();
        let expected = r#"{"model":"m","messages":[]}"#;
        assert_eq!(
            parts,
            [
                ("\"a\"", expected),
                ("\"x\\ud800\\n\"", body),
                ("\"b\"", expected)
            ]
        );
    }
}

/// The entries of a plan in line order.
fn entries(plan: &[u8]) -> Vec<PlanEntry> {
    let tail = tail_range(&plan[plan.len() - TRAILER_SIZE..], plan.len() as u64).unwrap();
    let split = usize::try_from(tail.start).unwrap();
    let footer = PlanFooter::decode(&plan[split..]).unwrap();
    let mut entries: Vec<_> = plan[..split]
        .chunks_exact(PlanEntry::SIZE)
        .map(|bytes| PlanEntry::decode(bytes).unwrap())
        .collect();
    assert_eq!(entries.len() as u64, footer.total);
    entries.sort_unstable_by_key(|entry| entry.line);
    entries
}

#[test]
fn the_first_line_of_an_upload_is_judged_by_the_same_reader() {
    assert!(is_json_object(b" {\"any\":[1]} "));
    for line in [
        b"".as_slice(),
        b"[1]",
        b"{",
        b"{\"a\":\"\xff\"}",
        b"name,age",
    ] {
        assert!(!is_json_object(line));
    }
}
