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

pub(super) fn from_file(file: &str) -> Result<Loaded, String> {
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

pub(super) fn from_variable(name: &str, value: &str) -> Result<Loaded, String> {
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
fn an_upstream_that_could_not_be_set_up_is_named_with_its_line() {
    let check = |setting: &str, expected: &str| {
        let file = format!("[[upstreams]]\n{setting}\nrpm = 1\n");
        let error = from_file(&file).unwrap_err();
        let expected = format!("o.toml:2: upstreams.0.{expected}");
        assert!(error.starts_with(&expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    };
    check("url = \"http://\"", "url: is not a URL");
    check("url = \"http://host:99999\"", "url: has a port");
    let with = |key: &str, value: &str, expected: &str| {
        let file = format!("upstreams = [{{ url = \"https://h\", {key} = {value} }}]");
        let error = from_file(&file).unwrap_err();
        let expected = format!("o.toml:1: upstreams.0.{expected}");
        assert!(error.starts_with(&expected), "{error}");
    };
    with(
        "ca",
        "\"/not/there.pem\"",
        "ca: cannot be read: `/not/there.pem`",
    );
    with("proxy", "\"nonsense\"", "proxy: is not a URL");
    with("models", "[]", "models: names no model");
    with(
        "headers",
        "{ Connection = \"x\" }",
        "headers: `Connection`: is set by",
    );
    assert!(from_file("[[upstreams]]\nurl = \"sim\"\n").is_ok());
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

/// A hash of the right form, with that digit throughout.
fn hash(digit: &str) -> String {
    format!("sha256:{}", digit.repeat(64))
}

#[test]
fn keys_are_read_from_tables_and_from_a_variable() {
    let file = format!(
        "[[keys]]\nname = \"a\"\nhash = \"{}\"\n\n[[keys]]\nname = \"b\"\nhash = \"{}\"\n\
         project = \"research\"\nrole = \"admin\"\n",
        hash("a"),
        hash("b")
    );
    let keys = from_file(&file).unwrap().settings.keys.0;
    let shown: Vec<_> = keys
        .iter()
        .map(|key| (key.name.as_str(), key.project.as_str(), key.role.0.as_str()))
        .collect();
    assert_eq!(
        shown,
        [("a", "default", "user"), ("b", "research", "admin")]
    );
    let inline = format!(
        "[{{ name = \"c\", hash = \"{}\", role = \"metrics\" }}]",
        hash("c")
    );
    let keys = from_variable("OVERNIGHT_KEYS", &inline).unwrap();
    assert_eq!(keys.settings.keys.0[0].role.0.as_str(), "metrics");
    assert_eq!(keys.settings.keys.0[0].hash.0, hash("c"));
}

/// Checks what is said about a file with a first key that is right, on its first three lines, and this
/// second one from line 4 on.
fn check_second_key(table: &str, expected: &str) {
    let first = format!("[[keys]]\nname = \"a\"\nhash = \"{}\"\n", hash("a"));
    check_error(&format!("{first}[[keys]]\n{table}"), expected);
}

#[test]
fn a_wrong_key_is_named_with_its_line() {
    let good = format!("hash = \"{}\"\n", hash("b"));
    check_second_key(
        &format!("{good}name = \"a\"\n"),
        "o.toml:6: keys.1.name: \"a\" is the name of another key",
    );
    check_second_key(
        &format!("name = \"b\"\nhash = \"{}\"\n", hash("A")),
        "o.toml:6: keys.1.hash: is the hash of another key as well",
    );
    check_second_key(
        &good,
        "o.toml:4: keys.1: has no `name`: say what the key is called in the log",
    );
    check_second_key(
        "name = \"b\"\n",
        "o.toml:4: keys.1: has no `hash`: `overnight key new` makes a key and prints it",
    );
    check_second_key(
        "name = \"b\"\nhash = \"sha256:00\"\n",
        "o.toml:6: keys.1.hash: must be `sha256:` and 64 hexadecimal digits, as `overnight key new` \
         prints it",
    );
    check_second_key(
        &format!("name = \"b\"\n{good}role = \"root\"\n"),
        "o.toml:7: keys.1.role: must be one of user, admin, metrics, not \"root\"",
    );
    check_second_key(
        &format!("name = \"b\"\n{good}project = \"\"\n"),
        "o.toml:7: keys.1.project: must be 1 to 64 letters, digits, dots, hyphens and underscores",
    );
    check_second_key(
        &format!("name = \"b\"\n{good}projekt = \"p\"\n"),
        "o.toml:7: keys.1.projekt: there is no such setting; there are: name, hash, project, role",
    );
    check_error(
        "keys = \"sk-1\"\n",
        "o.toml:1: keys: must be a list of `[[keys]]` tables, not a text",
    );
}

#[test]
fn a_key_in_the_place_of_its_hash_is_not_repeated() {
    let file = "[[keys]]\nname = \"a\"\nhash = \"sk-overnight-secret\"\n";
    let error = from_file(file).unwrap_err();
    assert!(
        error.starts_with("o.toml:3: keys.0.hash: is a key"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn keys_are_enough_for_an_address_that_others_reach() {
    let key = format!("[[keys]]\nname = \"a\"\nhash = \"{}\"\n", hash("a"));
    let file = format!("listen = \"0.0.0.0:80\"\n{key}");
    assert!(from_file(&file).is_ok());
    check_error(
        &format!("no_auth = true\n{file}"),
        "o.toml:1: no_auth: there are API keys, and this would serve without them: remove one of \
         the two",
    );
}

#[test]
fn the_address_of_the_metrics_is_another_one() {
    check_error(
        "listen = \"127.0.0.1:80\"\nmetrics_listen = \"127.0.0.1:80\"\n",
        "o.toml:2: metrics_listen: must be another address than `listen`, which serves `/metrics` \
         as well",
    );
    check_error(
        "metrics_listen = \":80\"\n",
        "o.toml:1: metrics_listen: must be HOST:PORT, such as 127.0.0.1:9090, not \":80\"",
    );
    let file = "listen = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:0\"\n";
    assert!(from_file(file).is_ok());
}
