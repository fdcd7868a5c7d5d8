//! Batches as clients see them.

use overnight_core::batch::{Batch, InputError, State};
use overnight_core::id::FileId;
use overnight_core::metadata::Metadata;
use overnight_core::time::Timestamp;
use overnight_core::usage::Usage;
use overnight_store::store::Page;
use serde::Serialize;

/// A batch.
#[derive(Debug, Serialize)]
pub(crate) struct BatchObject<'a> {
    id: &'a str,
    object: &'static str,
    endpoint: &'a str,
    model: Option<&'a str>,
    errors: Option<Errors<'a>>,
    input_file_id: &'a str,
    completion_window: &'a str,
    status: &'static str,
    output_file_id: Option<&'a str>,
    error_file_id: Option<&'a str>,
    created_at: u64,
    in_progress_at: Option<u64>,
    expires_at: Option<u64>,
    finalizing_at: Option<u64>,
    completed_at: Option<u64>,
    failed_at: Option<u64>,
    expired_at: Option<u64>,
    cancelling_at: Option<u64>,
    cancelled_at: Option<u64>,
    request_counts: RequestCounts,
    usage: UsageObject,
    metadata: Option<&'a Metadata>,
}

impl<'a> From<&'a Batch> for BatchObject<'a> {
    fn from(batch: &'a Batch) -> Self {
        let results = batch.state.results();
        let history = &batch.history;
        Self {
            id: batch.id.as_str(),
            object: "batch",
            endpoint: batch.spec.endpoint.as_str(),
            model: batch.model(),
            errors: Errors::of(&batch.state),
            input_file_id: batch.spec.input_file.as_str(),
            completion_window: &batch.spec.window.text,
            status: batch.state.status().as_str(),
            output_file_id: results.and_then(|results| text(results.output_file.as_ref())),
            error_file_id: results.and_then(|results| text(results.error_file.as_ref())),
            created_at: batch.created_at.seconds(),
            in_progress_at: seconds(history.in_progress_at),
            expires_at: batch.spec.window.length.map(|_| batch.expires_at.seconds()),
            finalizing_at: seconds(history.finalizing_at),
            completed_at: seconds(history.completed_at),
            failed_at: seconds(history.failed_at),
            expired_at: seconds(history.expired_at),
            cancelling_at: seconds(history.cancelling_at),
            cancelled_at: seconds(history.cancelled_at),
            request_counts: RequestCounts::from(batch),
            usage: UsageObject::from(&batch.usage),
            metadata: batch.spec.metadata.as_ref(),
        }
    }
}

fn text(id: Option<&FileId>) -> Option<&str> {
    id.map(FileId::as_str)
}

fn seconds(at: Option<Timestamp>) -> Option<u64> {
    at.map(Timestamp::seconds)
}

/// Why a batch failed validation.
#[derive(Debug, Serialize)]
struct Errors<'a> {
    object: &'static str,
    data: &'a [InputError],
}

impl<'a> Errors<'a> {
    fn of(state: &'a State) -> Option<Self> {
        match state {
            State::Failed(errors) => Some(Self {
                object: "list",
                data: errors,
            }),
            State::Validating
            | State::InProgress
            | State::Cancelling
            | State::Finalizing(_)
            | State::Completed(_)
            | State::Expired(_)
            | State::Cancelled(_) => None,
        }
    }
}

/// How many lines there are and how many ended; unrun ones are in neither count.
#[derive(Debug, Serialize)]
pub(crate) struct RequestCounts {
    total: u64,
    completed: u64,
    failed: u64,
}

impl From<&Batch> for RequestCounts {
    fn from(batch: &Batch) -> Self {
        Self {
            total: batch.total(),
            completed: batch.tally.completed,
            failed: batch.tally.failed,
        }
    }
}

/// The tokens of all lines.
#[derive(Debug, Serialize)]
struct UsageObject {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    input_tokens_details: InputTokensDetails,
    output_tokens_details: OutputTokensDetails,
}

#[derive(Debug, Serialize)]
struct InputTokensDetails {
    cached_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutputTokensDetails {
    reasoning_tokens: u64,
}

impl From<&Usage> for UsageObject {
    fn from(usage: &Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            total_tokens: usage.total_tokens,
            input_tokens_details: InputTokensDetails {
                cached_tokens: usage.cached_tokens,
            },
            output_tokens_details: OutputTokensDetails {
                reasoning_tokens: usage.reasoning_tokens,
            },
        }
    }
}

/// A page of batches.
#[derive(Debug, Serialize)]
pub(crate) struct BatchPage<'a> {
    object: &'static str,
    data: Vec<BatchObject<'a>>,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
    has_more: bool,
}

impl<'a> From<&'a Page<Batch>> for BatchPage<'a> {
    fn from(page: &'a Page<Batch>) -> Self {
        Self {
            object: "list",
            data: page.items.iter().map(BatchObject::from).collect(),
            first_id: page.items.first().map(|batch| batch.id.as_str()),
            last_id: page.items.last().map(|batch| batch.id.as_str()),
            has_more: page.has_more,
        }
    }
}
