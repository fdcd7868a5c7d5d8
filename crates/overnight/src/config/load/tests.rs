use std::fs;

use super::*;
use crate::config::show::effective;

/// A configuration file, variables and flags.
struct Given<'a> {
    file: &'a str,
    variables: &'a [(&'a str, &'a str)],
    flags: Vec<Flag>,
}

fn load_given(given: Given<'_>) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("o.toml");
    fs::write(&path, given.file).unwrap();
    let environment = given
        .variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let sources = Sources {
        flags: given.flags,
        environment: environment.collect(),
        file: Some(path.clone()),
    };
    load(&sources).map_err(|error| {
        error
            .to_string()
            .replace(&path.display().to_string(), "o.toml")
    })
}

fn from_file(file: &str) -> Result<Loaded, String> {
    load_given(Given {
        file,
        variables: &[],
        flags: Vec::new(),
    })
}

fn check_error(file: &str, expected: &str) {
    let error = from_file(file).unwrap_err();
    assert_eq!(error, expected);
}

fn from_variable(name: &str, value: &str) -> Result<Loaded, String> {
    load_given(Given {
        file: "",
        variables: &[(name, value)],
        flags: Vec::new(),
    })
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let loaded = from_file("").unwrap();
    assert_eq!(loaded.settings.listen, "127.0.0.1:8080");
    assert_eq!(loaded.settings.limits.lines_max, 50_000);
    assert_eq!(loaded.settings.limits.file_bytes_max.0, 209_715_200);
    assert!(loaded.settings.upstreams.0.is_empty());
}

