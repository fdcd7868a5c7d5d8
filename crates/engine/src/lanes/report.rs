//! What the lanes tell people: why a batch waits, and how each upstream is doing.

use std::time::Duration;

use overnight_core::attempt::Health;
use overnight_core::id::WorkerId;
use overnight_core::time::Timestamp;
use overnight_store::status::{UpstreamHealth, UpstreamStatus};

use super::place::{Place, Serves};
use super::queue::Queue;
use super::{Lane, Lanes, State};
use crate::run::RunKey;
use crate::shared::lock;

impl Lanes {
    /// Why nothing of a batch moves in some lane, as a sentence; `None` while everything moves.
    pub(crate) fn reason(&self, key: RunKey) -> Option<String> {
        let now = self.now();
        let mut state = lock(&self.state);
        let State { places, lanes, .. } = &mut *state;
        lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| lane.queues.get(&key).is_some_and(Queue::waits))
            .find_map(|(index, lane)| reason_of(places, index, lane, now))
    }

    /// How many requests the upstreams of a batch's models may have at once, those of other batches
    /// included, and whether lines of the batch wait to be sent.
    pub(crate) fn room(&self, key: RunKey) -> (u64, bool) {
        let state = lock(&self.state);
        let here = |lane: &usize| {
            let lane = state.lanes.get(*lane);
            lane.and_then(|lane| lane.queues.get(&key))
        };
        let serving = state
            .places
            .iter()
            .filter(|place| place.lanes.iter().any(|lane| here(lane).is_some()));
        let limit = serving.map(|place| u64::from(place.limiter.limit())).sum();
        let queues = state.lanes.iter().filter_map(|lane| lane.queues.get(&key));
        let waits = queues
            .into_iter()
            .any(|queue| queue.waits() || !queue.is_fed);
        (limit, waits)
    }

    /// What people call the upstream of a place.
    pub(crate) fn name(&self, place: usize) -> String {
        let state = lock(&self.state);
        let place = state.places.get(place);
        place.map_or_else(String::new, |place| place.name.clone())
    }

    /// How many lines of a batch wait for another attempt.
    pub(crate) fn retrying(&self, key: RunKey) -> u64 {
        let state = lock(&self.state);
        let queues = state.lanes.iter().filter_map(|lane| lane.queues.get(&key));
        queues.map(|queue| queue.retries() as u64).sum()
    }

    /// How each upstream is doing.
    pub(crate) fn statuses(&self, worker: &WorkerId, at: Timestamp) -> Vec<UpstreamStatus> {
        let now = self.now();
        let mut state = lock(&self.state);
        let State { places, lanes, .. } = &mut *state;
        places
            .iter_mut()
            .map(|place| status_of(place, lanes, worker, (at, now)))
            .collect()
    }
}

fn reason_of(places: &mut [Place], index: usize, lane: &Lane, now: Duration) -> Option<String> {
    let mut reasons = Vec::new();
    for place in places
        .iter_mut()
        .filter(|place| place.lanes.contains(&index))
    {
        match place_reason(place, index, now) {
            Some(reason) => reasons.push(reason),
            None => return None,
        }
    }
    if !reasons.is_empty() {
        return Some(reasons.join("; "));
    }
    let model = &lane.model;
    let silent = places.iter().find_map(|place| {
        let why = place.list_error.as_deref()?;
        Some(format!(
            "upstream '{}' did not give its list of models: {why}",
            place.name
        ))
    });
    Some(silent.unwrap_or_else(|| format!("no upstream serves the model '{model}'")))
}

/// Why nothing goes to a place; `None` when lines move there.
fn place_reason(place: &mut Place, lane: usize, now: Duration) -> Option<String> {
    let name = place.name.clone();
    let post = place.posts.get(&lane)?;
    match post.standing.health() {
        Health::Parked => {
            let why = &post.why;
            return Some(format!(
                "upstream '{name}' is parked: it {why}; it is tried again within seconds"
            ));
        }
        Health::Doubtful => {
            let why = &post.why;
            return Some(format!(
                "upstream '{name}' is in doubt: it {why}; one line at a time is tried"
            ));
        }
        Health::Well => {}
    }
    if let Some(wait) = place
        .limiter
        .paused_until()
        .checked_sub(now)
        .filter(|wait| !wait.is_zero())
    {
        let seconds = wait.as_secs_f64().ceil();
        return Some(format!(
            "upstream '{name}' has too much to do; it is asked again in {seconds} s"
        ));
    }
    let rate = place.rate_wait(now);
    if rate > Duration::from_secs(1) {
        let seconds = rate.as_secs_f64().ceil();
        return Some(format!(
            "upstream '{name}' has used its rate; it is asked again in {seconds} s"
        ));
    }
    None
}

fn status_of(
    place: &mut Place,
    lanes: &[Lane],
    worker: &WorkerId,
    (at, now): (Timestamp, Duration),
) -> UpstreamStatus {
    let worst = place
        .posts_in_use(lanes)
        .max_by_key(|post| match post.standing.health() {
            Health::Well => 0,
            Health::Doubtful => 1,
            Health::Parked => 2,
        });
    let (health, why) = match worst.map(|post| (post.standing.health(), post.why.clone())) {
        Some((Health::Parked, why)) => (UpstreamHealth::Parked, Some(why)),
        Some((Health::Doubtful, why)) => (UpstreamHealth::Doubtful, Some(why)),
        Some((Health::Well, _)) | None => match (&place.serves, &place.list_error) {
            (Serves::Unknown, why) => (UpstreamHealth::Unknown, why.clone()),
            (Serves::Any | Serves::Listed(_), _) => (UpstreamHealth::Healthy, None),
        },
    };
    let lane = place.lanes.first().copied();
    let reason = why.or_else(|| lane.and_then(|lane| place_reason(place, lane, now)));
    let (models, any_model) = match &place.serves {
        Serves::Unknown => (Vec::new(), false),
        Serves::Any => (Vec::new(), true),
        Serves::Listed(models) => (models.clone(), false),
    };
    UpstreamStatus {
        worker: worker.clone(),
        name: place.name.clone(),
        url: place.url.clone(),
        health,
        reason,
        models,
        any_model,
        in_flight: place.in_flight.into(),
        limit: place.limiter.limit().into(),
        updated_at: at,
    }
}
