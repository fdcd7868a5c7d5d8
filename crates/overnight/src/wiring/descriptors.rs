//! The files and sockets that the system lets the process have open, and who may have how many.
//!
//! When they run out, what must be written cannot be written: connections that wait for their next
//! request would keep finished results from the disk. So what can wait has a share of its own.

use overnight_core::limit::LimiterSettings;
use overnight_engine::UpstreamLimits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the process uses when the system sets no bound.
const UNBOUNDED: u64 = 1 << 20;

/// One request in flight may hold a socket and a file for its answer.
const DESCRIPTORS_A_REQUEST: u64 = 2;

/// How many descriptors there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptors(u64);

impl Descriptors {
    /// Asks the system for as many as it allows: what a shell gives a process is made for programs
    /// that once had to scan all of them.
    pub(crate) fn claim() -> Self {
        let bounds = getrlimit(Resource::Nofile);
        let most = bounds.maximum.unwrap_or(UNBOUNDED).min(UNBOUNDED);
        let present = bounds.current.unwrap_or(UNBOUNDED);
        if present >= most {
            return Self(present);
        }
        let raised = Rlimit {
            current: Some(most),
            maximum: bounds.maximum,
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => Self(most),
            Err(error) => {
                tracing::warn!(%error, descriptors = present, "no more file descriptors were given");
                Self(present)
            }
        }
    }

    /// A quarter is for connections of clients, half is for requests in flight; the rest is for files
    /// and the database.
    pub(crate) fn connections_max(self) -> usize {
        usize::try_from(self.0 / 4).unwrap_or(usize::MAX).max(1)
    }

    /// How many requests may be in flight at one of so many upstreams.
    fn in_flight_max(self, upstreams: usize) -> u32 {
        let requests = self.0 / 2 / DESCRIPTORS_A_REQUEST;
        let share = requests / u64::try_from(upstreams.max(1)).unwrap_or(u64::MAX);
        u32::try_from(share).unwrap_or(u32::MAX).max(1)
    }

    /// The limits of one of so many upstreams, lowered to what there are descriptors for. Says so
    /// when a limit that somebody set cannot be had.
    pub(crate) fn bound(
        self,
        limits: UpstreamLimits,
        name: &str,
        upstreams: usize,
    ) -> UpstreamLimits {
        let most = self.in_flight_max(upstreams);
        let asked = limits.limit.max(limits.limit_max);
        if asked.is_some_and(|asked| asked > most) {
            tracing::warn!(
                upstream.name = name,
                upstream.limit = most,
                descriptors = self.0,
                "the limit of an upstream is lowered: raise the file descriptors of the process (ulimit -n)"
            );
        }
        let limit_max = limits
            .limit_max
            .unwrap_or_else(|| LimiterSettings::default().max);
        UpstreamLimits {
            limit: limits.limit.map(|limit| limit.min(most)),
            limit_max: Some(limit_max.min(most)),
            ..limits
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(limit: Option<u32>, limit_max: Option<u32>) -> UpstreamLimits {
        UpstreamLimits {
            limit,
            limit_max,
            ..UpstreamLimits::default()
        }
    }

    #[test]
    fn few_descriptors_lower_limits() {
        let few = Descriptors(64);
        assert_eq!(few.connections_max(), 16);
        let bound = few.bound(limits(Some(100), None), "a", 2);
        assert_eq!((bound.limit, bound.limit_max), (Some(8), Some(8)));
        let bound = few.bound(limits(None, Some(6)), "a", 2);
        assert_eq!((bound.limit, bound.limit_max), (None, Some(6)));
    }

    #[test]
    fn many_descriptors_change_nothing() {
        let many = Descriptors(UNBOUNDED);
        let bound = many.bound(limits(Some(4_000), None), "a", 3);
        assert_eq!((bound.limit, bound.limit_max), (Some(4_000), Some(512)));
    }

    #[test]
    fn the_process_gets_what_it_may_have() {
        let claimed = Descriptors::claim();
        let bounds = getrlimit(Resource::Nofile);
        assert_eq!(bounds.current, Some(claimed.0));
        assert_eq!(Descriptors::claim(), claimed);
    }
}