#[test]
fn a_flag_is_stronger_than_a_variable_which_is_stronger_than_the_file() {
    let flag = || Flag {
        key: "listen",
        name: "--listen",
        value: Value::from("127.0.0.1:3"),
    };
    let variables = [
        ("OVERNIGHT_LISTEN", "127.0.0.1:2"),
        ("OVERNIGHT_LIMITS__LINES_MAX", "7"),
    ];
    let file = "listen = \"127.0.0.1:1\"\n[limits]\nlines_max = 1\nmodels_max = 9\n";
    let loaded = load_given(Given {
        file,
        variables: &variables,
        flags: vec![flag()],
    })
    .unwrap();
    assert_eq!(loaded.settings.listen, "127.0.0.1:3");
    assert_eq!(loaded.settings.limits.lines_max, 7);
    assert_eq!(loaded.settings.limits.models_max, 9);
    let shown = effective(&loaded);
    for (key, origin) in [
        ("listen", "--listen"),
        ("limits.lines_max", "OVERNIGHT_LIMITS__LINES_MAX"),
        ("limits.models_max", "o.toml:4"),
        ("data", "default"),
    ] {
        let line = shown
            .lines()
            .find(|line| line.starts_with(&format!("{key} = ")))
            .unwrap();
        assert!(line.ends_with(origin), "{line}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let error = from_file("\n[limits]\nline_max = 5\n").unwrap_err();
    assert!(
        error.starts_with("o.toml:3: limits.line_max: there is no such setting"),
        "{error}"
    );
    assert!(error.contains("lines_max"), "{error}");
}

#[test]
fn a_wrong_kind_of_value_is_named_with_its_line() {
    check_error(
        "[limits]\n\nlines_max = \"many\"\n",
        "o.toml:3: limits.lines_max: must be a whole number, not negative, not string \"many\"",
    );
    check_error(
        "[grace]\ncancel = \"soon\"\n",
        "o.toml:2: grace.cancel: must be a length of time such as \"500ms\", \"10s\", \"5m\", \
         \"24h\" or \"7d\", not string \"soon\"",
    );
}

#[test]
fn an_error_inside_an_upstream_is_named_with_its_line() {
    let error = from_file("[[upstreams]]\nurl = \"http://a\"\n[[upstreams]]\nlimit = \"x\"\n");
    assert!(
        error
            .unwrap_err()
            .starts_with("o.toml:4: upstreams.1.limit: must be")
    );
    let error = from_file("[[upstreams]]\nurl = \"http://a\"\nlimits = 4\n").unwrap_err();
    assert!(
        error.starts_with("o.toml:3: upstreams.0.limits: there is no such setting"),
        "{error}"
    );
}

#[test]
fn several_problems_are_told_at_once() {
    let error = from_file("attempts_max = 0\nwindows = [\"24h\", \"x\"]\n").unwrap_err();
    assert!(
        error.contains("o.toml:1: attempts_max: must be at least 1"),
        "{error}"
    );
    assert!(
        error.contains("o.toml:2: windows.1: must be a length of time"),
        "{error}"
    );
}

#[test]
fn text_that_is_not_toml_is_named_with_its_line() {
    let error = from_file("listen = \"127.0.0.1:1\"\nlimits = \n").unwrap_err();
    assert!(error.starts_with("o.toml:2: is not TOML"), "{error}");
}

#[test]
fn a_named_file_must_be_there() {
    let sources = Sources {
        flags: Vec::new(),
        environment: BTreeMap::new(),
        file: Some("/nowhere/o.toml".into()),
    };
    let error = load(&sources).unwrap_err().to_string();
    assert!(
        error.starts_with("/nowhere/o.toml: cannot be read"),
        "{error}"
    );
}

#[test]
fn a_wrong_variable_is_named() {
    let error = from_variable("OVERNIGHT_LIMITS__LINES_MAX", "many").unwrap_err();
    assert!(
        error.starts_with("OVERNIGHT_LIMITS__LINES_MAX: limits.lines_max: must be"),
        "{error}"
    );
    let error = from_variable("OVERNIGHT_LISTENS", "x").unwrap_err();
    assert!(
        error.starts_with("OVERNIGHT_LISTENS: listens: there is no such setting"),
        "{error}"
    );
}

#[test]
fn variables_set_texts_lists_and_upstreams() {
    assert_eq!(
        from_variable("OVERNIGHT_DATA", "123")
            .unwrap()
            .settings
            .data,
        Path::new("123")
    );
    let windows = from_variable("OVERNIGHT_WINDOWS", "24h, 1h")
        .unwrap()
        .settings
        .windows;
    assert_eq!(windows.0, ["24h", "1h"]);
    let models = from_variable("OVERNIGHT_SIM__MODELS", "a, b")
        .unwrap()
        .settings
        .sim
        .0
        .models;
    assert_eq!(models, ["a", "b"]);
    let loaded = from_variable("OVERNIGHT_UPSTREAMS", "http://a:1,http://b:2").unwrap();
    let urls: Vec<_> = loaded
        .settings
        .upstreams
        .0
        .iter()
        .map(|u| u.url.0.as_str())
        .collect();
    assert_eq!(urls, ["http://a:1", "http://b:2"]);
}

#[test]
fn an_address_that_others_reach_needs_no_auth() {
    let error = from_variable("OVERNIGHT_LISTEN", "0.0.0.0:80").unwrap_err();
    assert!(error.contains("--no-auth"), "{error}");
    assert!(from_file("listen = \"0.0.0.0:80\"\nno_auth = true\n").is_ok());
    assert!(from_variable("OVERNIGHT_LISTEN", "[::1]:80").is_ok());
    assert!(from_variable("OVERNIGHT_LISTEN", "localhost:80").is_ok());
}

#[test]
fn the_variable_with_an_upstreams_key_must_be_set() {
    let file = "[[upstreams]]\nurl = \"https://a\"\napi_key_env = \"KEY_OF_A\"\n";
    check_error(
        file,
        "o.toml:3: upstreams.0.api_key_env: the environment variable KEY_OF_A is not set",
    );
    let variables = [("KEY_OF_A", "sk-1")];
    assert!(
        load_given(Given {
            file,
            variables: &variables,
            flags: Vec::new()
        })
        .is_ok()
    );
}

#[test]
fn what_is_shown_is_toml_and_holds_no_secret() {
    let file = "[[upstreams]]\nurl = \"http://me:pass1@a:1/\"\nheaders = { x-key = \"pass2\" }\n\
                served_as = { small = \"org/Small-1\" }\n[sim]\nslots = 4\n";
    let shown = effective(&from_file(file).unwrap());
    assert!(
        !shown.contains("pass1") && !shown.contains("pass2"),
        "{shown}"
    );
    let read: toml::Table = toml::from_str(&shown).unwrap();
    assert_eq!(read["sim"]["slots"].as_integer(), Some(4));
    assert_eq!(
        read["upstreams"][0]["served_as"]["small"].as_str(),
        Some("org/Small-1")
    );
    assert_eq!(read["limits"]["lines_max"].as_integer(), Some(50_000));
}
