//! What a process does: one of several on a database may serve clients alone, or run batches alone.

use serde::Deserialize;

use super::setting::{quote, value};

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProcessRole {
    /// It serves clients and runs batches.
    All,
    /// It serves clients, and leaves batches to others.
    Api,
    /// It runs batches; of HTTP it serves probes and metrics.
    Worker,
}

impl ProcessRole {
    /// The word in the configuration, in `/ready` and in the metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }

    /// Whether it runs batches.
    pub(crate) const fn runs_batches(self) -> bool {
        matches!(self, Self::All | Self::Worker)
    }

    /// Whether it serves clients.
    pub(crate) const fn serves_clients(self) -> bool {
        matches!(self, Self::All | Self::Api)
    }
}

value!(
    ProcessRole,
    "`all`, `api` or `worker`",
    |role: &ProcessRole| quote(role.as_str())
);
