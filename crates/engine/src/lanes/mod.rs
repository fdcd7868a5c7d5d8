//! Which line goes next, and where: one lane a model, and places at the upstreams that serve it.
//!
//! ```text
//! feed ──► queue of a batch ─┐
//! feed ──► queue of a batch ─┼─► lane (turns) ─► place at an upstream (limit, health) ─► flight
//!          due retries ──────┘                        ▲                                   │
//!                                                     └────────── lands ──────────────────┘
//! ```
//!
//! Everything is behind one lock that is held for a few hundred nanoseconds and never across a wait. Whatever may
//! make a line sendable (a line was fed, a permit came free, a pause is over, an upstream came back)
//! calls into here and is answered with the flights that may start now, so no line waits for a timer.

mod alarm;
mod pick;
mod place;
mod queue;
mod report;
pub(crate) mod verdict;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overnight_core::attempt::{AttemptRules, Sent};
use overnight_core::id::ProjectId;
use overnight_core::input::Catalog;
use overnight_core::limit::Round;
use overnight_core::share::Turns;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::alarm::Alarm;
use self::pick::settler;
use self::place::{Place, Serves};
use self::queue::{Counts, Queue};
use crate::engine::UpstreamPart;
use crate::line::Line;
use crate::run::{Run, RunKey};
use crate::shared::lock;
use crate::upstream::{Gauges, ModelList, Upstream};

/// A line that may go out now, with the permit to do so.
pub(crate) struct Flight {
    /// The line.
    pub(crate) line: Line,
    /// Whose it is.
    pub(crate) run: Arc<Run>,
    /// The model that it names.
    pub(crate) model: Arc<str>,
    /// Where it goes.
    pub(crate) upstream: Arc<dyn Upstream>,
    /// Which one that is.
    pub(crate) place: usize,
    lane: usize,
    sent: Sent,
    round: Round,
    /// Whether nothing else may be in flight at the place.
    alone: bool,
    /// Whether a loss tells something of the line then: the upstream is surely well.
    tells: bool,
    /// Whether it was sent to find out how the upstream is doing.
    is_probe: bool,
    tokens_estimated: f64,
}

/// All lanes and all places.
pub(crate) struct Lanes {
    state: Mutex<State>,
    rules: AttemptRules,
    began: Instant,
    /// Notified when something is due earlier than it was.
    sooner: Arc<Notify>,
}

struct State {
    places: Vec<Place>,
    lanes: Vec<Lane>,
    by_model: HashMap<Arc<str>, usize>,
    alarm: Alarm,
}

/// The lines of one model.
struct Lane {
    model: Arc<str>,
    turns: Turns<ProjectId, RunKey>,
    /// By age, so that what goes over all of them does so in one order.
    queues: BTreeMap<RunKey, Queue>,
    /// Over all queues.
    counts: Counts,
    /// Since when no upstream serves the model; `None` while one does.
    unserved_since: Option<Duration>,
    /// Whether every upstream has said since then that it does not.
    refused: bool,
}

impl Lane {
    fn new(model: Arc<str>) -> Self {
        Self {
            model,
            turns: Turns::default(),
            queues: BTreeMap::new(),
            counts: Counts::default(),
            unserved_since: None,
            refused: false,
        }
    }

    /// Lets the queue take turns if it has something to send, and only then. For a queue that may
    /// have become ready; one that a line was taken from needs [`Self::leave_turns`] alone.
    fn update_turn(&mut self, key: RunKey) {
        let Some(queue) = self.queues.get(&key) else {
            return;
        };
        if queue.is_ready() {
            self.turns.add(queue.run.project(), key);
        } else {
            self.turns.remove(queue.run.project(), key);
        }
    }

    /// Takes the queue out of the turns if it has nothing to send any more.
    fn leave_turns(&mut self, key: RunKey) {
        if let Some(queue) = self.queues.get(&key)
            && !queue.is_ready()
        {
            self.turns.remove(queue.run.project(), key);
        }
    }

