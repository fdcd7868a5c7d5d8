//! The engine's slots and the bounded line of requests behind them: first come, first served.
//!
//! ```text
//! enter -> Seat                      a slot was free and nobody waited
//!       -> Waiting -> Seat           in line, until a seat is dropped or slots are added
//!       -> Full                      the line is as long as it may be
//! ```
//!
//! A seat and a place in line are values that give themselves back when dropped, so a client that
//! goes away frees what it held at once. When slots are taken away, seats that are out stay valid:
//! the number running falls to the new number as they come back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The slots, who holds them and who waits.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    slots: usize,
    waiting_max: usize,
    running: usize,
    running_peak: usize,
    waiting: VecDeque<Place>,
    next_place: u64,
}

#[derive(Debug)]
struct Place {
    number: u64,
    seat: oneshot::Sender<Seat>,
}

/// How many run, wait and could run, at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) slots: usize,
    pub(crate) running: usize,
    pub(crate) running_peak: usize,
    pub(crate) waiting: usize,
}

/// A slot that is held; dropping it gives it to the first in line.
#[derive(Debug)]
pub(crate) struct Seat {
    queue: Arc<Queue>,
}

/// A place in line; dropping it leaves the line.
#[derive(Debug)]
pub(crate) struct Waiting {
    queue: Arc<Queue>,
    number: u64,
    seat: oneshot::Receiver<Seat>,
}

/// The line is full.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// What a request got when it came.
#[derive(Debug)]
pub(crate) enum Entry {
    Seated(Seat),
    InLine(Waiting),
}

impl Queue {
    pub(crate) fn new(slots: usize, waiting_max: usize) -> Arc<Self> {
        let state = State {
            slots,
            waiting_max,
            running: 0,
            running_peak: 0,
            waiting: VecDeque::new(),
            next_place: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    /// Takes a free slot, or a place in line, or says that there is neither.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Entry, Full> {
        let mut state = self.lock();
        if state.waiting.is_empty() && state.running < state.slots {
            state.seat_one();
            return Ok(Entry::Seated(Seat {
                queue: Arc::clone(self),
            }));
        }
        if state.waiting.len() >= state.waiting_max {
            return Err(Full);
        }
        let number = state.next_place;
        state.next_place += 1;
        let (sender, seat) = oneshot::channel();
        state.waiting.push_back(Place {
            number,
            seat: sender,
        });
        Ok(Entry::InLine(Waiting {
            queue: Arc::clone(self),
            number,
            seat,
        }))
    }

    /// Changes the number of slots; new ones go to the first in line at once.
    pub(crate) fn set_slots(self: &Arc<Self>, slots: usize) {
        self.lock().slots = slots;
        self.fill_slots();
    }

    pub(crate) fn load(&self) -> Load {
        let state = self.lock();
        Load {
            slots: state.slots,
            running: state.running,
            running_peak: state.running_peak,
            waiting: state.waiting.len(),
        }
    }

    fn fill_slots(self: &Arc<Self>) {
        while let Some(place) = self.lock().call_next() {
            // When the one who waited is just leaving, the seat comes back here and its drop calls
            // the next in line.
            drop(place.seat.send(Seat {
                queue: Arc::clone(self),
            }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn seat_one(&mut self) {
        self.running += 1;
        self.running_peak = self.running_peak.max(self.running);
    }

    /// The first in line, if there is a slot; the slot counts as taken.
    fn call_next(&mut self) -> Option<Place> {
        if self.running >= self.slots {
            return None;
        }
        let place = self.waiting.pop_front()?;
        self.seat_one();
        Some(place)
    }
}

impl Entry {
    /// The seat, waiting in line for it if need be.
    pub(crate) async fn seat(self) -> Seat {
        match self {
            Self::Seated(seat) => seat,
            Self::InLine(mut waiting) => match (&mut waiting.seat).await {
                Ok(seat) => seat,
                // A place leaves the line only with a seat or by its own drop.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.queue.lock().running -= 1;
        self.queue.fill_slots();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        if let Ok(at) = state
            .waiting
            .binary_search_by_key(&self.number, |place| place.number)
        {
            state.waiting.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll_now<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn seat_now(entry: Entry) -> Seat {
        match poll_now(pin!(entry.seat())) {
            Poll::Ready(seat) => seat,
            Poll::Pending => panic!("the request waits"),
        }
    }

    #[test]
    fn beyond_slots_and_line_there_is_no_entry() {
        let queue = Queue::new(1, 1);
        let seat = seat_now(queue.enter().unwrap());
        let waiting = queue.enter().unwrap();
        assert_eq!(queue.enter().unwrap_err(), Full);
        drop(seat);
        let _seat = seat_now(waiting);
        assert!(queue.enter().is_ok());
    }

    #[test]
    fn a_freed_slot_goes_to_the_first_in_line() {
        let queue = Queue::new(1, 10);
        let seat = seat_now(queue.enter().unwrap());
        let mut first = pin!(queue.enter().unwrap().seat());
        let mut second = pin!(queue.enter().unwrap().seat());
        assert!(poll_now(second.as_mut()).is_pending());
        drop(seat);
        assert!(poll_now(second.as_mut()).is_pending());
        assert!(poll_now(first.as_mut()).is_ready());
        assert!(
            poll_now(second.as_mut()).is_ready(),
            "the first's seat was dropped"
        );
    }

    #[test]
    fn who_leaves_the_line_makes_room_and_gets_no_seat() {
        let queue = Queue::new(1, 1);
        let seat = seat_now(queue.enter().unwrap());
        drop(queue.enter().unwrap());
        assert_eq!(queue.load().waiting, 0);
        let second = queue.enter().unwrap();
        drop(seat);
        let _seat = seat_now(second);
        assert_eq!(queue.load().running, 1);
    }

    #[test]
    fn a_seat_that_was_sent_to_one_who_left_is_free_again() {
        let queue = Queue::new(1, 1);
        let seat = seat_now(queue.enter().unwrap());
        let waiting = queue.enter().unwrap();
        drop(seat);
        drop(waiting);
        assert_eq!(queue.load().running, 0);
    }

    #[test]
    fn slots_grow_at_once_and_shrink_as_seats_come_back() {
        let queue = Queue::new(1, 10);
        let first = seat_now(queue.enter().unwrap());
        let waiting = queue.enter().unwrap();
        queue.set_slots(2);
        let second = seat_now(waiting);
        queue.set_slots(1);
        let mut third = pin!(queue.enter().unwrap().seat());
        drop(first);
        assert!(poll_now(third.as_mut()).is_pending());
        assert_eq!(queue.load().running, 1);
        drop(second);
        assert!(poll_now(third.as_mut()).is_ready());
        assert_eq!(queue.load().running_peak, 2);
    }
}
