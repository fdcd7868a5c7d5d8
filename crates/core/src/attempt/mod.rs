//! What an attempt brought back, and what that means for its line.
//!
//! One principle decides whose fault a failure is: *it is the line's only if the upstream is
//! otherwise well*, that is, has answered another line of that model well that was sent after the failure.
//! [`Standing`] keeps that evidence for one model at one upstream, [`Trial`] what one line has been
//! through, and [`judge()`] puts both together.

mod judge;
mod reply;
mod standing;
mod stretches;

pub use self::judge::{
    AttemptRules, Circumstances, Lone, Trial, Verdict, backoff, judge, timed_out,
};
pub use self::reply::{Blame, Form, NoAnswer, Reply};
pub use self::standing::{Failure, Health, Sent, Standing, Suspicion};