    /// Whether lines wait here that never failed.
    fn has_fresh(&self) -> bool {
        self.queues.values().any(Queue::has_fresh_or_more)
    }
}

impl Lanes {
    pub(crate) fn new(upstreams: Vec<UpstreamPart>, rules: AttemptRules) -> Self {
        let places = upstreams.into_iter().map(Place::new).collect();
        let state = State {
            places,
            lanes: Vec::new(),
            by_model: HashMap::new(),
            alarm: Alarm::default(),
        };
        Self {
            sooner: Arc::clone(&state.alarm.sooner),
            state: Mutex::new(state),
            rules,
            began: Instant::now(),
        }
    }

    /// The engine's own clock, which never jumps.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Gives a batch a queue in a model's lane. The answer is notified when the queue runs low.
    pub(crate) fn open(&self, run: &Arc<Run>, model: &Arc<str>) -> Arc<Notify> {
        let now = self.now();
        let mut state = lock(&self.state);
        let index = state.lane_index(model, now);
        let State { places, lanes, .. } = &mut *state;
        let Some(lane) = lanes.get_mut(index) else {
            return Arc::default();
        };
        if lane.unserved_since.is_some() {
            for place in places.iter() {
                place.doubted.notify_one();
            }
        }
        let queue = lane
            .queues
            .entry(run.key())
            .or_insert_with(|| Queue::new(Arc::clone(run)));
        Arc::clone(&queue.hungry)
    }

    /// Puts lines behind those that wait already. Answers what may start now.
    pub(crate) fn feed(&self, key: RunKey, model: &Arc<str>, lines: Vec<Line>) -> Vec<Flight> {
        let now = self.now();
        let mut state = lock(&self.state);
        let Some(index) = state.by_model.get(model).copied() else {
            return Vec::new();
        };
        let Some(lane) = state.lanes.get_mut(index) else {
            return Vec::new();
        };
        let Some(queue) = lane.queues.get_mut(&key) else {
            return Vec::new();
        };
        queue.feed(lines);
        lane.update_turn(key);
        let mut flights = Vec::new();
        state.fill_lane(index, now, &mut flights);
        flights
    }

    /// Whether the queue has enough lines for now.
    pub(crate) fn is_fed(&self, key: RunKey, model: &Arc<str>, bytes: usize) -> bool {
        let state = lock(&self.state);
        let lane = state
            .by_model
            .get(model)
            .and_then(|index| state.lanes.get(*index));
        let queue = lane.and_then(|lane| lane.queues.get(&key));
        queue.is_none_or(|queue| !queue.is_low(bytes))
    }

    /// No more lines of the batch come in this lane.
    pub(crate) fn end_feed(&self, key: RunKey, model: &Arc<str>) {
        let mut state = lock(&self.state);
        let index = state.by_model.get(model).copied();
        let lane = index.and_then(|index| state.lanes.get_mut(index));
        if let Some(queue) = lane.and_then(|lane| lane.queues.get_mut(&key)) {
            queue.is_fed = true;
        }
    }

    /// Nothing more of the batch is sent. What waits is dropped; what is in flight goes on.
    pub(crate) fn close(&self, key: RunKey) {
        let mut state = lock(&self.state);
        for lane in &mut state.lanes {
            if let Some(queue) = lane.queues.remove(&key) {
                lane.turns.remove(queue.run.project(), key);
                lane.counts.change(queue.counts(), Counts::default());
                queue.hungry.notify_one();
            }
        }
        // An upstream may be falling idle for one of its lines.
        let now = self.now();
        state.alarm.ring_by(now);
    }

    /// Brings the batch's queues in line with whether it is paused: nothing goes out of those of a
    /// paused one, and what is in flight goes on. Answers what may start now.
    pub(crate) fn set_paused(&self, key: RunKey) -> Vec<Flight> {
        let now = self.now();
        let mut state = lock(&self.state);
        let mut flights = Vec::new();
        for index in 0..state.lanes.len() {
            let Some(lane) = state.lanes.get_mut(index) else {
                break;
            };
            let Some(queue) = lane.queues.get_mut(&key) else {
                continue;
            };
            let before = queue.counts();
            queue.update_pause();
            lane.counts.change(before, queue.counts());
            lane.update_turn(key);
            state.fill_lane(index, now, &mut flights);
        }
        flights
    }

