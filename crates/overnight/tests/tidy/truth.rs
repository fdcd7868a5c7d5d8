//! What the documents say about the code, compared with the code.

use std::collections::BTreeSet;

use super::findings::Findings;
use super::tree::{files, text};

/// Endings that a metric's name has in the text format besides its own.
const METRIC_ENDINGS: [&str; 4] = ["_total", "_bucket", "_sum", "_count"];

#[test]
fn the_documented_transitions_are_those_of_the_code() {
    let document = text("ARCHITECTURE.md");
    let (_, after) = document.split_once("<!-- transition table -->\n").unwrap();
    let (table, _) = after
        .split_once("<!-- end of the transition table -->")
        .unwrap();
    let code = overnight_core::batch::transition_table();
    assert_eq!(
        table.trim(),
        code.trim(),
        "ARCHITECTURE.md: put this table between the two marks:\n{code}"
    );
}

#[test]
fn every_metric_is_documented_and_no_other() {
    let mut found = Findings::of("docs/metrics.md names every metric, and no other.");
    let mut code = registered();
    code.extend(of_the_process());
    assert!(
        code.len() > 5,
        "metrics.rs is not understood any more: {code:?}"
    );
    let documented = documented();
    for name in code.difference(&documented) {
        found.add("docs/metrics.md", format!("{name} is missing"));
    }
    for name in documented.difference(&code) {
        found.add("docs/metrics.md", format!("there is no {name}"));
    }
    found.check();
}

/// The names that the engine registers.
fn registered() -> BTreeSet<String> {
    let source = text("crates/engine/src/metrics.rs");
    let calls = source.split(".register").skip(1);
    let names = calls.filter_map(|call| {
        let call = call.split(");").next()?;
        let name = call.split('"').nth(1)?;
        let unit = if call.contains("Unit::Seconds") {
            "_seconds"
        } else {
            ""
        };
        Some(format!("overnight_{name}{unit}"))
    });
    names.collect()
}

/// What the process tells of itself: families of one value, which the text format gives an ending.
fn of_the_process() -> impl Iterator<Item = String> {
    let source = text("crates/overnight/src/commands/serve.rs");
    let calls = source.split("registry.register(").skip(1);
    let names = calls.filter_map(|call| {
        let call = call.split(");").next()?;
        assert!(call.contains("Info::new"), "another kind of metric: {call}");
        Some(format!("{}_info", call.split('"').nth(1)?))
    });
    names.collect::<Vec<_>>().into_iter()
}

/// The names that stand in backquotes, without the endings of the text format.
fn documented() -> BTreeSet<String> {
    let document = text("docs/metrics.md");
    let quoted = document.split('`').skip(1).step_by(2);
    let names = quoted
        .filter(|word| word.starts_with("overnight_"))
        .map(|word| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = word.split(|c| !is_part(c)).next().unwrap_or(word);
            METRIC_ENDINGS
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name)
                .to_owned()
        });
    names.collect()
}

#[test]
fn every_route_is_documented() {
    let mut found = Findings::of("docs/api.md names every route.");
    let router = text("crates/api/src/router.rs");
    let routes: Vec<&str> = router
        .split(".route(")
        .skip(1)
        .filter_map(|call| call.split('"').nth(1))
        .collect();
    assert!(
        routes.len() > 5,
        "router.rs is not understood any more: {routes:?}"
    );
    let document = text("docs/api.md");
    for route in routes {
        let shown = route.replace("{*", "{");
        if !document.contains(&format!("{shown}`")) {
            found.add("docs/api.md", format!("{shown} is missing"));
        }
    }
    found.check();
}

#[test]
fn the_exit_codes_are_documented() {
    let mut found = Findings::of("docs/api.md or the README names every exit code of the binary.");
    let source = text("crates/overnight/src/failure.rs");
    let codes = source.lines().filter_map(|line| line.split_once(": u8 = "));
    let codes: Vec<&str> = codes.map(|(_, code)| code.trim_end_matches(';')).collect();
    assert!(
        codes.len() > 3,
        "failure.rs is not understood any more: {codes:?}"
    );
    let document = text("README.md");
    for code in codes {
        if !document.contains(&format!("| {code} |")) {
            found.add("README.md", format!("exit code {code} is missing"));
        }
    }
    found.check();
}

#[test]
fn every_guarantee_names_tests_that_there_are() {
    let mut found = Findings::of("The tests that docs/guarantees.md names are there.");
    let document = text("docs/guarantees.md");
    let sources: String = files("rs").into_iter().map(|file| file.text).collect();
    let mut rows = 0;
    for line in document.lines().filter(|line| line.starts_with("| ")) {
        let Some(tests) = line.split(" | ").nth(2) else {
            continue;
        };
        if ["tests |", "--- |"].contains(&tests) {
            continue;
        }
        rows += 1;
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            found.add("docs/guarantees.md", format!("no test: {line}"));
        }
        for name in names {
            let last = name.rsplit("::").next().unwrap_or_default();
            if !sources.contains(last) {
                found.add("docs/guarantees.md", format!("there is no {name}"));
            }
        }
    }
    assert!(
        rows > 30,
        "the table is not understood any more: {rows} rows"
    );
    found.check();
}
