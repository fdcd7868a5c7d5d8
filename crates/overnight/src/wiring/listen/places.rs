//! The places of connections: how many there may be, and who gives way.
//!
//! Whoever asks for something keeps its place. When all are taken, the connection that has been
//! without a request for longest is closed for the next: so people who are connected and idle, or
//! who send a head byte by byte, never keep out those who work.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::idle::{Idle, Seat};
use super::pulse::Pulse;

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceLimits {
    /// At a time.
    pub(crate) all_max: usize,
    /// At a time from one address; `None` for no bound of its own.
    pub(crate) per_client_max: Option<usize>,
}

/// All connections that there are.
#[derive(Debug)]
pub(super) struct Places {
    limits: PlaceLimits,
    taken: Mutex<Taken>,
    /// Those who could give way.
    idle: Arc<Idle>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    by: HashMap<u64, (IpAddr, Arc<Pulse>)>,
    /// How many are from each address; none is zero.
    counts: HashMap<IpAddr, usize>,
}

impl Taken {
    /// How many are from that address.
    fn of(&self, client: IpAddr) -> usize {
        self.counts.get(&client).copied().unwrap_or_default()
    }

    /// Takes a connection out, if it is still there.
    fn remove(&mut self, number: u64) -> Option<Arc<Pulse>> {
        let (client, pulse) = self.by.remove(&number)?;
        if let Some(count) = self.counts.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&client);
            }
        }
        Some(pulse)
    }
}

/// A place, which is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    /// What its connection is doing.
    pub(super) pulse: Arc<Pulse>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pulse.leave();
        self.places.taken().remove(self.number);
        self.places.idle.ended();
    }
}

impl Places {
    /// Places that are all free.
    pub(super) fn new(limits: PlaceLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            taken: Mutex::default(),
            idle: Idle::new(),
        })
    }

    /// Waits for a place for a connection from that address. `None` when that address has as many
    /// as it may have, and all of them are asking for something.
    pub(super) async fn take(self: &Arc<Self>, client: IpAddr) -> Option<Place> {
        loop {
            {
                let mut taken = self.taken();
                if let Some(most) = self.limits.per_client_max
                    && taken.of(client) >= most
                    && !self.displace(&mut taken, Some(client))
                {
                    return None;
                }
                if taken.by.len() < self.limits.all_max || self.displace(&mut taken, None) {
                    return Some(self.seat(&mut taken, client));
                }
            }
            self.idle.changed().await;
        }
    }

    /// Closes the connection that has been without a request for longest, because the system has
    /// nothing left for another.
    pub(super) fn make_room(&self) {
        self.displace(&mut self.taken(), None);
    }

    /// Closes the one that has been without a request for longest, of that address or of all, if
    /// there is one.
    fn displace(&self, taken: &mut Taken, client: Option<IpAddr>) -> bool {
        let longest = self.idle.longest(client);
        let Some(pulse) = longest.and_then(|number| taken.remove(number)) else {
            return false;
        };
        pulse.displace();
        true
    }

    fn seat(self: &Arc<Self>, taken: &mut Taken, client: IpAddr) -> Place {
        let number = taken.next;
        taken.next += 1;
        let pulse = Pulse::new(Seat { number, client }, Arc::clone(&self.idle));
        taken.by.insert(number, (client, Arc::clone(&pulse)));
        *taken.counts.entry(client).or_default() += 1;
        Place {
            places: Arc::clone(self),
            number,
            pulse,
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::wiring::listen::pulse::{Overdue, Patience};

    const ME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const YOU: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(1000),
        idle: Duration::from_secs(1000),
        read: Duration::from_secs(1000),
    };

    fn places(all_max: usize, per_client_max: Option<usize>) -> Arc<Places> {
        Places::new(PlaceLimits {
            all_max,
            per_client_max,
        })
    }

    async fn moment() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_has_been_idle_for_longest_gives_way() {
        let places = places(3, None);
        let (first, ()) = (places.take(ME).await.unwrap(), moment().await);
        let (second, ()) = (places.take(ME).await.unwrap(), moment().await);
        let (third, ()) = (places.take(YOU).await.unwrap(), moment().await);
        let _asked = first.pulse.ask();
        let fourth = places.take(YOU).await.unwrap();
        let ended = second.pulse.overdue(&PATIENCE).await;
        assert_eq!(ended, Overdue::Displaced);
        for kept in [&first, &third, &fourth] {
            let ends = tokio::time::timeout(Duration::from_secs(1), kept.pulse.overdue(&PATIENCE));
            assert!(ends.await.is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_ask_for_something_the_next_waits_until_one_does_not() {
        let places = places(2, None);
        let (first, second) = (
            places.take(ME).await.unwrap(),
            places.take(ME).await.unwrap(),
        );
        let (asked, _asked) = (first.pulse.ask(), second.pulse.ask());
        let mut third = Box::pin(places.take(YOU));
        let waited = tokio::time::timeout(Duration::from_secs(10), &mut third).await;
        assert!(waited.is_err());
        drop(asked);
        assert!(third.await.is_some());
        assert_eq!(first.pulse.overdue(&PATIENCE).await, Overdue::Displaced);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_with_all_that_it_may_have_gives_way_to_itself_or_is_refused() {
        let places = places(9, Some(2));
        let (first, ()) = (places.take(ME).await.unwrap(), moment().await);
        let second = places.take(ME).await.unwrap();
        let other = places.take(YOU).await.unwrap();
        let third = places.take(ME).await.unwrap();
        assert_eq!(first.pulse.overdue(&PATIENCE).await, Overdue::Displaced);
        let _asked = (second.pulse.ask(), third.pulse.ask());
        assert!(places.take(ME).await.is_none());
        assert!(places.take(YOU).await.is_some());
        drop(other);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_the_end_of_its_answer_gives_way_then() {
        let places = places(1, None);
        let first = places.take(ME).await.unwrap();
        let asked = first.pulse.ask();
        let mut next = Box::pin(places.take(YOU));
        let wait = Duration::from_secs(10);
        first.pulse.sent(true);
        // The request ends, while the last bytes of its answer are on their way.
        drop(asked);
        assert!(tokio::time::timeout(wait, &mut next).await.is_err());
        first.pulse.sent(false);
        assert!(tokio::time::timeout(wait, &mut next).await.is_err());
        first.pulse.flushed();
        let seated = tokio::time::timeout(wait, next).await;
        assert!(seated.is_ok(), "nobody was told");
        assert_eq!(first.pulse.overdue(&PATIENCE).await, Overdue::Displaced);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_are_counted_while_they_have_places() {
        let places = places(2, Some(9));
        let _kept = places.take(ME).await.unwrap();
        let ended = places.take(ME).await.unwrap();
        assert_eq!(places.taken().of(ME), 2);
        drop(ended);
        assert_eq!(places.taken().of(ME), 1);
        let yours = (places.take(YOU).await, places.take(YOU).await);
        assert_eq!(places.taken().of(ME), 0);
        assert_eq!(places.taken().of(YOU), 2);
        drop(yours);
        assert!(places.taken().counts.is_empty());
    }
}
