//! How many requests an upstream may have in flight: [`Limiter`], which finds out, and
//! [`RateBudget`], which keeps to what a hosted API allows a minute.

mod limiter;
mod rate;

pub use self::limiter::{Limiter, LimiterSettings, Round};
pub use self::rate::RateBudget;
