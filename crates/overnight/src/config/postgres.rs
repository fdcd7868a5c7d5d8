//! The PostgreSQL database, as the configuration names it. Its URL may hold a password.

use std::fmt;

use overnight_store::postgres::{BadUrl, PostgresSettings};
use serde::Deserialize;

use super::setting::{quote, section, value};
use super::units::Span;

section! {
    /// How the PostgreSQL database that `store` names is used.
    PostgresSection {
        /// The schema that everything is kept in. It is made when it is not there. Installations that share a
        /// database take different ones.
        schema: String = "overnight".to_owned();
        /// The most connections of this process, besides three that a process has which runs batches, for its
        /// leases and for hints.
        connections_max: u32 = 16;
        /// How long connecting may take.
        connect_timeout: Span = Span::seconds(5);
        /// How long a statement may take, locks that it waits for included.
        statement_timeout: Span = Span::seconds(10);
        /// For how long it is tried again when the database restarts or fails over, before a client is told.
        patience: Span = Span::seconds(30);
        /// For how long a worker that does not renew keeps its batches. Every process takes the same.
        lease: Span = Span::seconds(5);
    }
}

/// The URL of a database. It is shown without its credentials.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct StoreUrl(String);

impl StoreUrl {
    fn shown(&self) -> String {
        match PostgresSettings::from_url(&self.0) {
            Ok(settings) => format!("postgres://***@{}", settings.place()),
            Err(_) => "postgres://***".to_owned(),
        }
    }

    /// The settings of the store.
    pub(crate) fn settings(&self, section: &PostgresSection) -> Result<PostgresSettings, BadUrl> {
        let mut settings = PostgresSettings::from_url(&self.0)?;
        settings.schema.clone_from(&section.schema);
        settings.connections_max = usize::try_from(section.connections_max).unwrap_or(usize::MAX);
        settings.connect_timeout = section.connect_timeout.0;
        settings.statement_timeout = section.statement_timeout.0;
        settings.patience = section.patience.0;
        settings.lease = section.lease.0;
        Ok(settings)
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

value!(StoreUrl, "URL", |url: &StoreUrl| quote(&url.shown()));
