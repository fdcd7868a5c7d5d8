//! Watches the upstreams: their lists of models, their gauges, and their health while in doubt.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::send;
use crate::shared::Shared;
use crate::upstream::Upstream;

/// A list that was had is asked for again after so long.
const LIST_INTERVAL: Duration = Duration::from_mins(1);

/// A list that could not be had, and the health of an upstream in doubt, are asked for so often.
const DOUBT_INTERVAL: Duration = Duration::from_secs(2);

/// Gauges are asked for so often while requests are in flight.
const GAUGES_INTERVAL: Duration = Duration::from_millis(250);

/// An upstream that showed no gauges is asked for them again after so long.
const NO_GAUGES_INTERVAL: Duration = Duration::from_mins(1);

/// Asks every upstream for its list, all at once.
pub(crate) async fn ask_all(shared: &Arc<Shared>) {
    let asked = shared.lanes.upstreams().into_iter();
    join_all(asked.map(|(place, upstream)| ask(shared, place, upstream))).await;
}

/// Asks those upstreams for their lists that have not answered yet.
pub(crate) async fn ask_unknown(shared: &Arc<Shared>) {
    let unknown = shared.lanes.never_asked();
    let asked = shared
        .lanes
        .upstreams()
        .into_iter()
        .filter(|(place, _)| unknown.contains(place));
    join_all(asked.map(|(place, upstream)| ask(shared, place, upstream))).await;
}

async fn ask(shared: &Arc<Shared>, place: usize, upstream: Arc<dyn Upstream>) -> bool {
    let list = upstream.models().await;
    let is_ok = list.is_ok();
    send::launch(shared, shared.lanes.set_models(place, list));
    send::refuse_unserved(shared).await;
    is_ok
}

/// Watches one upstream until the engine ends.
pub(crate) async fn watch(shared: Arc<Shared>, place: usize, upstream: Arc<dyn Upstream>) {
    let doubted = shared.lanes.doubted(place);
    loop {
        let listed = ask(&shared, place, Arc::clone(&upstream)).await;
        let (_, in_doubt) = shared.lanes.is_busy(place);
        let vouched = listed && (!in_doubt || upstream.is_up().await);
        shared.lanes.set_vouched(place, vouched);
        let pause = if listed && !in_doubt {
            LIST_INTERVAL
        } else {
            DOUBT_INTERVAL
        };
        tokio::select! {
            biased;
            () = doubted.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Reads the gauges of one upstream while it works for us, until the engine ends.
pub(crate) async fn watch_gauges(shared: Arc<Shared>, place: usize, upstream: Arc<dyn Upstream>) {
    loop {
        let (is_busy, _) = shared.lanes.is_busy(place);
        let mut pause = GAUGES_INTERVAL;
        if is_busy {
            if let Some(gauges) = upstream.gauges().await {
                send::launch(&shared, shared.lanes.set_gauges(place, gauges));
            } else {
                shared.lanes.lost_gauges(place);
                pause = NO_GAUGES_INTERVAL;
            }
        }
        tokio::time::sleep(pause).await;
    }
}
