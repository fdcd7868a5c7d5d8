use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn every_file_of_the_folder_is_served_and_has_a_type() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let mut found = Vec::new();
    walk(&folder, &mut found);
    let mut found: Vec<&str> = found
        .iter()
        .map(|path| path.strip_prefix(&folder).expect("below").to_str())
        .map(|path| path.expect("text"))
        .collect();
    found.sort_unstable();
    let served: Vec<&str> = ASSETS.iter().map(|asset| asset.path).collect();
    assert_eq!(served, found);
    for path in served {
        assert_ne!(type_of(path), "application/octet-stream", "{path}");
    }
}

/// What would need a looser policy, or another server.
#[test]
fn the_files_name_no_other_server_and_hold_nothing_inline() {
    for asset in ASSETS {
        let text = std::str::from_utf8(asset.bytes).expect("text");
        for address in text.match_indices("://").map(|(at, _)| at) {
            let around = &text[address.saturating_sub(4)..];
            let is_a_name = around.starts_with("http://www.w3.org/");
            assert!(
                is_a_name,
                "{}: {}",
                asset.path,
                around.get(..30).unwrap_or(around)
            );
        }
        if type_of(asset.path).starts_with("text/javascript") {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
            ] {
                assert!(!text.contains(forbidden), "{}: {forbidden}", asset.path);
            }
        }
        if type_of(asset.path).starts_with("text/html") {
            assert!(
                !text.contains("<style") && !text.contains("style="),
                "{}",
                asset.path
            );
            assert!(
                !text.contains("<script>") && !text.contains(" on"),
                "{}",
                asset.path
            );
        }
    }
}
