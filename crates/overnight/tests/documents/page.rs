//! The pages, and the blocks of code in them.

use std::fs;
use std::path::Path;

use crate::root;

/// Folders that hold no pages of ours.
const FOREIGN: [&str; 3] = ["target", "node_modules", "overnight-data"];

/// What a block is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// Commands of a shell.
    Shell,
    /// A program.
    Python,
    /// A program for Node.
    JavaScript,
    /// Settings of the server.
    Toml,
    /// One value.
    Json,
    /// What is only looked at.
    Shown,
    /// Not said, or nothing that is known here.
    Unknown,
}

impl Language {
    fn of(name: &str) -> Self {
        match name {
            "sh" => Self::Shell,
            "python" => Self::Python,
            "js" => Self::JavaScript,
            "toml" => Self::Toml,
            "json" => Self::Json,
            "text" | "yaml" | "nginx" | "crontab" => Self::Shown,
            _ => Self::Unknown,
        }
    }

    /// Whether its blocks are run.
    pub(crate) const fn is_run(self) -> bool {
        matches!(self, Self::Shell | Self::Python | Self::JavaScript)
    }
}

/// One block of code.
#[derive(Debug)]
pub(crate) struct Block {
    /// The line of the page that it begins at, from 1.
    pub(crate) line: usize,
    /// What it says that it is.
    pub(crate) name: String,
    /// What that means.
    pub(crate) language: Language,
    /// What is in it, with a line end.
    pub(crate) text: String,
}

impl Block {
    /// Its first line, by which it is named.
    pub(crate) fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

/// One document.
#[derive(Debug)]
pub(crate) struct Page {
    /// Its path from the root of the project.
    pub(crate) path: String,
    /// Its blocks, in order.
    pub(crate) blocks: Vec<Block>,
}

impl Page {
    /// Every document of the project, in the order of the paths.
    pub(crate) fn all() -> Vec<Self> {
        let mut paths = Vec::new();
        walk(&root(), "", &mut paths);
        paths.sort();
        let read = |path: String| {
            let text = fs::read_to_string(root().join(&path)).unwrap();
            let blocks = blocks(&text);
            Self { path, blocks }
        };
        paths.into_iter().map(read).collect()
    }
}

fn walk(folder: &Path, below: &str, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') || FOREIGN.iter().any(|foreign| name.starts_with(foreign)) {
            continue;
        }
        let path = format!("{below}{name}");
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), &format!("{path}/"), paths);
        } else if entry
            .path()
            .extension()
            .is_some_and(|ending| ending == "md")
        {
            paths.push(path);
        }
    }
}

/// The blocks of a text; those of a list stand further right, and are moved to the margin.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (index, line) in text.lines().enumerate() {
        let fence = line.trim_start();
        match open.take() {
            Some((block, _)) if fence.trim_end() == "```" => blocks.push(block),
            Some((mut block, margin)) => {
                let rest = line
                    .char_indices()
                    .nth(margin)
                    .map_or("", |(at, _)| &line[at..]);
                block.text.push_str(rest);
                block.text.push('\n');
                open = Some((block, margin));
            }
            None => {
                if let Some(name) = fence.strip_prefix("```") {
                    let block = Block {
                        line: index + 1,
                        name: name.to_owned(),
                        language: Language::of(name),
                        text: String::new(),
                    };
                    open = Some((block, line.len() - fence.len()));
                }
            }
        }
    }
    assert!(open.is_none(), "a block does not end: {open:?}");
    blocks
}

#[test]
fn blocks_are_found_where_they_are() {
    let text = "# A\n```sh\none \\\n  two\n```\n- b\n\n  ```toml\n  c = 1\n\n  ```\n";
    let found = blocks(text);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[0].line, found[0].text.as_str()),
        (2, "one \\\n  two\n")
    );
    assert_eq!(found[0].language, Language::Shell);
    assert_eq!((found[1].line, found[1].text.as_str()), (8, "c = 1\n\n"));
    assert_eq!(found[1].language, Language::Toml);
}
