//! Lines of a batch, and why they failed: shapes of our own, not part of OpenAI's surface.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::lines::{Ended, Group};

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineStatus {
    /// It is in the output file.
    Completed,
    /// It is in the error file, be it that it failed or that it never ran.
    Failed,
    /// It has no outcome yet.
    Pending,
}

impl LineStatus {
    /// Each of them.
    pub(crate) const ALL: [Self; 3] = [Self::Completed, Self::Failed, Self::Pending];

    /// The word on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Pending => "pending",
        }
    }
}

/// A line.
#[derive(Debug, Serialize)]
pub(crate) struct LineObject {
    object: &'static str,
    line: u32,
    custom_id: Option<String>,
    status: &'static str,
    status_code: Option<u16>,
    attempts: Option<u16>,
    milliseconds: Option<u32>,
    input_tokens: Option<u32>,
    output_tokens: Option<u32>,
    preview: Option<String>,
}

impl LineObject {
    /// One that has no outcome yet.
    pub(crate) const fn pending(line: u32, custom_id: Option<String>) -> Self {
        Self {
            object: "batch.line",
            line,
            custom_id,
            status: LineStatus::Pending.as_str(),
            status_code: None,
            attempts: None,
            milliseconds: None,
            input_tokens: None,
            output_tokens: None,
            preview: None,
        }
    }

    /// One that has ended.
    pub(crate) fn ended(
        ended: &Ended,
        status: LineStatus,
        custom_id: Option<String>,
        preview: Option<String>,
    ) -> Self {
        let cost = ended.cost;
        Self {
            status: status.as_str(),
            status_code: ended.status,
            attempts: cost.map(|cost| cost.attempts),
            milliseconds: cost.map(|cost| cost.milliseconds),
            input_tokens: cost.map(|cost| cost.input_tokens),
            output_tokens: cost.map(|cost| cost.output_tokens),
            preview,
            ..Self::pending(ended.line, custom_id)
        }
    }
}

/// A page of lines.
#[derive(Debug, Serialize)]
pub(crate) struct LinePage {
    object: &'static str,
    data: Vec<LineObject>,
    has_more: bool,
}

impl LinePage {
    /// These, and whether more follow.
    pub(crate) const fn new(data: Vec<LineObject>, has_more: bool) -> Self {
        Self {
            object: "list",
            data,
            has_more,
        }
    }
}

/// A line with what was asked and what was answered.
#[derive(Debug, Serialize)]
pub(crate) struct WholeLine<'a> {
    #[serde(flatten)]
    pub(crate) line: LineObject,
    pub(crate) request: Option<&'a RawValue>,
    pub(crate) request_bytes: Option<u64>,
    pub(crate) result: Option<&'a RawValue>,
    pub(crate) result_bytes: Option<u64>,
}

/// Every cause of failure.
#[derive(Debug, Serialize)]
pub(crate) struct FailureGroups<'a> {
    object: &'static str,
    data: Vec<FailureGroup<'a>>,
    total: u64,
}

/// The failed lines with one cause.
#[derive(Debug, Serialize)]
struct FailureGroup<'a> {
    object: &'static str,
    signature: &'a str,
    code: Option<&'a str>,
    status_code: Option<u16>,
    count: u64,
    first_line: Option<u32>,
    sample: &'a str,
    hint: Option<&'static str>,
    retryable: bool,
}

impl<'a> FailureGroups<'a> {
    /// These groups, and how many lines they have together.
    pub(crate) fn new(groups: &'a [Group], total: u64) -> Self {
        let shown = |group: &'a Group| FailureGroup {
            object: "batch.failure_group",
            signature: &group.signature,
            code: group.code.as_deref(),
            status_code: group.status,
            count: group.count,
            first_line: group.first_line,
            sample: &group.sample,
            hint: group.hint,
            retryable: group.is_retryable,
        };
        Self {
            object: "list",
            data: groups.iter().map(shown).collect(),
            total,
        }
    }
}
