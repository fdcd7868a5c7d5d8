//! The documents: their form, and that what they point to is there.

use super::findings::Findings;
use super::tree::{File, ends_in, files, names, root, text};

/// The most lines of a decision record.
const DECISION_LINES_MAX: usize = 60;

/// The table of contents of the site, whose parts are titles to what builds it.
const CONTENTS: &str = "docs/SUMMARY.md";

/// A line of a document, outside of code.
struct Prose<'a> {
    number: usize,
    text: &'a str,
}

fn documents() -> Vec<File> {
    files("md")
}

fn prose(file: &File) -> Vec<Prose<'_>> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for (index, text) in file.text.lines().enumerate() {
        if text.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            lines.push(Prose {
                number: index + 1,
                text,
            });
        }
    }
    lines
}

#[test]
fn a_document_has_one_title_and_begins_with_it() {
    let mut found = Findings::of("A document begins with its one `# Title`.");
    for file in documents().iter().filter(|file| file.path != CONTENTS) {
        let titles = prose(file)
            .iter()
            .filter(|line| line.text.starts_with("# "))
            .count();
        if titles != 1 || !file.text.starts_with("# ") {
            found.add(&file.path, format!("{titles} titles"));
        }
    }
    found.check();
}

#[test]
fn a_link_leads_somewhere() {
    let mut found =
        Findings::of("A relative link leads to a file of the project, and to a heading of it.");
    for file in documents() {
        let folder = root()
            .join(&file.path)
            .parent()
            .map(ToOwned::to_owned)
            .unwrap();
        for line in prose(&file) {
            for target in links(line.text) {
                let place = format!("{}:{}", file.path, line.number);
                let (path, heading) = target.split_once('#').unwrap_or((target, ""));
                let whole = folder.join(path);
                if !path.is_empty() && !whole.exists() {
                    found.add(place, format!("there is no {target}"));
                } else if !heading.is_empty() {
                    let text = if path.is_empty() {
                        Some(file.text.clone())
                    } else {
                        read(&whole)
                    };
                    if !text.is_some_and(|text| headings(&text).iter().any(|own| own == heading)) {
                        found.add(place, format!("there is no heading {target}"));
                    }
                }
            }
        }
    }
    found.check();
}

fn read(path: &std::path::Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The relative targets of the links in a line.
fn links(line: &str) -> Vec<&str> {
    let starts = line.match_indices("](").map(|(at, _)| at + 2);
    let targets = starts.filter_map(|at| line[at..].split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

/// The headings of a document, as links name them.
fn headings(text: &str) -> Vec<String> {
    let titles = text.lines().filter(|line| line.starts_with('#'));
    let slug = |title: &str| {
        let kept = title.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.replace(' ', "-");
        kept.chars()
            .filter(|c| c.is_alphanumeric() || "-_".contains(*c))
            .collect::<String>()
    };
    titles.map(slug).collect()
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let mut found = Findings::of("docs/SUMMARY.md names every page in docs, once.");
    let contents = text(CONTENTS);
    for file in documents() {
        let Some(page) = file.path.strip_prefix("docs/") else {
            continue;
        };
        let times = contents.matches(&format!("]({page})")).count();
        if file.path != CONTENTS && times != 1 {
            found.add(&file.path, format!("it is there {times} times"));
        }
    }
    found.check();
}

#[test]
fn a_sentence_has_a_line_of_its_own() {
    let mut found = Findings::of("In a document each sentence has a line of its own.");
    for file in documents() {
        for line in prose(&file) {
            if line.text.trim_start().starts_with(['|', '#']) {
                continue;
            }
            let text = without_code(line.text);
            let ends = [". ", "! ", "? "]
                .iter()
                .flat_map(|end| text.match_indices(end));
            for (at, end) in ends {
                let number = text[..at].trim_start().trim_start_matches("- ");
                let is_numbered = number.chars().all(|c| c.is_ascii_digit());
                let next = text[at + end.len()..].chars().next();
                if !is_numbered && next.is_some_and(|c| c.is_uppercase() || c == '`') {
                    found.add(format!("{}:{}", file.path, line.number), line.text);
                }
            }
        }
    }
    found.check();
}

/// A line with everything in backquotes left out, but not the quotes.
fn without_code(line: &str) -> String {
    let parts = line.split('`').enumerate();
    let kept: Vec<&str> = parts
        .map(|(index, part)| if index % 2 == 0 { part } else { "" })
        .collect();
    kept.join("`")
}

#[test]
fn the_changelog_has_a_place_for_what_is_not_released() {
    let changelog = text("CHANGELOG.md");
    let first = changelog.lines().find(|line| line.starts_with("## "));
    assert_eq!(
        first,
        Some("## [Unreleased]"),
        "CHANGELOG.md: the first section"
    );
}

#[test]
fn decisions_are_numbered_short_and_of_one_form() {
    let mut found =
        Findings::of("A decision record is NNNN-title.md: context, decision, cost, 60 lines.");
    let folder = "docs/decisions";
    let names: Vec<String> = names(folder)
        .into_iter()
        .filter(|name| ends_in(name, "md"))
        .collect();
    assert!(!names.is_empty(), "{folder} is empty");
    for (name, number) in names.iter().zip(1..) {
        let path = format!("{folder}/{name}");
        if !name.starts_with(&format!("{number:04}-")) {
            found.add(&path, format!("its number would be {number:04}"));
        }
        let record = text(&path);
        if record.lines().count() > DECISION_LINES_MAX {
            found.add(&path, format!("{} lines", record.lines().count()));
        }
        let sections: Vec<&str> = record
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .collect();
        if sections != ["Context", "Decision", "Cost"] {
            found.add(&path, format!("its sections are {sections:?}"));
        }
    }
    found.check();
}
