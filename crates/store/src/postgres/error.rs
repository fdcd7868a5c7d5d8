//! What an error of PostgreSQL means to a caller of the store, and which errors pass by themselves.

use std::error::Error;
use std::io;

use deadpool_postgres::{HookError, PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

use crate::rules::contradiction;
use crate::store::StoreError;

/// Classes of codes (their first two characters) that tell of one object, and not of the database:
/// a change that a constraint refuses.
const REFUSED: &str = "23";

/// Who was chosen as the victim of a conflict.
const CONFLICTS: [&SqlState; 2] = [
    &SqlState::T_R_SERIALIZATION_FAILURE,
    &SqlState::T_R_DEADLOCK_DETECTED,
];

/// Whose connection ends, who comes before the server is ready or while it has no room, and who
/// finds the former primary of a fail-over.
const LOST: [&SqlState; 7] = [
    &SqlState::ADMIN_SHUTDOWN,
    &SqlState::CRASH_SHUTDOWN,
    &SqlState::CANNOT_CONNECT_NOW,
    &SqlState::TOO_MANY_CONNECTIONS,
    &SqlState::READ_ONLY_SQL_TRANSACTION,
    &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    &SqlState::IDLE_SESSION_TIMEOUT,
];

impl From<tokio_postgres::Error> for StoreError {
    fn from(source: tokio_postgres::Error) -> Self {
        let Some(code) = source.code() else {
            return Self::Unavailable(Box::new(source));
        };
        if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED {
            Self::Corrupt(Box::new(source))
        } else if code.code().starts_with(REFUSED) {
            Self::Contradicts(Box::new(source))
        } else if *code == SqlState::CHARACTER_NOT_IN_REPERTOIRE {
            // A text with a NUL is refused before it is looked for: no row can have it.
            Self::NotFound
        } else if *code == SqlState::DISK_FULL {
            Self::Unavailable(Box::new(io::Error::new(io::ErrorKind::StorageFull, source)))
        } else {
            Self::Unavailable(Box::new(source))
        }
    }
}

impl From<PoolError> for StoreError {
    fn from(source: PoolError) -> Self {
        match source {
            PoolError::Backend(source) | PoolError::PostCreateHook(HookError::Backend(source)) => {
                source.into()
            }
            PoolError::Timeout(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => Self::Unavailable(Box::new(source)),
        }
    }
}

/// Why another attempt may succeed, when it is certain that this one changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passing {
    /// Another transaction was in the way.
    Conflict,
    /// The connection is of no use any more, or there was none to be had.
    Connection,
}

/// Whether an error passes by itself.
pub(super) fn passing(error: &StoreError) -> Option<Passing> {
    let StoreError::Unavailable(source) = error else {
        return None;
    };
    if source.is::<TimedOut>() {
        return Some(Passing::Connection);
    }
    if let Some(PoolError::Timeout(kind)) = source.downcast_ref::<PoolError>() {
        // Others have all connections: whoever waited for one has waited long enough.
        return match kind {
            TimeoutType::Wait => None,
            TimeoutType::Create | TimeoutType::Recycle => Some(Passing::Connection),
        };
    }
    let error = source.downcast_ref::<tokio_postgres::Error>()?;
    match error.code() {
        Some(code) if CONFLICTS.contains(&code) => Some(Passing::Conflict),
        Some(code) if LOST.contains(&code) || code.code().starts_with("08") => {
            Some(Passing::Connection)
        }
        Some(_) => None,
        // Without a code it is the connection's end, or there was none.
        None => is_of_a_connection(error).then_some(Passing::Connection),
    }
}

/// Whether the database said that the transaction was undone, in answer to a commit.
pub(super) fn is_undone(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        let class = code.code().get(..2);
        matches!(class, Some("40" | "23"))
    })
}

fn is_of_a_connection(error: &tokio_postgres::Error) -> bool {
    error.is_closed() || error.source().is_some_and(<dyn Error>::is::<io::Error>)
}

/// What the columns of a row hold instead of what they must.
pub(super) fn unreadable(column: &str) -> StoreError {
    contradiction(format!("the column {column} does not hold what it must"))
}

/// The server did not answer in time, although it must have given up by itself: the connection to it
/// is broken, and nobody said so.
#[derive(Debug, thiserror::Error)]
#[error("the database did not answer in time")]
pub(super) struct TimedOut;
