//! Batches as clients see them.

use std::sync::Arc;

use overnight_core::batch::{Batch, InputError, State};
use overnight_core::id::{BatchId, FileId};
use overnight_core::input::Summary;
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

/// A batch that is gone.
#[derive(Debug, Serialize)]
pub(crate) struct DeletedBatch<'a> {
    id: &'a str,
    object: &'static str,
    deleted: bool,
}

impl<'a> DeletedBatch<'a> {
    /// That one.
    pub(crate) fn new(id: &'a BatchId) -> Self {
        Self {
            id: id.as_str(),
            object: "batch",
            deleted: true,
        }
    }
}

/// What checking the results of a batch has found.
#[derive(Debug, Serialize)]
pub(crate) struct Verification<'a> {
    object: &'static str,
    valid: bool,
    total: u64,
    completed: u64,
    failed: u64,
    problems: &'a [String],
}

impl<'a> Verification<'a> {
    /// Of that batch, these problems.
    pub(crate) fn new(batch: &Batch, problems: &'a [String]) -> Self {
        Self {
            object: "batch.verification",
            valid: problems.is_empty(),
            total: batch.total(),
            completed: batch.tally.completed,
            failed: batch.tally.failed,
            problems,
        }
    }
}

/// What would become of a batch that was not created.
#[derive(Debug, Serialize)]
pub(crate) struct DryRun<'a> {
    object: &'static str,
    valid: bool,
    lines: u64,
    bytes: u64,
    models: Vec<ModelLines<'a>>,
    errors: Errors<'a>,
    errors_total: u64,
    estimated_input_tokens: Option<u64>,
    estimated_seconds: Option<u64>,
}

/// How many lines name a model.
#[derive(Debug, Serialize)]
struct ModelLines<'a> {
    model: &'a str,
    lines: u64,
}

/// How large a batch would be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Estimate {
    pub(crate) input_tokens: Option<u64>,
    pub(crate) seconds: Option<u64>,
}

impl<'a> DryRun<'a> {
    /// A file whose lines may all be run.
    pub(crate) fn valid(summary: &'a Summary, estimate: Estimate) -> Self {
        let lines = |(model, lines): &'a (Arc<str>, u64)| ModelLines {
            model,
            lines: *lines,
        };
        Self {
            valid: true,
            lines: summary.total,
            models: summary.models.iter().map(lines).collect(),
            estimated_input_tokens: estimate.input_tokens,
            estimated_seconds: estimate.seconds,
            ..Self::refused(&[], 0, (0, summary.bytes))
        }
    }

    /// A file with these errors, of so many, in so many lines and bytes.
    pub(crate) const fn refused(
        errors: &'a [InputError],
        errors_total: u64,
        (lines, bytes): (u64, u64),
    ) -> Self {
        Self {
            object: "batch.dry_run",
            valid: false,
            lines,
            bytes,
            models: Vec::new(),
            errors: Errors {
                object: "list",
                data: errors,
            },
            errors_total,
            estimated_input_tokens: None,
            estimated_seconds: None,
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
