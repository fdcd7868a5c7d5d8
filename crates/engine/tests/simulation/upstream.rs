//! Upstreams that are well, slow, broken or away, as the seed has it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use overnight_core::attempt::{Blame, NoAnswer, Reply};
use overnight_core::usage::Usage;
use overnight_engine::upstream::answer::{AnswerBudget, AnswerLimits};
use overnight_engine::upstream::scripted::{Answer, Script, ScriptedUpstream, Step};
use overnight_engine::upstream::{
    AnswerBody, Call, CallBody, Gauges, ModelList, Received, Timeouts, Upstream,
};
use overnight_store::blocking::Blocking;
use overnight_store::faulty::Fault;
use overnight_store::status::ServedModel;

use crate::story::{Kind, MODELS, Trouble};
use crate::world::{LineName, World};

/// Answers hold so many bytes in memory; others go on in files.
const ANSWER_MEMORY_BYTES: u64 = 256 << 10;

/// An upstream as the engine meets it: each call is counted and noted, and may go wrong.
pub(crate) struct UpstreamSeam {
    world: Arc<World>,
    number: usize,
    inner: ScriptedUpstream,
}

impl UpstreamSeam {
    pub(crate) fn new(world: &Arc<World>, number: usize) -> Self {
        let timeouts = Timeouts {
            connect: Duration::from_secs(2),
            head: Duration::from_secs(20),
            idle: Duration::from_secs(5),
        };
        let limits = AnswerLimits {
            memory_bytes: ANSWER_MEMORY_BYTES,
            blocking: Blocking::Inline,
            ..AnswerLimits::new(world.folder().to_owned())
        };
        let script = {
            let world = Arc::clone(world);
            Script::by(move |seen| step(&world, number, name_of(&seen.body)))
        };
        let inner = ScriptedUpstream::new(script, timeouts, AnswerBudget::new(limits));
        let models = world.story.upstreams[number].models.iter();
        let models = models.map(|model| ServedModel {
            id: MODELS[*model].to_owned(),
            created: None,
            owned_by: None,
        });
        inner.list_models(Ok(ModelList::Models(models.collect())));
        Self {
            world: Arc::clone(world),
            number,
            inner,
        }
    }

    /// Counts a call; what is to happen to it. Does not come back from one that hangs.
    async fn called(&self, verb: &'static str, name: Option<LineName>) -> Fault {
        let fault = {
            let mut state = self.world.state();
            let fault = state.strike(verb).unwrap_or(Fault::None);
            let number = self.number;
            state.note(|| format!("upstream {number}: {verb} {name:?} {fault:?}"));
            fault
        };
        if fault == Fault::Hang {
            std::future::pending::<()>().await;
        }
        fault
    }

