//! What a flight's reply means: for its place, for the model there, and for its line.

use std::sync::Arc;
use std::time::Duration;

use overnight_core::attempt::{
    Blame, Circumstances, Failure, Health, Lone, Reply, Standing, Suspicion, Verdict, judge,
    timed_out,
};

use super::pick::settler;
use super::{Flight, Lanes, State};
use crate::line::Line;
use crate::planted::{Plant, in_backoff, is_planted};
use crate::run::Run;
use crate::shared::lock;

/// What became of a flight's line.
pub(crate) enum Landed {
    /// The reply is its outcome.
    Final(Line),
    /// It waits for another attempt, or its batch does not run any more.
    Kept {
        /// Its lane.
        lane: usize,
    },
}

impl Lanes {
    /// A flight came back with a reply that took `tokens`. Gives its permit back and judges it.
    /// `detail` says more about a missing answer; `jitter` is between 0 and 1.
    pub(crate) fn land(&self, flight: Flight, news: &News<'_>) -> (Arc<Run>, Landed) {
        let now = self.now();
        let mut state = lock(&self.state);
        state.give_back(&flight, news.tokens, now);
        let mut flight = flight;
        let blame = match &mut flight.line.trial {
            Some(trial) => trial.blame(news.reply),
            None => Blame::of(news.reply),
        };
        let suspicion = state.learn(&flight, blame, news, now);
        let Flight {
            mut line,
            run,
            lane,
            place,
            ..
        } = flight;
        let alone = flight.tells;
        let verdict = match blame {
            Blame::Nobody | Blame::Line => Verdict::Final,
            Blame::Overload { .. }
            | Blame::Unreachable
            | Blame::Connection
            | Blame::Ours
            | Blame::Doubt { .. } => {
                let circumstances = state.circumstances(place, lane, alone, now);
                let trial = line.trial_mut();
                settler(&state.places, lane)(trial);
                judge(blame, trial, &circumstances, &self.rules)
            }
        };
        if alone && matches!(blame, Blame::Doubt { lost: true, .. }) {
            state.doubt(place, lane);
        }
        let due = match verdict {
            Verdict::Final => return (run, Landed::Final(line)),
            Verdict::Fatal => {
                state.acquit_others(lane);
                return (run, Landed::Final(line));
            }
            Verdict::Again => now,
            Verdict::Retry { backoff } => now + backoff.mul_f64(news.jitter),
        };
        line.trial_mut().attempted();
        if let Some(suspicion) = suspicion {
            line.trial_mut().suspect(place, suspicion, blame, alone);
        }
        state.put_back(lane, &run, (line, due), now);
        (run, Landed::Kept { lane })
    }

    /// A flight was ended by its batch before it had an outcome. Gives its permit back.
    pub(crate) fn abandon(&self, flight: &Flight) {
        lock(&self.state).give_back(flight, None, self.now());
    }
}

/// What a flight brings back.
pub(crate) struct News<'a> {
    /// The reply.
    pub(crate) reply: &'a Reply,
    /// The tokens that it took, if it said so.
    pub(crate) tokens: Option<u64>,
    /// Why there was no answer, in more detail.
    pub(crate) detail: Option<&'a str>,
    /// Between 0 and 1: where in its span a pause ends.
    pub(crate) jitter: f64,
}

impl State {
    pub(super) fn give_back(&mut self, flight: &Flight, tokens: Option<u64>, now: Duration) {
        let Some(place) = self.places.get_mut(flight.place) else {
            return;
        };
        place.in_flight = place.in_flight.saturating_sub(1);
        if flight.alone {
            place.is_exclusive = false;
            place.was_idle(now);
        }
        if let Some(post) = place.posts.get_mut(&flight.lane) {
            post.in_flight = post.in_flight.saturating_sub(1);
        }
        if let (Some(tpm), Some(tokens)) = (&mut place.tpm, tokens) {
            // Token counts are far below 2^53.
            #[expect(clippy::cast_precision_loss, reason = "see above")]
            tpm.correct(flight.tokens_estimated, tokens as f64);
        }
    }

