//! What the walk takes, what it refuses, and what it says of a value.

use super::*;

/// The values of the keys `a` and `b` of an object, the last of each.
fn picked(object: &str) -> Option<[Option<&str>; 2]> {
    let mut picked = [None; 2];
    let mut walk = Walk::new(object);
    let walked = walk.members(Walk::text, |walk, key| {
        let value = walk.value()?.text;
        match key {
            "\"a\"" => picked[0] = Some(value),
            "\"b\"" => picked[1] = Some(value),
            _ => {}
        }
        Ok(())
    });
    walked.and_then(|()| walk.end()).ok().map(|()| picked)
}

fn value(text: &str) -> Option<Value<'_>> {
    let mut walk = Walk::new(text);
    let value = walk.value();
    walk.end().and(value).ok()
}

fn depth(text: &str) -> Option<usize> {
    value(text).map(|value| value.depth)
}

#[test]
fn values_are_taken_as_they_stand() {
    let object = r#" { "b" : [1, {"a":2}] , "c":{"a":3}, "a":"x\n" } "#;
    assert_eq!(
        picked(object),
        Some([Some(r#""x\n""#), Some(r#"[1, {"a":2}]"#)])
    );
    assert_eq!(picked("{}"), Some([None, None]));
    assert_eq!(
        picked(r#"{"a":1,"b":2,"a":3}"#),
        Some([Some("3"), Some("2")])
    );
}

#[test]
fn what_is_not_one_object_fails() {
    for text in [
        "",
        "1",
        "[]",
        "null",
        r#""a""#,
        "{",
        "{}{}",
        "{} x",
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a" 1}"#,
        "{'a':1}",
        "{1:1}",
        "{\"a\":\"raw \n line end\"}",
        "{\"c\":\"raw \u{1} control\"}",
        "{\"raw \u{1} control\":1}",
    ] {
        assert_eq!(picked(text), None, "{text}");
    }
}

#[test]
fn control_characters_are_taken_only_where_they_may_stand() {
    let taken = |text| {
        let mut walk = Walk::new(text);
        let rest = walk.text_with_controls();
        rest.and_then(|()| walk.end())
    };
    assert_eq!(taken("a\u{1}\n\\n\""), Ok(()));
    assert_eq!(taken("a\u{1}\\x\""), Err(NotJson));
    assert_eq!(taken("a\u{1}"), Err(NotJson));
}

#[test]
fn numbers_and_words_are_those_of_json() {
    for text in [
        "0", "-0", "10", "-1.5e3", "1E+9", "0.25", "1e-2", "true", "false", "null", " 1\t",
    ] {
        assert!(value(text).is_some(), "{text}");
    }
    for text in [
        "01", "-", "+1", ".5", "1.", "1.e1", "1e", "1e+", "--1", "1 2", "0x1", "tru", "nulll",
        "NaN", "True",
    ] {
        assert_eq!(value(text), None, "{text}");
    }
}

#[test]
fn escapes_are_those_of_json() {
    for text in [
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u00e9\uD83D\ude00""#,
        r#""\ud800""#,
        r#""\\""#,
        "\"\u{7f}\u{e4}\"",
    ] {
        assert!(value(text).is_some(), "{text}");
    }
    for text in [
        r#""\""#,
        r#""\x""#,
        r#""\u12""#,
        r#""\u12g4""#,
        // Its second letter ends in the byte 128.
        "\"\\u0\u{100}0\"",
        r#""\u123"#,
        r#""\"#,
        r#"""""#,
        "\"\0\"",
    ] {
        assert_eq!(value(text), None, "{text}");
    }
}

#[test]
fn only_nesting_counts_as_depth() {
    let nested = |inner: &str| format!("{}{inner}{}", "[".repeat(4), "]".repeat(4));
    assert_eq!(depth("1"), Some(0));
    assert_eq!(depth(&nested("")), Some(4));
    assert_eq!(depth(&nested(r#""[[{{""#)), Some(4));
    assert_eq!(depth(&nested(r#""]]}\"]", [1]"#)), Some(5));
    assert_eq!(depth(&format!("[{}1]", "[],{},".repeat(1_000))), Some(2));
    assert_eq!(depth(r#"["[[[[[[", "\"[[[[[[", "\\", [1]]"#), Some(2));
    assert_eq!(depth(r#"["\\",[[1]]]"#), Some(3));
    assert_eq!(depth("[[1}]"), None);
    assert_eq!(depth(r#"{"a":[1}"#), None);
}

#[test]
fn deep_nesting_neither_overflows_the_stack_nor_hides() {
    let deep = "[".repeat(200_000);
    assert_eq!(depth(&deep), None);
    assert_eq!(picked(&format!(r#"{{"a":{deep}"#)), None);
    let closed = format!("{deep}{}", "]".repeat(200_000));
    assert_eq!(depth(&closed), Some(200_000));
    assert!(picked(&format!(r#"{{"x":{closed}}}"#)).is_some());
}

#[test]
fn elements_are_those_of_the_outermost_array() {
    let arrays = [
        ("[]", 0),
        ("[ ]", 0),
        ("[[]]", 1),
        (r#"["a","b"]"#, 2),
        ("[[1,2],[3]]", 2),
        (r#"[ "[1,2]" , {"a":1,"b":[1,2]}, 3]"#, 3),
    ];
    for (array, elements) in arrays {
        assert_eq!(value(array).unwrap().elements, elements, "{array}");
    }
}