    /// Waits for ever behind a call that was to be the last.
    async fn answered(&self, verb: &'static str, fault: Fault) {
        if fault == Fault::DoThenHang {
            self.world.state().happened(verb);
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Upstream for UpstreamSeam {
    async fn send(&self, call: Call) -> Received {
        let (body, name) = look_into(call.body).await;
        let fault = self.called("send", name).await;
        if fault == Fault::Fail {
            return lost();
        }
        let way = self.world.state().story.rng.millis(1..5);
        let flight = name.map(|name| InFlight::enter(&self.world, name));
        tokio::time::sleep(way).await;
        let received = self.inner.send(Call { body, ..call }).await;
        if let Some(flight) = flight {
            flight.land(&received.reply);
        }
        self.answered("send", fault).await;
        received
    }

    async fn models(&self) -> Result<ModelList, String> {
        let fault = self.called("models", None).await;
        if fault == Fault::Fail {
            return Err("it was made to fail".to_owned());
        }
        let list = self.inner.models().await;
        self.answered("models", fault).await;
        list
    }

    async fn gauges(&self) -> Option<Gauges> {
        self.inner.gauges().await
    }

    async fn is_up(&self) -> bool {
        self.inner.is_up().await
    }
}

fn lost() -> Received {
    Received {
        reply: Reply::NoAnswer(NoAnswer::Reset),
        body: AnswerBody::empty(),
        usage: Usage::default(),
        detail: None,
        request_id: None,
    }
}

/// Reads a body that is streamed, to learn whose it is.
async fn look_into(body: CallBody) -> (CallBody, Option<LineName>) {
    match body {
        CallBody::Held(bytes) => {
            let name = name_of(&bytes);
            (CallBody::Held(bytes), name)
        }
        CallBody::Streamed { length, pieces } => {
            let pieces: Vec<std::io::Result<Bytes>> = pieces.collect().await;
            let name = pieces.iter().flatten().find_map(|piece| name_of(piece));
            let pieces = stream::iter(pieces).boxed();
            (CallBody::Streamed { length, pieces }, name)
        }
    }
}

/// The line that a body is of: it says so between angle brackets.
pub(crate) fn name_of(body: &[u8]) -> Option<LineName> {
    let start = body.iter().position(|byte| *byte == b'<')? + 1;
    let end = start + body[start..].iter().position(|byte| *byte == b'>')?;
    let name = std::str::from_utf8(&body[start..end]).ok()?;
    let (batch, line) = name.split_once('-')?;
    Some((batch.parse().ok()?, line.parse().ok()?))
}

/// A line that is with an upstream, until it lands or is dropped.
struct InFlight {
    world: Arc<World>,
    name: LineName,
}

impl InFlight {
    fn enter(world: &Arc<World>, name: LineName) -> Self {
        let mut state = world.state();
        let (batch, line) = name;
        let fate = &mut state.batches[batch];
        let is_recorded = fate.recorded.contains(&line);
        let is_double = !fate.life.in_flight.insert(line);
        let in_flight = fate.life.in_flight.len() as u64;
        fate.life.in_flight_max = fate.life.in_flight_max.max(in_flight);
        if is_recorded {
            state.violated(format!("line {name:?} is sent though it is recorded"));
        }
        if is_double {
            state.violated(format!("line {name:?} is in flight twice"));
        }
        drop(state);
        Self {
            world: Arc::clone(world),
            name,
        }
    }

    fn land(self, reply: &Reply) {
        let (batch, line) = self.name;
        let mut state = self.world.state();
        state.note(|| format!("landed {:?}: {reply:?}", self.name));
        match Blame::of(reply) {
            Blame::Nobody | Blame::Line => {
                let life = &mut state.batches[batch].life;
                life.unrecorded.insert(line);
                life.since_flush += 1;
            }
            Blame::Doubt { .. } | Blame::Ours | Blame::Connection => {
                *state.doubts.entry(self.name).or_default() += 1;
            }
            Blame::Overload { .. } | Blame::Unreachable => {}
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let (batch, line) = self.name;
        self.world.state().batches[batch]
            .life
            .in_flight
            .remove(&line);
    }
}

/// What an upstream does with a request.
fn step(world: &World, number: usize, name: Option<LineName>) -> Step {
    let mut state = world.state();
    let Some(name) = name else {
        return Step::Reset;
    };
    let (now, is_quiet) = (state.now(), state.is_quiet());
    let story = &mut state.story;
    let kind = story.batches[name.0].lines[name.1 as usize - 1].kind;
    let upstream = &story.upstreams[number];
    let outage = upstream
        .outages
        .iter()
        .find(|(from, until, _)| (*from..*until).contains(&now))
        .map(|(_, _, trouble)| *trouble);
    let (faults, slowness) = (upstream.faults, upstream.slowness);
    let by_chance = story.rng.per_mille(faults);
    let trouble = outage.or_else(|| by_chance.then(|| story.rng.one_of(&crate::story::TROUBLES)));
    let after = story.rng.millis(0..slowness);
    match trouble.filter(|_| !is_quiet) {
        None => Step::Late {
            after,
            answer: answer(kind, name),
        },
        Some(trouble) => {
            let sent = usize::try_from(story.rng.within(1..60)).unwrap();
            troubled(trouble, answer(Kind::Good, name), sent, after)
        }
    }
}

fn troubled(trouble: Trouble, answer: Answer, sent: usize, after: Duration) -> Step {
    let refusal = |status: u16| Answer::new(status, r#"{"error":{"message":"no"}}"#);
    let late = |answer: Answer| Step::Late { after, answer };
    match trouble {
        Trouble::Refuses => Step::Refuse,
        Trouble::Resets => Step::Reset,
        Trouble::LosesIdle => Step::LoseIdle,
        Trouble::Cuts => Step::Cut { answer, sent },
        Trouble::Stalls => Step::Stall { answer, sent },
        Trouble::Silent => Step::Silent,
        Trouble::Overloaded => late(refusal(429).with_header("retry-after", "2")),
        Trouble::Unavailable => late(refusal(503)),
        Trouble::ServerError => late(refusal(500)),
        Trouble::Forbidden => late(refusal(401)),
        Trouble::Html => late(Answer::new(200, "<html>gateway</html>")),
    }
}

/// How a line is answered by an upstream that is well. It says whose answer it is, and what it took.
pub(crate) fn answer(kind: Kind, (batch, line): LineName) -> Answer {
    let padding = match kind {
        Kind::Good => 0,
        Kind::Long => 100_000,
        Kind::Refused => return Answer::new(400, r#"{"error":{"message":"no such thing"}}"#),
        Kind::Poison => return Answer::new(500, r#"{"error":{"message":"it broke down"}}"#),
    };
    let padding = "x".repeat(padding);
    let tokens = 1 + u64::from(line % 7);
    let total = tokens + 2;
    Answer::new(
        200,
        format!(
            r#"{{"answer_of":"b{batch}-{line}","padding":"{padding}","usage":{{"prompt_tokens":{tokens},"completion_tokens":2,"total_tokens":{total}}}}}"#
        ),
    )
}