    /// Tells the limiter and the standing what happened. Answers the suspicion that it raises.
    fn learn(
        &mut self,
        flight: &Flight,
        blame: Blame,
        news: &News<'_>,
        now: Duration,
    ) -> Option<Suspicion> {
        let News { reply, detail, .. } = *news;
        let place = self.places.get_mut(flight.place)?;
        let was_well = place.is_well(flight.lane);
        // The flight was counted until just before.
        let in_flight = place.in_flight + 1;
        let post = place.posts.get_mut(&flight.lane)?;
        let mut suspicion = None;
        match blame {
            Blame::Nobody | Blame::Line => {
                place.limiter.answered(flight.round, now);
                if post.standing.answered(flight.sent) {
                    place.limiter.interrupted(now);
                    tracing::info!(upstream.name = place.name, "upstream answers again");
                }
                return None;
            }
            Blame::Overload { retry_after } => {
                place
                    .limiter
                    .refused(flight.round, in_flight, retry_after, now);
            }
            Blame::Unreachable => {
                let others = place.in_flight > 0;
                for post in place.posts.values_mut() {
                    post.standing.unreachable(flight.is_probe, others);
                    post.schedule_probe(false, news.jitter, now);
                }
            }
            Blame::Connection | Blame::Ours => return None,
            Blame::Doubt { failures_max, lost } => {
                if timed_out(reply) {
                    place.limiter.timed_out(flight.round, in_flight, now);
                } else {
                    place.limiter.answered(flight.round, now);
                }
                let failure = Failure::of(failures_max, lost);
                let failed = post
                    .standing
                    .failed(failure, flight.is_probe, post.in_flight + 1);
                suspicion = Some(failed);
                post.schedule_probe(place.vouched, news.jitter, now);
            }
        }
        if was_well && !place.is_well(flight.lane) {
            // What was known of its health is from before.
            place.vouched = false;
            place.doubted.notify_one();
        }
        let why = describe(reply, detail);
        for (lane, post) in &mut place.posts {
            if *lane == flight.lane || post.standing.health() != Health::Well {
                if post.why != why && post.standing.health() != Health::Well {
                    tracing::warn!(
                        upstream.name = place.name,
                        reason = why,
                        "upstream in doubt"
                    );
                }
                post.why.clone_from(&why);
            }
        }
        suspicion
    }

    /// A connection was lost over a line that ran alone: what is sent next must not be taken for its
    /// like while the upstream is down.
    fn doubt(&mut self, place: usize, lane: usize) {
        let Some(place) = self.places.get_mut(place) else {
            return;
        };
        if let Some(post) = place.posts.get_mut(&lane) {
            post.standing.doubt();
            place.vouched = false;
            place.doubted.notify_one();
        }
    }

    fn circumstances(
        &self,
        place: usize,
        lane: usize,
        alone: bool,
        now: Duration,
    ) -> Circumstances {
        let has_company = self.lanes.get(lane).is_some_and(super::Lane::has_fresh);
        let place = self.places.get(place);
        let standing = place
            .and_then(|place| place.posts.get(&lane))
            .map(|post| &post.standing);
        let lone = Lone {
            ever_good: standing.is_some_and(Standing::ever_good),
        };
        Circumstances {
            health: standing.map_or(Health::Parked, Standing::health),
            alone,
            vouched: place.is_some_and(|place| place.vouched),
            lone: (!has_company).then_some(lone),
            now,
        }
    }

    /// The line that kills the upstream was found: those that were only near it need not run alone.
    fn acquit_others(&mut self, lane: usize) {
        let Some(lane) = self.lanes.get_mut(lane) else {
            return;
        };
        for queue in lane.queues.values_mut() {
            let before = queue.counts();
            queue.acquit();
            lane.counts.change(before, queue.counts());
        }
    }

    /// Lets the line wait again, unless its batch sends nothing any more.
    pub(super) fn put_back(
        &mut self,
        lane: usize,
        run: &Run,
        (line, due): (Line, Duration),
        now: Duration,
    ) {
        let Some(lane) = self.lanes.get_mut(lane) else {
            return;
        };
        let Some(queue) = lane.queues.get_mut(&run.key()) else {
            return;
        };
        let before = queue.counts();
        if due > now {
            if is_planted(Plant::DroppedRetry) {
                return;
            }
            in_backoff(run.key(), line.entry.line);
            queue.later(line, due);
            self.alarm.ring_by(due);
        } else {
            queue.again(line, now);
        }
        lane.counts.change(before, queue.counts());
        lane.update_turn(run.key());
    }
}

/// The rest of a sentence that begins with the upstream's name. Holds no body.
fn describe(reply: &Reply, detail: Option<&str>) -> String {
    match reply {
        Reply::Answered { status, .. } if (200..300).contains(status) => {
            let detail = detail.map_or_else(String::new, |detail| format!(" ({detail})"));
            format!("answered with something that is not JSON{detail}")
        }
        Reply::Answered { status, .. } => format!("answered with status {status}"),
        Reply::NoAnswer(why) => match detail {
            Some(detail) => format!("{why} ({detail})"),
            None => why.to_string(),
        },
    }
}
