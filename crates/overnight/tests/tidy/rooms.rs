//! Who may import whom, and what each room keeps to itself.

use super::findings::Findings;
use super::manifests::Manifest;
use super::rust::sources;

/// The rooms, and the rooms that each may import. Tests may import the test kit besides.
const ROOMS: [(&str, &[&str]); 8] = [
    ("core", &[]),
    ("store", &["overnight-core"]),
    ("engine", &["overnight-core", "overnight-store"]),
    // They meet in the store: a wake-up between them is a hint, never data.
    ("api", &["overnight-core", "overnight-store"]),
    // It knows nothing of batches, so that it cannot be wrong in the same way.
    ("sim", &[]),
    (
        "overnight",
        &[
            "overnight-api",
            "overnight-core",
            "overnight-engine",
            "overnight-sim",
            "overnight-store",
        ],
    ),
    (
        "testkit",
        &["overnight-core", "overnight-engine", "overnight-store"],
    ),
    // It measures the binary from outside; only what counts instructions, and the crowd of engines, look in.
    (
        "bench",
        &["overnight-core", "overnight-engine", "overnight-store"],
    ),
];

/// Rooms that are no part of the product: they may read the clock, and speak to it as a client.
const APART: [&str; 1] = ["bench"];

/// Foreign crates that only some rooms may depend on, and why.
const KEPT: [(&str, &[&str], &str); 21] = [
    (
        "tokio",
        &[
            "bench",
            "store",
            "engine",
            "api",
            "overnight",
            "sim",
            "testkit",
        ],
        "the rules do not wait",
    ),
    (
        "axum",
        &["api", "overnight"],
        "the HTTP surface is one room; the binary only serves it",
    ),
    ("tower", &["api"], "the HTTP surface is one room"),
    (
        "hyper",
        &["engine", "overnight", "sim", "store"],
        "HTTP by hand is for the two ends of a line",
    ),
    (
        "hyper-util",
        &["bench", "engine", "overnight", "sim", "store"],
        "HTTP by hand is for the two ends of a line",
    ),
    (
        "hyper-rustls",
        &["engine", "overnight", "store"],
        "requests are sent by the upstream, by the client of the commands, and to buckets",
    ),
    (
        "rustls",
        &["engine", "store"],
        "upstreams and the database are all that is connected to",
    ),
    (
        "rusqlite",
        &["store"],
        "SQL stays within the store's drivers",
    ),
    (
        "tokio-postgres",
        &["store"],
        "SQL stays within the store's drivers",
    ),
    (
        "deadpool-postgres",
        &["store"],
        "SQL stays within the store's drivers",
    ),
    (
        "object_store",
        &["store"],
        "blobs are read and written through `Blobs`",
    ),
    ("getrandom", &["overnight"], "entropy is given"),
    (
        "anyhow",
        &["bench", "overnight"],
        "elsewhere an error is named by what its reader does next",
    ),
    (
        "clap",
        &["bench", "overnight"],
        "only the binary has a command line",
    ),
    (
        "csv",
        &["overnight"],
        "tables are what people bring; the server knows lines alone",
    ),
    (
        "parquet",
        &["overnight"],
        "tables are what people bring; the server knows lines alone",
    ),
    ("figment", &["overnight"], "only the binary reads settings"),
    ("indicatif", &["overnight"], "only the binary draws"),
    (
        "mimalloc",
        &["bench", "overnight"],
        "the allocator is the process's affair",
    ),
    (
        "tracing-subscriber",
        &["overnight"],
        "rooms write log lines, the binary says where to",
    ),
    (
        "prometheus-client",
        &["bench", "engine", "overnight"],
        "the surface is given the text",
    ),
];

/// Paths in code that may stand only in some files of the product, and why.
const PLACES: [(&str, &[&str], &str); 18] = [
    (
        "axum::",
        &["crates/api/", "crates/overnight/src/wiring/listen"],
        "the surface is `api`",
    ),
    (
        "rusqlite::",
        &["crates/store/src/sqlite"],
        "SQL stays within the driver",
    ),
    (
        "tokio_postgres::",
        &["crates/store/src/postgres"],
        "SQL stays within the driver",
    ),
    (
        "deadpool_postgres::",
        &["crates/store/src/postgres"],
        "SQL stays within the driver",
    ),
    (
        "object_store::",
        &["crates/store/src/blobs"],
        "blobs are read and written through `Blobs`",
    ),
    (
        "hyper_util::client",
        &[
            "crates/engine/src/upstream/http/",
            CLIENT,
            "crates/store/src/blobs/bucket/",
            TRACES,
        ],
        "one room sends requests to upstreams, one to servers, one to buckets, one to collectors",
    ),
    (
        "opentelemetry",
        &[TRACES],
        "rooms tell of spans, the binary says where to",
    ),
    (
        "hyper::client",
        &["crates/engine/src/upstream/http/"],
        "one room sends requests",
    ),
    (
        "std::env::",
        &["crates/overnight/src/main.rs", WIRING],
        "the environment is given",
    ),
    ("SystemTime::now", &[WIRING], "time is given"),
    ("getrandom::", &[WIRING], "entropy is given"),
    (
        "std::time::Instant",
        &[],
        "tests must be able to pause it: use `tokio::time::Instant`",
    ),
    (
        "RandomState",
        &[],
        "the order of things must not differ from run to run",
    ),
    (
        "std::process::exit",
        &[],
        "return from main, so that destructors run",
    ),
    (
        "anyhow::",
        &["crates/overnight/"],
        "elsewhere an error is named by what its reader does",
    ),
    (
        "prometheus_client::",
        &["crates/engine/src/metrics.rs", "crates/overnight/"],
        "counted once",
    ),
    (
        "use std::{",
        &[],
        "one import a line, so that these rules see it",
    ),
    ("super::super", &[], "name the path from the crate's root"),
];

