//! What lists are asked for, and what they answer.

use overnight_core::batch::Status;
use overnight_core::file::Purpose;
use overnight_core::id::{BatchId, FileId};

use crate::status::BatchProgress;

/// A page of a list, newest first unless the query says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The objects.
    pub items: Vec<T>,
    /// Whether there are more behind the last one.
    pub has_more: bool,
}

/// Which of a project's files to list.
#[derive(Clone, Debug)]
pub struct FileQuery {
    /// Only those of this purpose.
    pub purpose: Option<Purpose>,
    /// Only those behind this file.
    pub after: Option<FileId>,
    /// At most so many.
    pub limit: usize,
    /// By creation.
    pub order: Order,
}

/// Which of a project's batches to find.
#[derive(Clone, Debug, Default)]
pub struct BatchQuery {
    /// Only those behind this batch.
    pub after: Option<BatchId>,
    /// At most so many.
    pub limit: usize,
    /// Only those in one of these statuses; any when empty.
    pub statuses: Vec<Status>,
    /// Only those whose id, a value of whose metadata, or the name of whose input file has this
    /// text in it, be its ASCII letters small or large.
    pub search: Option<String>,
    /// Only those that were made of this batch's failed lines.
    pub parent: Option<BatchId>,
}

/// How the batches of a project are getting on.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// How many batches there are in each status.
    pub batches: Vec<(Status, u64)>,
    /// What is saved of the open ones.
    pub progress: Vec<BatchProgress>,
}

/// The direction of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}
