//! The connections that have no request, in the order in which they give way.
//!
//! Each connection enters and leaves the order by itself as it changes: so whoever needs a place finds
//! the one that gives way without looking at all the others, however many there are.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Which connection it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    /// Its own number.
    pub(super) number: u64,
    /// From where it comes.
    pub(super) client: IpAddr,
}

/// All connections that could give way.
#[derive(Debug, Default)]
pub(super) struct Idle {
    order: Mutex<Order>,
    /// Told whenever a connection enters the order, or ends.
    free: Notify,
}

#[derive(Debug, Default)]
struct Order {
    /// Since when, and which.
    all: BTreeSet<(Instant, u64)>,
    /// The same by the address from which they come; no address has an empty one.
    by_client: HashMap<IpAddr, BTreeSet<(Instant, u64)>>,
}

impl Idle {
    /// An order of none.
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The connection that has been without a request for longest, of that address or of all.
    pub(super) fn longest(&self, client: Option<IpAddr>) -> Option<u64> {
        let order = self.order();
        let candidates = match client {
            Some(client) => order.by_client.get(&client)?,
            None => &order.all,
        };
        candidates.first().map(|(_, number)| *number)
    }

    /// Moves a connection from where it was, if anywhere, to where it is now, if anywhere.
    pub(super) fn moved(&self, seat: Seat, from: Option<Instant>, to: Option<Instant>) {
        let mut order = self.order();
        if let Some(since) = from {
            order.remove(seat, since);
        }
        if let Some(since) = to {
            order.all.insert((since, seat.number));
            let of_client = order.by_client.entry(seat.client).or_default();
            of_client.insert((since, seat.number));
            drop(order);
            self.free.notify_one();
        }
    }

    /// A connection has ended.
    pub(super) fn ended(&self) {
        self.free.notify_one();
    }

    /// Waits until a connection has entered the order, or ended.
    pub(super) async fn changed(&self) {
        self.free.notified().await;
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Order {
    fn remove(&mut self, seat: Seat, since: Instant) {
        self.all.remove(&(since, seat.number));
        if let Some(of_client) = self.by_client.get_mut(&seat.client) {
            of_client.remove(&(since, seat.number));
            if of_client.is_empty() {
                self.by_client.remove(&seat.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_order_holds_what_is_in_it_and_nothing_else() {
        let idle = Idle::new();
        let seat = |number: u8| Seat {
            number: number.into(),
            client: Ipv4Addr::new(192, 0, 2, number % 2).into(),
        };
        let began = Instant::now();
        let at = |seconds| Some(began + Duration::from_secs(seconds));
        idle.moved(seat(1), None, at(3));
        idle.moved(seat(2), None, at(2));
        idle.moved(seat(3), None, at(1));
        let odd = Some(seat(1).client);
        let even = Some(seat(2).client);
        let all = |idle: &Idle| (idle.longest(None), idle.longest(odd), idle.longest(even));
        assert_eq!(all(&idle), (Some(3), Some(3), Some(2)));
        idle.moved(seat(3), at(1), at(4));
        assert_eq!(all(&idle), (Some(2), Some(1), Some(2)));
        idle.moved(seat(2), at(2), None);
        assert_eq!(all(&idle), (Some(1), Some(1), None));
        idle.moved(seat(1), at(3), None);
        idle.moved(seat(3), at(4), None);
        assert_eq!(all(&idle), (None, None, None));
        assert!(idle.order().by_client.is_empty());
    }
}
