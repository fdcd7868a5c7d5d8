//! Ids as people type them: whole, shortened to a beginning or an end that one alone has, or `@last`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use anyhow::bail;
use serde::de::DeserializeOwned;

use super::Client;
use super::errors::ClientError;
use super::wire::{Batch, File, Page, Told};
use crate::failure::UsageError;

/// The word for the newest.
const LAST: &str = "@last";

/// Objects on a page.
pub(crate) const PAGE: usize = 100;

/// How many ids are named that a shortened one could be.
const NAMED_MAX: usize = 5;

/// How many of them are looked for.
const FOUND_MAX: usize = 100;

/// A kind of thing that has ids.
struct Kind {
    word: &'static str,
    prefix: &'static str,
    /// The characters of a whole id.
    length: usize,
}

const BATCH: Kind = Kind {
    word: "batch",
    prefix: "batch_",
    length: 38,
};

const FILE: Kind = Kind {
    word: "file",
    prefix: "file-",
    length: 27,
};

impl Kind {
    fn is_whole(&self, text: &str) -> bool {
        text.len() >= self.length && text.starts_with(self.prefix)
    }

    fn fits(&self, id: &str, text: &str) -> bool {
        let bare = id.strip_prefix(self.prefix).unwrap_or(id);
        id.starts_with(text) || bare.starts_with(text) || bare.ends_with(text)
    }

    /// Notes an id that fits, until there are so many that more would say no more.
    fn note(&self, id: String, text: &str, found: &mut BTreeSet<String>) -> ControlFlow<()> {
        if self.fits(&id, text) {
            found.insert(id);
        }
        if found.len() < FOUND_MAX {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    /// Takes what a person typed to be an id; it is sent as a part of a path.
    fn check(&self, text: &str) -> Result<(), UsageError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if !text.is_empty() && text.bytes().all(is_plain) {
            return Ok(());
        }
        let word = self.word;
        Err(UsageError(format!(
            "`{text}` is no id of a {word}: say a whole one, its beginning or its end, or {LAST}"
        )))
    }

    fn choose(&self, text: &str, found: &BTreeSet<String>) -> anyhow::Result<String> {
        let word = self.word;
        match found.len() {
            0 => bail!("there is no {word} whose id begins or ends with `{text}`"),
            1 => Ok(found.iter().next().cloned().unwrap_or_default()),
            number => {
                let named: Vec<&str> = found.iter().take(NAMED_MAX).map(String::as_str).collect();
                let named = named.join(", ");
                let more = if number < FOUND_MAX { "" } else { " or more" };
                bail!(
                    "{number}{more} {word} ids begin or end with `{text}`: {named}; say more of it"
                )
            }
        }
    }
}

impl Client {
    /// The id of the batch that a person means.
    ///
    /// # Errors
    ///
    /// There is none, or more than one; or the server cannot be asked.
    pub(crate) async fn batch_id(&self, text: &str) -> anyhow::Result<String> {
        if text == LAST {
            let page: Page<Batch> = self.get("/v1/batches?limit=1").await?;
            let Some(newest) = page.data.into_iter().next() else {
                bail!("there is no batch yet");
            };
            return Ok(newest.id);
        }
        BATCH.check(text)?;
        if BATCH.is_whole(text) {
            return Ok(text.to_owned());
        }
        let mut found = BTreeSet::new();
        let take = |batch: Told<Batch>| Ok(BATCH.note(batch.read.id, text, &mut found));
        self.each_batch("", usize::MAX, take).await?;
        BATCH.choose(text, &found)
    }

    /// The id of the file that a person means.
    ///
    /// # Errors
    ///
    /// As [`Self::batch_id`].
    pub(crate) async fn file_id(&self, text: &str) -> anyhow::Result<String> {
        if text == LAST {
            let page: Page<File> = self.get("/v1/files?limit=1").await?;
            let Some(newest) = page.data.into_iter().next() else {
                bail!("there is no file yet");
            };
            return Ok(newest.id);
        }
        FILE.check(text)?;
        if FILE.is_whole(text) {
            return Ok(text.to_owned());
        }
        let mut found = BTreeSet::new();
        let take = |file: Told<File>| Ok(FILE.note(file.read.id, text, &mut found));
        self.each_file("", usize::MAX, take).await?;
        FILE.choose(text, &found)
    }

    /// A batch.
    ///
    /// # Errors
    ///
    /// There is none of that id; or the server cannot be asked.
    pub(crate) async fn batch(&self, id: &str) -> Result<Told<Batch>, ClientError> {
        self.get(&format!("/v1/batches/{id}")).await
    }

    /// Gives out batches, newest first, until there are no more or `take` has enough. `query` is more of the
    /// question (`&status=failed`); no more than `most` are looked at, if that is known.
    ///
    /// # Errors
    ///
    /// The server cannot be asked, or what `take` says.
    pub(crate) async fn each_batch(
        &self,
        query: &str,
        most: usize,
        take: impl FnMut(Told<Batch>) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        let path = format!("/v1/batches?limit={}{query}", most.min(PAGE));
        self.each(&path, |batch| batch.read.id.clone(), take).await
    }

    /// Gives out files, as [`Self::each_batch`] does batches.
    ///
    /// # Errors
    ///
    /// As there.
    pub(crate) async fn each_file(
        &self,
        query: &str,
        most: usize,
        take: impl FnMut(Told<File>) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        let path = format!("/v1/files?limit={}{query}", most.min(PAGE));
        self.each(&path, |file| file.read.id.clone(), take).await
    }

    /// Gives out what a list holds, holding a page of it.
    async fn each<T: DeserializeOwned>(
        &self,
        path: &str,
        id: impl Fn(&T) -> String,
        mut take: impl FnMut(T) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        let mut after = String::new();
        loop {
            let page: Page<T> = self.get(&format!("{path}{after}")).await?;
            let Some(last) = page.data.last() else {
                return Ok(());
            };
            let next = format!("&after={}", id(last));
            for one in page.data {
                if take(one)?.is_break() {
                    return Ok(());
                }
            }
            // A server that begins anew at every page would be asked for ever.
            if !page.has_more || next == after {
                return Ok(());
            }
            after = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_id_is_a_beginning_or_an_end() {
        let id = "batch_67412345abcdef000000000000000001";
        for text in [id, "batch_674", "674", "0001"] {
            assert!(BATCH.fits(id, text), "{text}");
        }
        assert!(!BATCH.fits(id, "2345"));
        assert!(BATCH.is_whole(id) && !BATCH.is_whole("batch_674"));
    }

    #[test]
    fn what_fits_several_is_told_with_some_of_them() {
        let found: BTreeSet<String> = (0..7).map(|number| format!("batch_{number}")).collect();
        let told = BATCH.choose("b", &found).unwrap_err().to_string();
        assert!(
            told.starts_with("7 batch ids begin") && told.contains("batch_4"),
            "{told}"
        );
        assert!(!told.contains("batch_5"), "{told}");
        assert!(BATCH.choose("b", &BTreeSet::new()).is_err());
    }

    #[test]
    fn what_could_not_be_an_id_is_refused() {
        for text in ["", "../files", "a b", "batch_ä"] {
            assert!(BATCH.check(text).is_err(), "{text}");
        }
    }
}
