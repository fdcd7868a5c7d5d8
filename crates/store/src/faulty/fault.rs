//! What goes wrong with a call, who says so, and how it comes about.

use std::time::Duration;

use overnight_core::batch::Lease;
use overnight_core::segment::{BlobKey, Segment};

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The verb does not happen, and its caller is told to try again.
    Fail,
    /// The verb does not happen, and the disk says that it did not keep what was written: whoever
    /// wrote must not go on. Of a blob's `put`; of its `get`, the disk cannot read it. Elsewhere it is
    /// [`Self::Fail`].
    Lose,
    /// The verb happens, but its answer is lost: its caller is told to try again.
    DoThenFail,
    /// The verb does not happen, and nobody is told.
    Hang,
    /// The verb happens, and nobody is told.
    DoThenHang,
    /// The verb happens in part, and nobody is told: what is left of one whose process is killed
    /// meanwhile. Of a blob's `put`, and of an `append`; elsewhere it is [`Self::Hang`].
    Tear,
    /// The verb happens that much later.
    Late(Duration),
    /// The verb happens at once, and is answered that much later.
    Slow(Duration),
    /// The caller is told that the verb has happened; it happens that much later, if the one who
    /// was to do it lives so long. A lie that only a blob's `put` tells; elsewhere it is [`Self::None`].
    Lie(Duration),
}

/// A call of a verb.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The verb's name.
    pub verb: &'static str,
    /// How many calls there were before it.
    pub number: u64,
    /// The blob that it is about, if it is a verb on blobs.
    pub blob: Option<&'a str>,
    /// The segment that it records, and under which lease, if it does.
    pub segment: Option<(&'a Lease, &'a Segment)>,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The verb happened.
    Done,
    /// It was refused, for that reason.
    Refused(String),
    /// It was made not to happen.
    Failed,
}

/// Says what goes wrong, and is told what came of it.
pub trait Plan: Send + Sync + 'static {
    /// What goes wrong with a call.
    fn fault(&self, call: &Call<'_>) -> Fault;

    /// Tells what came of a call, before its caller is told. A call that hangs has no end, unless
    /// its verb happened.
    fn ended(&self, _call: &Call<'_>, _end: &End) {}

    /// Whether the process is dead: what its writes left stays as it is.
    fn is_dead(&self) -> bool {
        false
    }

    /// What is recorded in the place of a segment; `None` for nothing, and the caller is told that
    /// it was. For tests that plant a bug.
    fn recorded(&self, _lease: &Lease, segment: &Segment) -> Option<Segment> {
        Some(segment.clone())
    }

    /// What is answered to those who ask which of the blobs no row names. For tests that plant a
    /// bug.
    fn unnamed(&self, _asked: &[BlobKey], answer: Vec<BlobKey>) -> Vec<BlobKey> {
        answer
    }
}

impl<F: Fn(&'static str, u64) -> Fault + Send + Sync + 'static> Plan for F {
    fn fault(&self, call: &Call<'_>) -> Fault {
        self(call.verb, call.number)
    }
}

/// Lets a call go wrong in that way. `failed` makes the error of one that is made to fail.
pub(crate) async fn carry_out<T, E: std::fmt::Display>(
    fault: Fault,
    plan: &dyn Plan,
    call: &Call<'_>,
    (failed, pass_on): (
        impl Fn() -> E + Send,
        impl Future<Output = Result<T, E>> + Send,
    ),
) -> Result<T, E> {
    match fault {
        Fault::Fail | Fault::Lose => {
            plan.ended(call, &End::Failed);
            return Err(failed());
        }
        Fault::Hang | Fault::Tear => return std::future::pending().await,
        Fault::Late(pause) => tokio::time::sleep(pause).await,
        Fault::None | Fault::DoThenFail | Fault::DoThenHang | Fault::Slow(_) | Fault::Lie(_) => {}
    }
    let answer = pass_on.await;
    let end = match &answer {
        Ok(_) => End::Done,
        Err(error) => End::Refused(error.to_string()),
    };
    plan.ended(call, &end);
    match fault {
        Fault::DoThenFail => answer.and_then(|_| Err(failed())),
        Fault::DoThenHang => std::future::pending().await,
        Fault::Slow(pause) => {
            tokio::time::sleep(pause).await;
            answer
        }
        Fault::None
        | Fault::Late(_)
        | Fault::Fail
        | Fault::Lose
        | Fault::Hang
        | Fault::Tear
        | Fault::Lie(_) => answer,
    }
}
