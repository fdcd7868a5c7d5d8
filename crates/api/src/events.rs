//! `GET /v1/events`: what changes, as server-sent events; a route of our own.
//!
//! Each stream looks into the store once a second, for the engine may be another process and says
//! nothing to anyone. What it was shown last is all that a stream remembers, so a client that lost
//! its connection opens another and is shown everything that is open anew.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderName;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use overnight_core::batch::{Batch, Status};
use overnight_core::id::BatchId;
use overnight_store::StoreError;
use overnight_store::status::{BatchProgress, UpstreamStatus};
use overnight_store::store::BatchQuery;
use serde::Serialize;
use tokio::time::Instant;

use crate::api::Api;
use crate::auth::Caller;
use crate::batches;
use crate::errors::{ApiError, chain};
use crate::path::batch_id;
use crate::query::Query;
use crate::wire::List;
use crate::wire::batch::BatchObject;
use crate::wire::engine::{Known, ProgressObject, UpstreamObject};

/// How often a stream looks for what has changed.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a stream says nothing at most.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// How many open batches a stream follows, the newest.
pub(crate) const BATCHES_MAX: usize = 200;

/// How many of the newest batches it looks at beside those that are open: one may have ended within
/// the second in which it was created.
const NEWEST: usize = 20;

const OPEN: [Status; 4] = [
    Status::Validating,
    Status::InProgress,
    Status::Finalizing,
    Status::Cancelling,
];

/// Streams the batches of the caller's project that change, or the one that is asked for, and, to
/// whoever may see them, the upstreams. Ends when the server does.
pub(crate) async fn events(
    State(api): State<Arc<Api>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = Query::parse(query.as_deref());
    let only = query
        .one("batch")?
        .map(|text| batch_id("batch", text))
        .transpose()?;
    if let Some(id) = &only {
        batches::find(&api, &caller, id).await?;
    }
    let watch = Watch {
        api,
        caller,
        only,
        seen: None,
        upstreams: None,
        ready: VecDeque::new(),
        next_look: Instant::now(),
        spoken: Instant::now(),
    };
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // Proxies that hold answers back until they are whole are told not to.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

/// A batch as it was shown.
type Shown = (Batch, Option<BatchProgress>);

/// One stream.
struct Watch {
    api: Arc<Api>,
    caller: Caller,
    only: Option<BatchId>,
    /// What was shown last of each batch that is followed; `None` before the first look.
    seen: Option<BTreeMap<BatchId, Shown>>,
    upstreams: Option<Vec<UpstreamStatus>>,
    ready: VecDeque<Bytes>,
    next_look: Instant,
    spoken: Instant,
}

impl Watch {
    /// The next event; `None` when the server ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.spoken = Instant::now();
                return Some(event);
            }
            if self.seen.is_some() {
                tokio::select! {
                    biased;
                    () = self.api.stopping.cancelled() => return None,
                    () = tokio::time::sleep_until(self.next_look) => {}
                }
            }
            self.next_look = Instant::now() + INTERVAL;
            if let Err(error) = self.look().await {
                self.seen.get_or_insert_default();
                let error = error.cause.as_deref().map(|cause| chain(cause));
                tracing::warn!(error, "an event stream could not look into the store");
            }
            if self.ready.is_empty() && self.spoken.elapsed() >= SILENCE_MAX {
                self.ready
                    .push_back(Bytes::from_static(b": nothing new\n\n"));
            }
        }
    }

    /// Looks for what has changed since the last time.
    async fn look(&mut self) -> Result<(), ApiError> {
        let present = self.present().await?;
        let held = batches::held(&self.api);
        let before = self.seen.take();
        let is_first = before.is_none();
        let before = before.unwrap_or_default();
        for (id, shown) in &present {
            let (batch, progress) = shown;
            let is_over = batch.state.status().is_terminal();
            // What has ended before the stream began is shown to who asks for it alone.
            let is_past = is_first && is_over && self.only.is_none();
            if before.get(id) == Some(shown) || is_past {
                continue;
            }
            let children = batches::children(&self.api, &self.caller.project, id).await?;
            let known = Known {
                progress: progress.as_ref(),
                children: &children,
                held,
            };
            let event = Changed {
                batch: BatchObject::from(batch),
                progress: ProgressObject::new(batch, known),
            };
            self.ready.push_back(event_of("batch", &event)?);
        }
        self.seen = Some(present);
        self.look_at_upstreams().await
    }

    /// The batches that are followed, as they are now.
    async fn present(&self) -> Result<BTreeMap<BatchId, Shown>, ApiError> {
        let (store, project) = (&self.api.store, &self.caller.project);
        let mut batches: BTreeMap<BatchId, Batch> = BTreeMap::new();
        let mut wanted: Vec<BatchId> = self.only.iter().cloned().collect();
        if self.only.is_none() {
            let query = BatchQuery {
                limit: BATCHES_MAX,
                statuses: OPEN.to_vec(),
                ..BatchQuery::default()
            };
            let open = store.find_batches(project, &query).await;
            let newest = store.batches(project, None, NEWEST).await;
            let open = open.map_err(ApiError::store)?.items;
            let newest = newest.map_err(ApiError::store)?.items;
            batches.extend(
                newest
                    .into_iter()
                    .chain(open)
                    .map(|batch| (batch.id.clone(), batch)),
            );
            // One that was open has ended since.
            let followed = self.seen.iter().flatten();
            let open = followed.filter(|(_, (batch, _))| !batch.state.status().is_terminal());
            wanted.extend(
                open.map(|(id, _)| id)
                    .filter(|id| !batches.contains_key(*id))
                    .cloned(),
            );
        }
        for id in wanted {
            match store.batch(project, &id).await {
                Ok(batch) => drop(batches.insert(id, batch)),
                Err(StoreError::NotFound) => {}
                Err(error) => return Err(ApiError::store(error)),
            }
        }
        let said = store.overview(project).await.map_err(ApiError::store)?;
        let mut said: BTreeMap<BatchId, BatchProgress> = said
            .progress
            .into_iter()
            .map(|progress| (progress.batch.clone(), progress))
            .collect();
        let with_progress = |(id, batch)| {
            let progress = said.remove(&id);
            (id, (batch, progress))
        };
        Ok(batches.into_iter().map(with_progress).collect())
    }

    async fn look_at_upstreams(&mut self) -> Result<(), ApiError> {
        if !self.caller.is_operator || self.only.is_some() {
            return Ok(());
        }
        let now = self.api.store.upstreams().await.map_err(ApiError::store)?;
        if self.upstreams.as_ref() != Some(&now) {
            let list = List::new(now.iter().map(UpstreamObject::from).collect());
            self.ready.push_back(event_of("upstreams", &list)?);
            self.upstreams = Some(now);
        }
        Ok(())
    }
}

/// A batch that has changed.
#[derive(Serialize)]
struct Changed<'a> {
    batch: BatchObject<'a>,
    progress: ProgressObject<'a>,
}

/// An event of that name. JSON without line ends is one line of data.
fn event_of(name: &str, data: &impl Serialize) -> Result<Bytes, ApiError> {
    let data = serde_json::to_string(data).map_err(ApiError::internal)?;
    Ok(Bytes::from(format!("event: {name}\ndata: {data}\n\n")))
}
