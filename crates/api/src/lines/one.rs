//! `GET /v1/batches/{id}/lines/{number}`: one line, with what was asked and what was answered.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use serde_json::value::RawValue;

use super::input::{InputFile, InputLines, input_of};
use super::list::{Row, hidden, row_of, shown};
use crate::api::Api;
use crate::auth::Caller;
use crate::batches::find;
use crate::errors::ApiError;
use crate::json;
use crate::path::LinePath;
use crate::wire::line::WholeLine;

/// A request or a result of more bytes is not shown whole.
const SHOWN_BYTES_MAX: u64 = 1 << 20;

/// Shows a line of the batch.
pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    LinePath { batch, line }: LinePath,
) -> Result<Response, ApiError> {
    let batch = find(&api, &caller, &batch).await?;
    let hidden = hidden(&api, &caller, &batch).await?;
    let row = row_of(&api, &batch, hidden, line).await?;
    let row = row
        .ok_or_else(|| ApiError::not_found(format!("Batch '{}' has no line {line}.", batch.id)))?;
    let input = input_of(&api, &batch).await?;
    let (request, request_bytes) = match &input {
        Some(input) => request(&api, input, &row).await?,
        None => (None, None),
    };
    let (result, result_bytes) = match &row {
        Row::Ended(ended) => (
            ended.read(&api, SHOWN_BYTES_MAX).await?,
            ended.place.as_ref().map(|place| place.length),
        ),
        Row::Pending(_) => (None, None),
    };
    json::pretty(&WholeLine {
        line: shown(&api, &row, input.as_ref()).await,
        request: request.as_deref().and_then(raw),
        request_bytes,
        result: result.as_deref().and_then(raw),
        result_bytes,
    })
}

/// The input line as it stands, unless it is too long, and how many bytes it has.
async fn request(
    api: &Arc<Api>,
    input: &InputFile,
    row: &Row,
) -> Result<(Option<Bytes>, Option<u64>), ApiError> {
    let number = match row {
        Row::Pending(entry) if u64::from(entry.length) > SHOWN_BYTES_MAX => {
            return Ok((None, Some(entry.length.into())));
        }
        Row::Pending(entry) => {
            let bytes = input.read(api, entry.range()).await?;
            return Ok((Some(bytes), Some(entry.length.into())));
        }
        Row::Ended(ended) => ended.line,
    };
    let mut lines = InputLines::new(api, input);
    while let Some(piece) = lines.next().await? {
        let found = piece.lines().find(|(no, _)| *no == number);
        if let Some((_, bytes)) = found {
            let length = bytes.len() as u64;
            let shown = (length <= SHOWN_BYTES_MAX).then(|| Bytes::copy_from_slice(bytes));
            return Ok((shown, Some(length)));
        }
    }
    Ok((None, None))
}

/// The JSON value that the bytes are.
fn raw(bytes: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(bytes).ok()
}
