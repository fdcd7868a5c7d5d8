//! What is PostgreSQL's alone: many processes, and a server that goes away.

mod carried;
mod faults;
mod hints;
mod leases;
mod others;
mod schema;

use std::time::Duration;

use overnight_testkit::postgres::{Shared, Version};

use super::{Postgres, PostgresSettings};
use crate::conformance::block_on;

/// A schema of its own on the server that tests share.
struct Place {
    server: Shared,
    schema: String,
}

impl Place {
    fn new() -> Self {
        let server = Shared::find(Version::Newest).unwrap();
        let schema = server.schema();
        Self { server, schema }
    }

    fn settings(&self) -> PostgresSettings {
        let mut settings = PostgresSettings::from_url(&self.server.url()).unwrap();
        settings.schema.clone_from(&self.schema);
        settings
    }

    async fn open(&self) -> Postgres {
        Postgres::open(self.settings()).await.unwrap()
    }

    /// A store that gives up soon.
    async fn impatient(&self) -> Postgres {
        let mut settings = self.settings();
        settings.patience = Duration::ZERO;
        settings.wait = Duration::from_millis(50);
        settings.statement_timeout = Duration::from_millis(200);
        Postgres::open(settings).await.unwrap()
    }
}

/// Runs statements beside the store.
async fn run(store: &Postgres, sql: &str) {
    let client = store.pool.get().await.unwrap();
    client.batch_execute(sql).await.unwrap();
}

/// The first column of the first row.
async fn ask(store: &Postgres, sql: &str) -> String {
    let client = store.pool.get().await.unwrap();
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Waits until so many statements of the schema's tests wait for a lock.
async fn until_waiting(store: &Postgres, query: &str) {
    let sql = format!(
        "SELECT count(*)::TEXT FROM pg_stat_activity \
         WHERE wait_event_type = 'Lock' AND query LIKE '{query}%' \
             AND pid IN (SELECT pid FROM pg_locks WHERE NOT granted)"
    );
    while ask(store, &sql).await == "0" {
        tokio::task::yield_now().await;
    }
}
