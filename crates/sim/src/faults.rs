//! Failures by rate: what an engine does on a bad day, in the amounts that somebody asks for.
//!
//! Whether an attempt fails follows from the seed, the body's bytes and the number of attempts of
//! that body that failed before it: a retry draws a new number and so may succeed, while the whole
//! history of a body (fails twice, then succeeds) is the same in every run. A body that succeeded
//! starts over, so only bodies in the middle of failing are remembered. Copies of one body that are
//! in flight together share a history.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::draw::{Draw, Question};

/// Bodies that are remembered as failing at a time; when there are more, all start over.
const FAILING_MAX: usize = 1 << 20;

/// Shares of all attempts, each from 0 to 1, together at most 1. Well-formed requests only: a body
/// that an engine refuses is always refused.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultRates {
    /// Answered with status 500, when the answer would have been ready.
    pub error: f64,
    /// Never answered: holds its slot until the client goes.
    pub timeout: f64,
    /// The head and half of the body, then a reset connection.
    pub cut: f64,
    /// Status 200 and `application/json`, but the body is no JSON.
    pub garbage: f64,
    /// Answered with status 429 at once, as if the queue were full.
    pub busy: f64,
}

/// How one attempt fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// As [`FaultRates::error`].
    Error,
    /// As [`FaultRates::timeout`].
    Timeout,
    /// As [`FaultRates::cut`].
    Cut,
    /// As [`FaultRates::garbage`].
    Garbage,
    /// As [`FaultRates::busy`].
    Busy,
}

impl FaultRates {
    /// A share of attempts that fail without making anybody wait: in equal parts 500, cut and
    /// garbage.
    #[must_use]
    pub fn quick(rate: f64) -> Self {
        let part = rate / 3.0;
        Self {
            error: part,
            cut: part,
            garbage: part,
            ..Self::default()
        }
    }

    /// Each rate with the name that a message about it uses.
    pub(crate) fn named(&self) -> [(&'static str, f64); 5] {
        [
            ("faults.error", self.error),
            ("faults.timeout", self.timeout),
            ("faults.cut", self.cut),
            ("faults.garbage", self.garbage),
            ("faults.busy", self.busy),
        ]
    }

    pub(crate) fn total(&self) -> f64 {
        self.error + self.timeout + self.cut + self.garbage + self.busy
    }

    fn pick(&self, number: f64) -> Option<Fault> {
        let shares = [
            (Fault::Error, self.error),
            (Fault::Timeout, self.timeout),
            (Fault::Cut, self.cut),
            (Fault::Garbage, self.garbage),
            (Fault::Busy, self.busy),
        ];
        let mut edge = 0.0;
        for (fault, share) in shares {
            edge += share;
            if number < edge {
                return Some(fault);
            }
        }
        None
    }
}

/// The rates, and which bodies are in the middle of failing.
#[derive(Debug)]
pub(crate) struct Faults {
    rates: FaultRates,
    failing: Mutex<HashMap<u64, u64>>,
}

impl Faults {
    pub(crate) fn new(rates: FaultRates) -> Self {
        Self {
            rates,
            failing: Mutex::default(),
        }
    }

    /// How this attempt of the body fails, if it does; counts it.
    pub(crate) fn next(&self, draw: Draw) -> Option<Fault> {
        if self.rates.total() == 0.0 {
            return None;
        }
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = failing.get(&draw.digest()).copied().unwrap_or_default();
        let fault = self.rates.pick(draw.walk(Question::Fault, attempt).unit());
        if fault.is_none() {
            failing.remove(&draw.digest());
            return None;
        }
        if failing.len() >= FAILING_MAX {
            failing.clear();
        }
        failing.insert(draw.digest(), attempt + 1);
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(faults: &Faults, body: u32) -> Vec<Option<Fault>> {
        let draw = Draw::new(3, &body.to_le_bytes());
        let mut seen = Vec::new();
        while seen.last() != Some(&None) {
            seen.push(faults.next(draw));
        }
        seen
    }

    #[test]
    fn every_fault_comes_at_about_its_rate() {
        let rates = FaultRates {
            error: 0.05,
            timeout: 0.1,
            cut: 0.15,
            garbage: 0.2,
            busy: 0.25,
        };
        let faults = Faults::new(rates);
        let firsts: Vec<_> = (0..4000_u32)
            .map(|body| faults.next(Draw::new(3, &body.to_le_bytes())))
            .collect();
        let check = |fault, rate: f64| {
            let count = firsts.iter().filter(|first| **first == fault).count();
            let share = f64::from(u32::try_from(count).unwrap()) / 4000.0;
            assert!(
                (share - rate).abs() < 0.03,
                "{fault:?}: {share} instead of {rate}"
            );
        };
        check(Some(Fault::Error), 0.05);
        check(Some(Fault::Timeout), 0.1);
        check(Some(Fault::Cut), 0.15);
        check(Some(Fault::Garbage), 0.2);
        check(Some(Fault::Busy), 0.25);
        check(None, 0.25);
    }

    #[test]
    fn a_retry_may_succeed_and_every_run_tells_the_same_history() {
        let (one, other) = (
            Faults::new(FaultRates::quick(0.6)),
            Faults::new(FaultRates::quick(0.6)),
        );
        let forward: Vec<_> = (0..100).map(|body| history(&one, body)).collect();
        let mut backward: Vec<_> = (0..100).rev().map(|body| history(&other, body)).collect();
        backward.reverse();
        assert_eq!(forward, backward);
        assert!(
            forward.iter().any(|seen| seen.len() > 2),
            "no body failed twice"
        );
        assert_eq!(
            history(&one, 5),
            forward[5],
            "a body that succeeded starts over"
        );
    }

    #[test]
    fn without_rates_nothing_fails() {
        let faults = Faults::new(FaultRates::default());
        assert!((0..1000_u32).all(|body| faults.next(Draw::new(3, &body.to_le_bytes())).is_none()));
    }
}
