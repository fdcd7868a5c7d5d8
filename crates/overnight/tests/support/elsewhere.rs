//! Servers that keep nothing in their folder: with `TEST_PLACE=server` in the environment, each
//! server of a test has its rows in a schema of PostgreSQL and its blobs under a prefix of a bucket.

use std::process::Command;

use overnight_testkit::postgres::{self, Version};
use overnight_testkit::s3;

/// The variable that says where servers of tests keep what they keep.
const PLACE: &str = "TEST_PLACE";

/// A place that one server has for itself, over its restarts.
pub(crate) struct Elsewhere {
    database: postgres::Shared,
    schema: String,
    store: s3::Shared,
    bucket: String,
}

impl Elsewhere {
    /// A new place, unless servers keep everything in their folders.
    pub(crate) fn if_wanted() -> Option<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "it is the environment of the tests, not of the program"
        )]
        let place = std::env::var(PLACE);
        match place.as_deref() {
            Err(_) | Ok("folder") => return None,
            Ok("server") => {}
            Ok(other) => panic!("{PLACE} is `folder` or `server`, not `{other}`"),
        }
        let database = postgres::Shared::find(Version::Newest).unwrap();
        let store = s3::Shared::find().unwrap();
        Some(Self {
            schema: database.schema(),
            bucket: store.url(),
            database,
            store,
        })
    }

    /// Has `overnight serve` keep everything there. What a killed process held is free sooner than by
    /// default.
    pub(crate) fn apply(&self, command: &mut Command) {
        let url = self.database.url();
        command.args(["--store", &url, "--blobs", &self.bucket]);
        command.env("OVERNIGHT_POSTGRES__SCHEMA", &self.schema);
        command.env("OVERNIGHT_POSTGRES__LEASE", "2s");
        command.envs(s3::variables(self.store.address()));
    }
}
