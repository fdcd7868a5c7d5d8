//! Damage ends the process: a failed fsync may be followed by one that succeeds although pages are
//! lost, so nothing is written behind it.

use std::sync::Arc;

use tokio::sync::watch;

use super::error;
use crate::store::{Result, StoreError};

/// What SQLite said when the database turned out to be damaged, if it did.
#[derive(Clone)]
pub(super) struct Damage(watch::Sender<Option<Arc<str>>>);

impl Default for Damage {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Damage {
    /// Remembers the error when it is one of damage.
    pub(super) fn note(&self, found: &rusqlite::Error) {
        if error::is_damage(found) {
            let text: Arc<str> = found.to_string().into();
            self.0.send_if_modified(|known| {
                let first = known.is_none();
                known.get_or_insert(text);
                first
            });
        }
    }

    /// Remembers the error of a verb, when it is one of damage.
    pub(super) fn heed<T>(&self, answer: Result<T>) -> Result<T> {
        if let Err(StoreError::Corrupt(source)) = &answer
            && let Some(found) = source.downcast_ref::<rusqlite::Error>()
        {
            self.note(found);
        }
        answer
    }

    /// Refuses what comes behind the damage.
    pub(super) fn refuse(&self) -> Result<()> {
        match &*self.0.borrow() {
            Some(text) => Err(StoreError::Corrupt(text.to_string().into())),
            None => Ok(()),
        }
    }

    pub(super) async fn raised(&self) -> Arc<str> {
        let mut known = self.0.subscribe();
        loop {
            if let Some(text) = &*known.borrow_and_update() {
                return Arc::clone(text);
            }
            // The sender is part of self, so it is not gone.
            let _ = known.changed().await;
        }
    }
}