    /// Whether a batch still has a queue anywhere.
    pub(crate) fn is_open(&self, key: RunKey) -> bool {
        lock(&self.state)
            .lanes
            .iter()
            .any(|lane| lane.queues.contains_key(&key))
    }

    /// Puts a flight's line back before it was sent, for that long, and gives its permit back.
    pub(crate) fn defer(&self, flight: Flight, pause: Duration) {
        let now = self.now();
        let mut state = lock(&self.state);
        state.give_back(&flight, None, now);
        state.put_back(flight.lane, &flight.run, (flight.line, now + pause), now);
    }

    /// Adds what may start after a flight came back from a place: there, and for its line anywhere, if that
    /// was kept.
    pub(crate) fn refill(&self, place: usize, kept: Option<usize>, flights: &mut Vec<Flight>) {
        let now = self.now();
        let mut state = lock(&self.state);
        if let Some(lane) = kept {
            state.fill_lane(lane, now, flights);
        }
        state.fill_place(place, now, flights);
    }

    /// Lets everything happen that is due by now. Answers what may start, and when to come again.
    pub(crate) fn tick(&self) -> (Vec<Flight>, Option<Duration>) {
        let now = self.now();
        let mut state = lock(&self.state);
        let State { places, lanes, .. } = &mut *state;
        for (index, lane) in lanes.iter_mut().enumerate() {
            // Whoever may have taken an upstream down runs alone.
            let settle = settler(places, index);
            let counts = &mut lane.counts;
            let promote = |(key, queue): (&RunKey, &mut Queue)| {
                let before = queue.counts();
                let any = queue.promote(now, &settle);
                counts.change(before, queue.counts());
                any.then_some(*key)
            };
            let keys: Vec<RunKey> = lane.queues.iter_mut().filter_map(promote).collect();
            for key in keys {
                lane.update_turn(key);
            }
        }
        let mut flights = Vec::new();
        for lane in 0..state.lanes.len() {
            state.fill_lane(lane, now, &mut flights);
        }
        let next = state.next_due(now);
        state.alarm.set(next);
        (flights, next)
    }

    /// Waits until something became due earlier than [`Self::tick`] said.
    pub(crate) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    /// Notified when an upstream came into doubt, or a lane was opened that none serves.
    pub(crate) fn doubted(&self, place: usize) -> Arc<Notify> {
        let state = lock(&self.state);
        state
            .places
            .get(place)
            .map(|place| Arc::clone(&place.doubted))
            .unwrap_or_default()
    }

    /// How many queues there are over all lanes.
    pub(crate) fn open_queues(&self) -> usize {
        lock(&self.state)
            .lanes
            .iter()
            .map(|lane| lane.queues.len())
            .sum()
    }

    /// An upstream shows no gauges any more.
    pub(crate) fn lost_gauges(&self, place: usize) {
        if let Some(place) = lock(&self.state).places.get_mut(place) {
            place.limiter.lost_gauges();
        }
    }

    /// The upstreams that were never asked for their list.
    pub(crate) fn never_asked(&self) -> Vec<usize> {
        let state = lock(&self.state);
        let asked = |place: &Place| place.was_asked();
        (0..)
            .zip(&state.places)
            .filter(|(_, place)| !asked(place))
            .map(|(index, _)| index)
            .collect()
    }

    /// Batches at risk of missing their deadline get every second turn, the soonest deadline before others.
    pub(crate) fn set_urgent(&self, urgent: &[(u64, RunKey)]) {
        let mut state = lock(&self.state);
        for lane in &mut state.lanes {
            let here = urgent
                .iter()
                .filter(|(_, key)| lane.queues.contains_key(key));
            let here = here.copied().collect();
            lane.turns.set_urgent(here);
        }
    }

    // === What the watch learns ===