const WIRING: &str = "crates/overnight/src/wiring/";

/// What takes spans to a collector.
const TRACES: &str = "crates/overnight/src/wiring/traces.rs";

/// The client of the commands: the other end of the surface's wire.
const CLIENT: &str = "crates/overnight/src/client/";

/// What reads and writes files of lines for people: they are the wire's, on a disk.
const LINES: &str = "crates/overnight/src/lines/";

/// What the rules of a batch never do: they are called, and answer.
const NOT_IN_CORE: [&str; 6] = [
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "tokio::",
    "tracing::",
];

/// Words of the wire that only the surface, the rules, the simulator (which speaks the wire of an
/// inference server) and what reads the wire for people may spell.
const WIRE: [&str; 11] = [
    "custom_id",
    "request_counts",
    "input_file_id",
    "output_file_id",
    "error_file_id",
    "completion_window",
    "batch_expired",
    "batch_cancelled",
    "request_timeout",
    "model_not_found",
    "invalid_request_error",
];

#[test]
fn a_room_imports_only_the_rooms_it_may() {
    let mut found = Findings::of("A room imports only the rooms it may (see `ROOMS`).");
    for manifest in Manifest::all() {
        let room = manifest.room();
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            found.add(
                &manifest.path,
                "a new room: say in `ROOMS` whom it may import",
            );
            continue;
        };
        for name in manifest
            .dependencies()
            .iter()
            .filter(|name| name.starts_with("overnight-"))
        {
            if !allowed.contains(&name.as_str()) {
                found.add(&manifest.path, format!("imports {name}"));
            }
        }
        for name in manifest
            .dev_dependencies()
            .iter()
            .filter(|name| name.starts_with("overnight-"))
        {
            // A crate imports itself to switch a feature on for its tests.
            let is_own = name.strip_prefix("overnight-") == Some(room);
            let is_allowed = allowed.contains(&name.as_str()) || name == "overnight-testkit";
            if !is_allowed && !is_own && room != "testkit" {
                found.add(&manifest.path, format!("its tests import {name}"));
            }
        }
    }
    found.check();
}

#[test]
fn a_foreign_crate_stays_in_the_rooms_it_is_for() {
    let mut found = Findings::of("A foreign crate stays in the rooms it is for (see `KEPT`).");
    for manifest in Manifest::all() {
        let dependencies = manifest.dependencies();
        for (name, rooms, why) in KEPT {
            if dependencies.iter().any(|own| own == name) && !rooms.contains(&manifest.room()) {
                found.add(&manifest.path, format!("depends on {name}: {why}"));
            }
        }
    }
    found.check();
}

#[test]
fn code_names_a_foreign_path_only_where_it_belongs() {
    let mut found = Findings::of("Code names a foreign path only where it belongs (see `PLACES`).");
    for source in sources() {
        if APART.contains(&source.room()) {
            continue;
        }
        for line in source.product() {
            for (path, places, why) in PLACES {
                let is_allowed = places.iter().any(|place| source.path.starts_with(place));
                if !is_allowed && names_path(&line.code, path) {
                    found.add(source.place(line), format!("`{path}`: {why}"));
                }
            }
        }
    }
    found.check();
}

#[test]
fn the_rules_do_no_io() {
    let mut found = Findings::of("The room `core` does no IO, starts nothing and logs nothing.");
    for source in sources().iter().filter(|source| source.room() == "core") {
        for line in source.product() {
            for path in NOT_IN_CORE {
                if names_path(&line.code, path) {
                    found.add(source.place(line), format!("`{path}`"));
                }
            }
        }
    }
    found.check();
}

#[test]
fn the_words_of_the_wire_are_spelled_by_the_rules_and_the_surface() {
    let mut found = Findings::of("Words of the wire are spelled only by `core`, `api` and `sim`.");
    for source in sources() {
        let reads_it = [CLIENT, LINES]
            .iter()
            .any(|place| source.path.starts_with(place));
        let is_its_own = matches!(source.room(), "core" | "api" | "sim");
        if is_its_own || reads_it || APART.contains(&source.room()) {
            continue;
        }
        for line in source.product() {
            let words: Vec<&str> = line
                .strings
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .collect();
            for word in WIRE.iter().filter(|word| words.contains(word)) {
                found.add(source.place(line), format!("`{word}` in a string"));
            }
        }
    }
    found.check();
}

/// Whether code names the path, and not one that merely ends like it.
fn names_path(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}
