//! Input files, and what came of their lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// A chat line that the simulator answers with two tokens.
pub(crate) fn chat_line(custom_id: &str) -> Value {
    json!({
        "custom_id": custom_id,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "sim",
            "messages": [{ "role": "user", "content": format!("hello from {custom_id}") }],
            "max_tokens": 2,
        },
    })
}

/// Writes so many chat lines, named `line-0` and so on.
pub(crate) fn write_lines(path: &Path, count: usize) {
    write(
        path,
        (0..count).map(|number| chat_line(&format!("line-{number}"))),
    );
}

/// Writes lines to a file.
pub(crate) fn write(path: &Path, lines: impl IntoIterator<Item = Value>) {
    let lines: Vec<_> = lines.into_iter().map(|line| line.to_string()).collect();
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// The result lines of a file; none when it is not there.
pub(crate) fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// How many whole lines a file has, if it is there.
pub(crate) fn count(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.matches('\n').count()
}

/// Checks that the results name each of `line-0` to `line-(count - 1)` exactly once.
pub(crate) fn check_each_once(results: &[Value], count: usize) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for result in results {
        *seen
            .entry(result["custom_id"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    let doubled: Vec<_> = seen.iter().filter(|(_, times)| **times != 1).collect();
    assert!(doubled.is_empty(), "doubled: {doubled:?}");
    let missing: Vec<_> = (0..count)
        .map(|n| format!("line-{n}"))
        .filter(|id| !seen.contains_key(id))
        .collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
    assert_eq!(results.len(), count);
}
