//! Every command of every document is run, as its reader would run it, and must end well.
//!
//! A page is a story: its blocks of `sh`, `python` and `js` run one after the other, in one shell, in an
//! empty folder, on a machine of its own where the only network is loopback, so that the addresses of the
//! pages are free. What cannot be run stands in [`aside`], by kind and with the reason; a block that is
//! neither run nor named there fails the test, and so does a name that no block has any more.
//!
//! ```text
//! *.md ──► page (blocks) ──┬──► story ──► bash in a namespace ──► a block that failed
//!                          └──► aside: why not
//! ```

#![cfg(test)]

mod aside;
mod page;
mod settings;
mod story;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use page::{Block, Language, Page};

/// Stories that are told at a time.
const TELLERS: usize = 2;

/// The top of the source tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The blocks of a page that are run.
fn runnable(page: &Page) -> Vec<&Block> {
    let blocks = page.blocks.iter();
    blocks
        .filter(|block| block.language.is_run() && aside::kind_of(&page.path, block).is_none())
        .collect()
}

#[test]
fn every_command_of_every_page_works() {
    let pages = Page::all();
    let queue: Mutex<Vec<&Page>> = Mutex::new(pages.iter().rev().collect());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..TELLERS {
            scope.spawn(|| {
                while let Some(page) = {
                    let mut queue = queue.lock().unwrap();
                    queue.pop()
                } {
                    let blocks = runnable(page);
                    if !blocks.is_empty()
                        && let Err(failure) = story::tell(&page.path, &blocks)
                    {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn what_is_not_run_is_there_and_every_block_says_what_it_is() {
    let pages = Page::all();
    let run: usize = pages.iter().map(|page| runnable(page).len()).sum();
    assert!(
        run > 60,
        "the pages are not understood any more: {run} blocks"
    );
    for (path, first_line) in aside::names() {
        let page = pages.iter().find(|page| page.path == path);
        let is_there = page.is_some_and(|page| {
            let mut blocks = page.blocks.iter();
            blocks.any(|block| block.first_line() == first_line)
        });
        assert!(
            is_there,
            "{path} has no block that begins with {first_line:?}"
        );
    }
    for page in &pages {
        for block in &page.blocks {
            let place = format!("{}:{}", page.path, block.line);
            let name = &block.name;
            assert!(
                block.language != Language::Unknown,
                "{place}: what is {name:?}?"
            );
            if block.language == Language::Json {
                let value = serde_json::from_str::<serde_json::Value>(&block.text);
                assert!(value.is_ok(), "{place}: {value:?}");
            }
        }
    }
}

#[test]
fn settings_in_the_pages_are_settings() {
    for page in Page::all() {
        let blocks = page.blocks.iter();
        for block in blocks.filter(|block| block.language == Language::Toml) {
            settings::check(&format!("{}:{}", page.path, block.line), &block.text);
        }
    }
}
