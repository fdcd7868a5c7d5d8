//! Choosing the next line for a place.

use std::sync::Arc;
use std::time::Duration;

use overnight_core::attempt::{Health, Trial};

use super::place::Place;
use super::queue::{Queue, Want};
use super::{Flight, Lane, State};
use crate::line::Line;
use crate::run::Run;

/// Bytes of a request body a token has, about; corrected when the answer says how many there were.
const BYTES_PER_TOKEN: f64 = 4.0;

/// A lane holds so many retries for each request that its upstreams may have in flight; when there are
/// more, a batch that has its share of them sends fresh lines more seldom: bad lines that are left when all
/// good ones are done take long, with nothing to compare them with.
const RETRIES_PER_PERMIT: usize = 2;

/// So many retries more a lane may hold, its batches together, for fresh lines that are sent all the same,
/// to compare the others with. A retry that waits takes some 200 bytes.
const COMPARED_MAX: usize = 10_000;

/// A batch may have so many of them however many batches there are.
const COMPARED_MIN: usize = 64;

/// So many retries go between two fresh lines of a batch while both wait.
const RETRIES_BETWEEN: u32 = 1;

/// The same when there are more retries than there should be. Were no fresh line sent at all, bad ones would
/// be tried in turn for ever, and never be compared with a good one.
const RETRIES_BETWEEN_MANY: u32 = 8;

/// A line that waits to run alone waits no longer than this for its upstream to fall idle by itself.
const SUSPECT_PATIENCE: Duration = Duration::from_mins(1);

impl State {
    /// Sends what a lane has to the least loaded of its places, until nothing more may go out.
    pub(super) fn fill_lane(&mut self, lane: usize, now: Duration, flights: &mut Vec<Flight>) {
        loop {
            let open = |(index, place): (usize, &mut Place)| {
                let serves = place.lanes.contains(&lane);
                let well = place.is_well(lane);
                (serves && place.is_open(now)).then(|| (index, !well, place.load()))
            };
            let mut places: Vec<(usize, bool, f64)> = self
                .places
                .iter_mut()
                .enumerate()
                .filter_map(open)
                .collect();
            // Those that are well come first, then those with the most room.
            places.sort_by(|one, other| one.1.cmp(&other.1).then(one.2.total_cmp(&other.2)));
            let next = places
                .into_iter()
                .find_map(|(place, ..)| self.pick(place, now));
            match next {
                Some(flight) => flights.push(flight),
                None => break,
            }
        }
        for place in 0..self.places.len() {
            self.set_alarm(place, now);
        }
    }

    /// Sends to a place until nothing more may go out.
    pub(super) fn fill_place(&mut self, place: usize, now: Duration, flights: &mut Vec<Flight>) {
        flights.extend(std::iter::from_fn(|| self.pick(place, now)));
        self.set_alarm(place, now);
    }

    /// Makes the timer come when lines wait for a place that only time opens. A full place is looked
    /// at again when one of its requests lands.
    fn set_alarm(&mut self, place: usize, now: Duration) {
        let Some(place) = self.places.get_mut(place) else {
            return;
        };
        if place.in_flight < place.limiter.limit()
            && place.is_waited_for(&self.lanes)
            && let Some(due) = place.opens_at(now)
        {
            self.alarm.ring_by(due);
        }
    }

    /// Takes the line whose turn it is at a place, with a permit.
    fn pick(&mut self, place_index: usize, now: Duration) -> Option<Flight> {
        let retries_max = self.retries_max();
        let State { places, lanes, .. } = self;
        let place = places.get_mut(place_index)?;
        if !place.is_open(now) {
            return None;
        }
        let is_idle = place.in_flight == 0;
        for turn in 0..place.lanes.len() {
            let place = places.get_mut(place_index)?;
            let index = *place.lanes.get(turn)?;
            let lane = lanes.get_mut(index)?;
            if lane.turns.is_empty() {
                continue;
            }
            let Some(is_probe) = place.posts.get(&index).and_then(|post| post.opening(now)) else {
                continue;
            };
            // What an upstream in doubt is asked with tells most when it is fresh.
            let waits = !is_probe && lane.suspect_waits(now);
            let suspect_waits = place.falls_idle(waits, now);
            if suspect_waits && !is_idle {
                return None;
            }
            let chance = Chance {
                is_probe,
                is_idle,
                suspect_waits,
            };
            let turns = Turn::of(lane, is_probe, retries_max);
            let Some((run, line)) = lane.choose(chance, turns, now, &settler(places, index)) else {
                continue;
            };
            // The next look begins behind this lane, so that lanes at one upstream take turns.
            places.get_mut(place_index)?.lanes.rotate_left(turn + 1);
            return self.board(place_index, index, (run, line), now);
        }
        None
    }

    /// Takes the permit.
    fn board(
        &mut self,
        place_index: usize,
        lane: usize,
        (run, line): (Arc<Run>, Line),
        now: Duration,
    ) -> Option<Flight> {
        let place = self.places.get_mut(place_index)?;
        let post = place.posts.get_mut(&lane)?;
        let alone = line.is_suspect();
        let is_probe = post.standing.health() != Health::Well;
        let is_sure = post.standing.is_sure();
        place.in_flight += 1;
        post.in_flight += 1;
        place.is_exclusive = alone;
        if alone {
            // Others that fall idle for it need not any more.
            self.alarm.ring_by(now);
        }
        let tokens_estimated = f64::from(line.entry.body_len) / BYTES_PER_TOKEN;
        if let Some(rpm) = &mut place.rpm {
            rpm.take(1.0, now);
        }
        if let Some(tpm) = &mut place.tpm {
            tpm.take(tokens_estimated, now);
        }
        run.departed();
        Some(Flight {
            sent: post.standing.send(),
            round: place.limiter.sent(place.in_flight, now),
            upstream: Arc::clone(&place.upstream),
            model: Arc::clone(&self.lanes.get(lane)?.model),
            place: place_index,
            line,
            run,
            lane,
            alone,
            tells: alone && is_sure,
            is_probe,
            tokens_estimated,
        })
    }

