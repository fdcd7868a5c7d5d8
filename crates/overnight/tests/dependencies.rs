//! What comes in from outside: licences that the project can be given away with, one registry, no second
//! copy of a crate without a reason, and nothing that brings in another TLS.
//!
//! `cargo metadata` knows all this without a network. Known vulnerabilities are not looked up here: their
//! list is kept where the tests do not reach (`docs/decisions` has the record).

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than a notice.
const LICENCES: [&str; 9] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    // It asks for not even that.
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Crates that are not to come in, and why.
const BANNED: [(&str, &str); 3] = [
    ("openssl", "TLS is rustls everywhere"),
    ("openssl-sys", "TLS is rustls everywhere"),
    ("native-tls", "TLS is rustls everywhere"),
];

/// Every package that the build may use, from the lock file as it stands.
fn packages() -> Vec<Value> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let arguments = [
        "metadata",
        "--format-version=1",
        "--locked",
        "--all-features",
    ];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--manifest-path", manifest])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn name(package: &Value) -> String {
    format!(
        "{} {}",
        package["name"].as_str().unwrap(),
        package["version"].as_str().unwrap()
    )
}

/// Whether an expression allows a choice of licences that are all fine: `OR` binds weaker than `AND`,
/// parentheses as usual, an old slash means `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (allowed, rest) = any(&words);
    assert!(rest.is_empty(), "not understood: {expression}");
    allowed
}

fn any<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    let (mut allowed, mut rest) = all(words);
    while let ["OR", more @ ..] = rest {
        let (next, after) = all(more);
        (allowed, rest) = (allowed | next, after);
    }
    (allowed, rest)
}

fn all<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    let (mut allowed, mut rest) = one(words);
    while let ["AND", more @ ..] = rest {
        let (next, after) = one(more);
        (allowed, rest) = (allowed & next, after);
    }
    (allowed, rest)
}

fn one<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    match words {
        ["(", inner @ ..] => {
            let (allowed, rest) = any(inner);
            assert_eq!(rest.first(), Some(&")"), "a parenthesis is open");
            (allowed, &rest[1..])
        }
        [licence, "WITH", exception, rest @ ..] => {
            let licence = format!("{licence} WITH {exception}");
            (LICENCES.contains(&licence.as_str()), rest)
        }
        [licence, rest @ ..] => (LICENCES.contains(licence), rest),
        [] => panic!("the expression ends early"),
    }
}

#[test]
fn an_expression_is_read_as_its_authors_meant_it() {
    for allowed in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "MIT AND (GPL-2.0 OR ISC)",
    ] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(GPL-3.0 OR AGPL-3.0) AND MIT",
    ] {
        assert!(!is_allowed(refused), "{refused}");
    }
}

#[test]
fn every_licence_is_one_of_ours() {
    let refused: Vec<String> = packages()
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(is_allowed))
        .map(|package| format!("{}: {}", name(package), package["license"]))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn everything_comes_from_one_registry() {
    // A crate of the workspace has no source.
    let sources: BTreeSet<String> = packages()
        .iter()
        .filter_map(|package| package["source"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(sources.len(), 1, "{sources:?}");
    assert!(
        sources.first().unwrap().starts_with("registry+"),
        "{sources:?}"
    );
}

#[test]
fn no_banned_crate_comes_in() {
    for package in packages() {
        let banned = BANNED.iter().find(|(banned, _)| package["name"] == *banned);
        assert_eq!(banned, None, "{}", name(&package));
    }
}

/// Crates that are there in more than one version, with how many and why.
const DOUBLED: [(&str, usize, &str); 15] = [
    (
        "base64",
        2,
        "hyper-util is a version ahead of the simulator",
    ),
    ("crypto-common", 2, "comes with digest"),
    (
        "digest",
        2,
        "object_store is behind the client of PostgreSQL",
    ),
    (
        "fallible-iterator",
        2,
        "the client of PostgreSQL is behind rusqlite",
    ),
    (
        "getrandom",
        3,
        "ring is behind, and so is the hash of Parquet",
    ),
    ("r-efi", 2, "comes with getrandom; for other systems alone"),
    ("rand", 2, "OpenTelemetry's is behind"),
    ("rand_core", 2, "comes with rand"),
    ("serde_spanned", 2, "comes with toml"),
    (
        "syn",
        2,
        "tracing-attributes is behind; it is there at build time only",
    ),
    ("toml", 2, "figment is behind"),
    ("toml_datetime", 2, "comes with toml"),
    (
        "wasi",
        2,
        "ring is behind, and so is the client of PostgreSQL; for other systems alone",
    ),
    ("windows-sys", 2, "ring is behind"),
    ("winnow", 2, "comes with toml"),
];

#[test]
fn no_crate_is_there_twice_without_a_reason() {
    let mut versions: BTreeMap<String, usize> = BTreeMap::new();
    for package in packages() {
        let crate_name = package["name"].as_str().unwrap().to_owned();
        *versions.entry(crate_name).or_default() += 1;
    }
    versions.retain(|_, count| *count > 1);
    let reasoned: BTreeMap<String, usize> = DOUBLED
        .iter()
        .map(|(crate_name, count, _)| ((*crate_name).to_owned(), *count))
        .collect();
    assert_eq!(versions, reasoned);
}