    /// What an upstream's list of models says, or why it could not be had. Answers what may start now.
    pub(crate) fn set_models(&self, place: usize, list: Result<ModelList, String>) -> Vec<Flight> {
        let now = self.now();
        let mut state = lock(&self.state);
        if let Some(place) = state.places.get_mut(place) {
            place.set_models(list, now);
        }
        state.update_serving(now);
        let mut flights = Vec::new();
        state.fill_place(place, now, &mut flights);
        flights
    }

    /// Whether an upstream's health and list are fine.
    pub(crate) fn set_vouched(&self, place: usize, vouched: bool) {
        if let Some(place) = lock(&self.state).places.get_mut(place) {
            place.vouched = vouched;
        }
    }

    /// What an upstream's gauges say. Answers what may start now.
    pub(crate) fn set_gauges(&self, place: usize, gauges: Gauges) -> Vec<Flight> {
        let now = self.now();
        let mut state = lock(&self.state);
        if let Some(place) = state.places.get_mut(place) {
            let Gauges { running, waiting } = gauges;
            place.limiter.gauges(running, waiting, place.in_flight);
        }
        let mut flights = Vec::new();
        state.fill_place(place, now, &mut flights);
        flights
    }

    /// The upstreams, each with its number.
    pub(crate) fn upstreams(&self) -> Vec<(usize, Arc<dyn Upstream>)> {
        let state = lock(&self.state);
        state
            .places
            .iter()
            .map(|place| Arc::clone(&place.upstream))
            .enumerate()
            .collect()
    }

    /// Whether an upstream has requests in flight, and whether it is in doubt or parked.
    pub(crate) fn is_busy(&self, place: usize) -> (bool, bool) {
        let state = lock(&self.state);
        state.places.get(place).map_or((false, false), |place| {
            (place.in_flight > 0, place.is_in_doubt(&state.lanes))
        })
    }

    /// Which models lines may name.
    pub(crate) fn catalog(&self) -> Catalog {
        let state = lock(&self.state);
        let mut known = std::collections::BTreeSet::new();
        for place in &state.places {
            match &place.serves {
                Serves::Listed(models) if place.list_error.is_none() => {
                    known.extend(models.iter().map(|model| model.id.as_str().into()));
                }
                Serves::Listed(_) | Serves::Any | Serves::Unknown => return Catalog::Any,
            }
        }
        Catalog::Known(known)
    }

    /// Takes the lines of models that every upstream has said not to serve.
    pub(crate) fn take_refused(&self) -> Vec<(Arc<Run>, Line, Arc<str>)> {
        let mut state = lock(&self.state);
        let mut taken = Vec::new();
        for lane in state.lanes.iter_mut().filter(|lane| lane.refused) {
            let model = Arc::clone(&lane.model);
            for queue in lane.queues.values_mut() {
                let run = Arc::clone(&queue.run);
                let lines = queue.take_all();
                taken.extend(
                    lines
                        .into_iter()
                        .map(|line| (Arc::clone(&run), line, Arc::clone(&model))),
                );
            }
            lane.counts = Counts::default();
            for key in lane.queues.keys().copied().collect::<Vec<_>>() {
                lane.update_turn(key);
            }
        }
        taken
    }
}

impl State {
    fn lane_index(&mut self, model: &Arc<str>, now: Duration) -> usize {
        if let Some(index) = self.by_model.get(model) {
            return *index;
        }
        let index = self.lanes.len();
        self.lanes.push(Lane::new(Arc::clone(model)));
        self.by_model.insert(Arc::clone(model), index);
        self.update_serving(now);
        index
    }

    /// Brings what each place serves, and what each lane is served by, in line with the lists.
    fn update_serving(&mut self, now: Duration) {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let mut served = false;
            for place in &mut self.places {
                let serves = place.serves(&lane.model);
                place.set_lane(index, serves);
                served |= serves;
            }
            if served {
                lane.unserved_since = None;
                lane.refused = false;
                continue;
            }
            let since = *lane.unserved_since.get_or_insert(now);
            lane.refused = self
                .places
                .iter()
                .all(|place| place.has_listed_since(since));
        }
    }
}