    /// How many retries a lane may hold before fresh lines have to wait.
    fn retries_max(&self) -> usize {
        let permits: usize = self
            .places
            .iter()
            .map(|place| usize::try_from(place.limiter.limit()).unwrap_or(usize::MAX))
            .fold(0, usize::saturating_add);
        permits.saturating_mul(RETRIES_PER_PERMIT)
    }

    /// When something is due that no event will bring: a retry, a probe, the end of a pause.
    pub(super) fn next_due(&mut self, now: Duration) -> Option<Duration> {
        let retries = self
            .lanes
            .iter()
            .flat_map(|lane| lane.queues.values().filter_map(Queue::next_due))
            .min();
        let mut soonest = retries;
        for place in &mut self.places {
            if place.is_waited_for(&self.lanes)
                && let Some(due) = place.opens_at(now)
            {
                soonest = Some(soonest.map_or(due, |soonest| soonest.min(due)));
            }
        }
        soonest
    }
}

/// Settles what a line of the lane went through.
pub(super) fn settler(places: &[Place], lane: usize) -> impl Fn(&mut Trial) {
    move |trial| {
        trial.settle(|place| Some(&places.get(place)?.posts.get(&lane)?.standing));
    }
}

/// What a place has to offer.
#[derive(Clone, Copy)]
struct Chance {
    /// Whether what is sent is a probe.
    is_probe: bool,
    /// Whether nothing is in flight.
    is_idle: bool,
    /// Whether it fell idle for a line that must run alone.
    suspect_waits: bool,
}

/// What decides which line goes next in a lane.
#[derive(Clone, Copy)]
struct Turn {
    is_probe: bool,
    /// Whether more retries wait than there should be.
    is_over: bool,
    /// How many of them each batch may have while there are too many.
    share: usize,
    /// How many each may have at all, but for some of the probes.
    most: usize,
}

impl Turn {
    fn of(lane: &Lane, is_probe: bool, retries_max: usize) -> Self {
        let batches = lane.queues.len().max(1);
        let share = (retries_max / batches).max(1);
        Self {
            is_probe,
            is_over: lane.counts.retries >= retries_max,
            share,
            most: share.saturating_add((COMPARED_MAX / batches).max(COMPARED_MIN)),
        }
    }

    /// What the batch of that queue may send: not the bad lines of another are held against it.
    fn want(self, queue: &Queue) -> Want {
        let retries = queue.counts().retries;
        let is_over = self.is_over && retries >= self.share;
        let has_room = retries < self.most;
        let between = if is_over {
            RETRIES_BETWEEN_MANY
        } else {
            RETRIES_BETWEEN
        };
        // Probes are few, so that some of them may be fresh however many retries wait.
        let is_due = queue.retries_in_a_row() >= between;
        if (has_room && (is_due || self.is_probe)) || (is_due && self.is_probe) {
            Want::Fresh
        } else if is_over {
            Want::Retry
        } else {
            Want::Any
        }
    }

    /// What it may send to an upstream in doubt before any batch sends a retry there.
    fn probe(self, queue: &Queue) -> Want {
        match self.want(queue) {
            Want::Fresh => Want::OnlyFresh,
            want @ (Want::Any | Want::Retry | Want::OnlyFresh | Want::Suspect) => want,
        }
    }
}

impl Lane {
    /// Takes the line that makes the most of a chance.
    fn choose(
        &mut self,
        chance: Chance,
        turn: Turn,
        now: Duration,
        settle: &impl Fn(&mut Trial),
    ) -> Option<(Arc<Run>, Line)> {
        let taken = if chance.suspect_waits {
            None
        } else if chance.is_probe {
            // A fresh line of any batch tells more than a retry of the one whose turn it is.
            self.take(now, settle, |queue| turn.probe(queue))
                .or_else(|| self.take(now, settle, |queue| turn.want(queue)))
        } else {
            self.take(now, settle, |queue| turn.want(queue))
        };
        // When there is nothing else, one that must run alone goes.
        let may_be_suspect = chance.is_idle && self.counts.suspects > 0;
        taken.or_else(|| may_be_suspect.then(|| self.take(now, settle, |_| Want::Suspect))?)
    }

    /// Takes a line of the first batch in turn that has one of the kind that is wanted of it. A retry goes
    /// only once `settle` has settled what it went through.
    fn take(
        &mut self,
        now: Duration,
        settle: &impl Fn(&mut Trial),
        want: impl Fn(&Queue) -> Want,
    ) -> Option<(Arc<Run>, Line)> {
        let Self {
            turns,
            queues,
            counts,
            ..
        } = self;
        let (key, run, line) = turns.serve(|key| {
            let queue = queues.get_mut(&key)?;
            let before = queue.counts();
            let taken = queue.take(want(queue), now, settle);
            // Also when none was taken, some may have become suspects.
            counts.change(before, queue.counts());
            Some((key, Arc::clone(&queue.run), taken?))
        })?;
        self.leave_turns(key);
        Some((run, line))
    }

    /// Whether a line has waited to run alone for so long that a place must fall idle for it.
    fn suspect_waits(&self, now: Duration) -> bool {
        // The common case first: this is asked for every line.
        self.counts.suspects > 0
            && self
                .queues
                .values()
                .filter_map(Queue::suspect_since)
                .any(|since| now.saturating_sub(since) >= SUSPECT_PATIENCE)
    }
}
