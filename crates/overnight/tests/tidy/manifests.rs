//! The manifests of the crates.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::findings::Findings;
use super::rust::sources;
use super::tree::{names, text};

/// What every crate takes from the workspace, so that it is written once.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// One crate's manifest.
pub(crate) struct Manifest {
    /// Its path from the root.
    pub(crate) path: String,
    table: Table,
}

impl Manifest {
    /// Those of all crates.
    pub(crate) fn all() -> Vec<Self> {
        let read = |room: String| {
            let path = format!("crates/{room}/Cargo.toml");
            Self {
                table: text(&path).parse().unwrap(),
                path,
            }
        };
        names("crates").into_iter().map(read).collect()
    }

    /// The folder below `crates`.
    pub(crate) fn room(&self) -> &str {
        self.path.split('/').nth(1).unwrap_or_default()
    }

    /// What the product needs.
    pub(crate) fn dependencies(&self) -> BTreeSet<String> {
        let mut all = keys(&self.table, "dependencies");
        all.extend(keys(&self.table, "build-dependencies"));
        for target in self
            .table
            .get("target")
            .and_then(Value::as_table)
            .into_iter()
            .flatten()
        {
            all.extend(
                target
                    .1
                    .as_table()
                    .map(|table| keys(table, "dependencies"))
                    .unwrap_or_default(),
            );
        }
        all
    }

    /// What only tests need.
    pub(crate) fn dev_dependencies(&self) -> BTreeSet<String> {
        keys(&self.table, "dev-dependencies")
    }

    fn inherits(&self, section: &str, key: &str) -> bool {
        let value = self.table.get(section).and_then(|section| section.get(key));
        value.and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true))
    }
}

fn keys(table: &Table, section: &str) -> BTreeSet<String> {
    let section = table.get(section).and_then(Value::as_table);
    section
        .into_iter()
        .flat_map(|section| section.keys().cloned())
        .collect()
}

#[test]
fn every_crate_takes_its_terms_from_the_workspace() {
    let mut found =
        Findings::of("A crate takes version, edition, licence and lints from the workspace.");
    for manifest in Manifest::all() {
        for key in INHERITED
            .into_iter()
            .filter(|key| !manifest.inherits("package", key))
        {
            found.add(
                &manifest.path,
                format!("`{key}.workspace = true` is missing"),
            );
        }
        let lints = manifest
            .table
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        if lints != Some(&Value::Boolean(true)) {
            found.add(&manifest.path, "`[lints] workspace = true` is missing");
        }
    }
    found.check();
}

#[test]
fn every_dependency_is_used() {
    let mut found = Findings::of("A dependency that no code names is removed.");
    let sources = sources();
    let mut used = BTreeSet::new();
    for manifest in Manifest::all() {
        let folder = format!("crates/{}/", manifest.room());
        let own = || {
            sources
                .iter()
                .filter(|source| source.path.starts_with(&folder))
        };
        used.extend(manifest.dependencies());
        used.extend(manifest.dev_dependencies());
        for name in manifest.dependencies() {
            let word = name.replace('-', "_");
            let in_product = own().filter(|source| source.path.contains("/src/"));
            if !in_product
                .flat_map(|source| &source.lines)
                .any(|line| names_word(&line.code, &word))
            {
                found.add(&manifest.path, format!("{name} is not used"));
            }
        }
        for name in manifest.dev_dependencies() {
            let word = name.replace('-', "_");
            if !own()
                .flat_map(|source| &source.lines)
                .any(|line| names_word(&line.code, &word))
            {
                found.add(&manifest.path, format!("{name} is not used by a test"));
            }
        }
    }
    let workspace: Table = text("Cargo.toml").parse().unwrap();
    let offered = workspace
        .get("workspace")
        .and_then(Value::as_table)
        .unwrap();
    for name in keys(offered, "dependencies").difference(&used) {
        if !name.starts_with("overnight-") {
            found.add("Cargo.toml", format!("{name} is used by no crate"));
        }
    }
    found.check();
}

fn names_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|part| part == word)
}
