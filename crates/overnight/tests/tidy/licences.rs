//! The crates of others: their licences, where they come from, and that each comes once.
//!
//! Known vulnerabilities are another matter: that list has to be fetched (see the decision record
//! about advisories).

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::findings::Findings;
use super::tree::root;

/// Licences that a program under Apache-2.0 may be linked with, and be handed on by anyone.
const ALLOWED: [&str; 11] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that come in two versions, and why that cannot be helped today.
const TWICE: [(&str, &str); 12] = [
    ("base64", "the simulator is a version behind hyper-util"),
    ("crypto-common", "of digest"),
    (
        "digest",
        "object_store needs the old one, the client of PostgreSQL the new one",
    ),
    (
        "fallible-iterator",
        "the drivers of SQLite and of PostgreSQL read with one each",
    ),
    ("getrandom", "ring needs the old one"),
    ("rand", "OpenTelemetry's draws with the old one"),
    ("rand_core", "of rand"),
    ("serde_spanned", "of figment's TOML"),
    ("syn", "macros move to the new one at their own pace"),
    (
        "toml",
        "figment reads with the old one, and we need the spans of the new one",
    ),
    ("toml_datetime", "of figment's TOML"),
    ("winnow", "of figment's TOML"),
];

/// Crates that must not come in, and what is there in their place.
const BANNED: [(&str, &str); 3] = [
    ("openssl-sys", "rustls with ring"),
    ("native-tls", "rustls with ring"),
    ("aws-lc-sys", "ring, which needs no CMake"),
];

/// Where crates may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

struct Package {
    name: String,
    version: String,
    licence: String,
    source: String,
}

/// Every crate that is linked on this platform, our own aside.
fn packages() -> Vec<Package> {
    let text = cargo(&["-vV"]);
    let host = text
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let metadata = cargo(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--offline",
        "--filter-platform",
        host,
    ]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let all = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
            Package {
                name: text("name"),
                version: text("version"),
                licence: text("license"),
                source: text("source"),
            }
        });
    let foreign: Vec<Package> = all
        .filter(|package| !package.name.starts_with("overnight"))
        .collect();
    assert!(
        foreign.len() > 50,
        "cargo names only {} crates",
        foreign.len()
    );
    foreign
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_licence_is_one_that_we_may_hand_on() {
    let mut found = Findings::of("A crate's licence is one of `ALLOWED`.");
    for package in packages() {
        if !is_allowed(&package.licence) {
            found.add(&package.name, format!("licence `{}`", package.licence));
        }
    }
    found.check();
}

/// Reads an expression of licences: every part that is joined by AND needs a choice that is allowed.
fn is_allowed(expression: &str) -> bool {
    let spelled = expression.replace(" / ", " OR ").replace('/', " OR ");
    spelled.split(" AND ").all(|part| {
        let mut choices = part.trim().trim_matches(['(', ')']).split(" OR ");
        choices.any(|choice| ALLOWED.contains(&choice.trim()))
    })
}

#[test]
fn every_crate_comes_from_the_registry() {
    let mut found = Findings::of("A crate comes from crates.io, and none from `BANNED`.");
    for package in packages() {
        if package.source != REGISTRY {
            found.add(&package.name, format!("comes from `{}`", package.source));
        }
        if let Some((_, instead)) = BANNED.iter().find(|(name, _)| *name == package.name) {
            found.add(&package.name, format!("is not wanted: there is {instead}"));
        }
    }
    found.check();
}

#[test]
fn a_crate_comes_in_one_version() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        versions
            .entry(package.name)
            .or_default()
            .insert(package.version);
    }
    let mut found = Findings::of("A crate comes in one version, unless `TWICE` says why not.");
    for (name, versions) in &versions {
        let is_excused = TWICE.iter().any(|(known, _)| known == name);
        if versions.len() > 1 && !is_excused {
            found.add(name, format!("{versions:?}"));
        }
    }
    for (name, _) in TWICE {
        if versions
            .get(name)
            .is_none_or(|versions| versions.len() == 1)
        {
            found.add(name, "comes once: take it out of `TWICE`");
        }
    }
    found.check();
}

#[test]
fn expressions_of_licences_are_read() {
    assert!(is_allowed("MIT OR Apache-2.0"));
    assert!(is_allowed("MIT/Apache-2.0"));
    assert!(is_allowed("(MIT OR GPL-3.0) AND Unicode-3.0"));
    assert!(!is_allowed("MIT AND GPL-3.0"));
    assert!(!is_allowed(""));
}
