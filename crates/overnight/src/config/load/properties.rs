//! What holds for every configuration file: settings or a sentence, and the sentence says where.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

use super::tests::{from_file, from_variable};

/// A file in which most kinds of settings stand.
const FILE: &str = r#"listen = "127.0.0.1:9000"
windows = ["24h", "7d"]
endpoints = ["/v1/rerank"]

[limits]
lines_max = 10
file_bytes_max = "200MiB"
single_model = true

[grace]
cancel = "10s"

[[upstreams]]
name = "a"
url = "http://127.0.0.1:8000/v1"
limit = 8

[upstreams.served_as]
small = "org/small"
"#;

/// The same cases at every run.
fn seeded() -> ProptestConfig {
    ProptestConfig {
        cases: 200,
        rng_seed: RngSeed::Fixed(23),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Whether a refusal of a file begins with the file and a line in it.
fn says_where(refusal: &str) -> bool {
    let rest = refusal.strip_prefix("o.toml:");
    rest.is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
}

/// Found by the properties below.
#[test]
fn a_table_that_lacks_a_key_is_named_with_its_line() {
    assert_eq!(
        from_file("listen = \"127.0.0.1:1\"\n\n[[upstreams]]\n")
            .err()
            .as_deref(),
        Some("o.toml:3: upstreams.0.url: is missing: say where the server is")
    );
}

#[test]
fn the_file_that_is_damaged_below_is_right() {
    assert!(from_file(FILE).is_ok(), "{:?}", from_file(FILE).err());
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn a_damaged_file_is_settings_or_an_error_that_says_where(
        edits in prop::collection::vec(
            (any::<Index>(), prop_oneof![
                4 => prop::sample::select(&b"=[]\"'#.,\n{}0-x "[..]).prop_map(char::from),
                1 => any::<char>(),
            ]),
            1..4,
        ),
    ) {
        let mut text: Vec<char> = FILE.chars().collect();
        for (at, letter) in edits {
            let at = at.index(text.len());
            text[at] = letter;
        }
        let text: String = text.into_iter().collect();
        if let Err(refusal) = from_file(&text) {
            prop_assert!(says_where(&refusal), "{}\n{}", refusal, text);
        }
    }

    #[test]
    fn any_text_is_settings_or_an_error_that_says_where(
        lines in prop::collection::vec(
            "(\\[{1,2})?(limits|upstreams|listen|grace|url|[a-z]{1,3})(\\]{1,2})?( = |\\.)?\
             (\"[ -~]{0,6}\"|[0-9a-z.:-]{0,6}|\\[\\]|\\{\\})\\PC{0,1}",
            0..5,
        ),
    ) {
        let text = lines.join("\n");
        if let Err(refusal) = from_file(&text) {
            prop_assert!(says_where(&refusal), "{}\n{}", refusal, text);
        }
    }

    #[test]
    fn any_value_of_a_variable_is_settings_or_an_error_that_names_it(
        name in prop::sample::select(vec![
            "OVERNIGHT_LISTEN", "OVERNIGHT_LIMITS__LINES_MAX", "OVERNIGHT_UPSTREAMS",
            "OVERNIGHT_LIMITS", "OVERNIGHT_GRACE__CANCEL", "OVERNIGHT_WINDOWS", "OVERNIGHT_NONE",
        ]),
        value in "[\\[\\]{}=\",a-z0-9:. -]{0,16}|\\PC{0,6}",
    ) {
        if let Err(refusal) = from_variable(name, &value) {
            prop_assert!(refusal.contains(name), "{name} = {value}: {refusal}");
        }
    }
}
