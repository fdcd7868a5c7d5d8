//! `GET /v1/batches/{id}/failures`: why lines failed, grouped by cause.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use overnight_core::segment::ResultFile;

use super::ended::Hidden;
use super::groups::Groups;
use super::recorded::Recorded;
use crate::api::Api;
use crate::auth::Caller;
use crate::batches::{find, refuse_deleted};
use crate::errors::ApiError;
use crate::json;
use crate::path::BatchPath;
use crate::wire::line::FailureGroups;

/// Reads every error line that is recorded, and answers how many share each cause.
pub(crate) async fn failures(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BatchPath(id): BatchPath,
) -> Result<Response, ApiError> {
    let batch = find(&api, &caller, &id).await?;
    refuse_deleted(&api, &caller, &batch, ResultFile::Error).await?;
    let mut recorded = Recorded::new(&api, &batch, Hidden::default());
    let mut groups = Groups::default();
    while let Some(segment) = recorded.next().await? {
        for (line, failure) in recorded.failures(&segment).await? {
            groups.add(line.map(|ended| ended.line), &failure);
        }
    }
    let (groups, total) = groups.into_list();
    json::pretty(&FailureGroups::new(&groups, total))
}
