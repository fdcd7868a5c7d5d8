//! Several limiters, each of a process of its own, at one upstream: nobody tells them of each other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::{Limiter, LimiterSettings, Round};

/// What the upstream works on at a time.
const PLACES: usize = 256;

/// How long an answer takes, a fifth more or less.
const LATENCY: Duration = Duration::from_millis(100);

/// One of the workers, which always has something to send.
struct Client {
    limiter: Limiter,
    in_flight: u32,
    sent: u64,
    refused: u64,
}

/// What happens next, and to whose request of which round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// It reaches the upstream.
    Arrives(usize, u64),
    /// The upstream is done with it.
    Ends(usize, u64),
    /// Its answer, or that there is no place, reaches its sender.
    Answered(usize, u64),
    Refused(usize, u64),
    /// A pause is over.
    Woken(usize),
}

/// An upstream that refuses what is beyond its places, and its clients, some way off.
struct Model {
    clients: Vec<Client>,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    at_work: usize,
    now: Duration,
    drawn: u64,
}

impl Model {
    fn new(clients: usize, seed: u64) -> Self {
        let mut model = Self {
            clients: Vec::new(),
            events: BinaryHeap::new(),
            at_work: 0,
            now: Duration::ZERO,
            drawn: seed * 77,
        };
        for _ in 0..clients {
            model.join();
        }
        model
    }

    fn join(&mut self) {
        self.clients.push(Client {
            limiter: Limiter::new(LimiterSettings::default()),
            in_flight: 0,
            sent: 0,
            refused: 0,
        });
        self.send(self.clients.len() - 1);
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.drawn = self.drawn.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.drawn;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn after(&mut self, time: Duration, event: Event) {
        let order = self.draw(u64::MAX);
        self.events.push(Reverse((self.now + time, order, event)));
    }

    /// The time that a request or an answer is on its way.
    fn way(&mut self) -> Duration {
        Duration::from_micros(100 + self.draw(200))
    }

    /// One client sends what it may.
    fn send(&mut self, number: usize) {
        loop {
            let client = &mut self.clients[number];
            let limiter = &mut client.limiter;
            if client.in_flight >= limiter.limit() {
                return;
            }
            if limiter.paused_until() > self.now {
                let pause = limiter.paused_until().saturating_sub(self.now);
                self.after(pause, Event::Woken(number));
                return;
            }
            client.in_flight += 1;
            client.sent += 1;
            let round = limiter.sent(client.in_flight, self.now);
            let way = self.way();
            self.after(way, Event::Arrives(number, round.0));
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Arrives(number, round) if self.at_work < PLACES => {
                self.at_work += 1;
                let spread = u32::try_from(80 + self.draw(41)).unwrap();
                self.after(LATENCY * spread / 100, Event::Ends(number, round));
            }
            Event::Arrives(number, round) => {
                let way = self.way();
                self.after(way, Event::Refused(number, round));
            }
            Event::Ends(number, round) => {
                self.at_work -= 1;
                let way = self.way();
                self.after(way, Event::Answered(number, round));
            }
            Event::Answered(number, round) => {
                let client = &mut self.clients[number];
                client.in_flight -= 1;
                client.limiter.answered(Round(round), self.now);
                self.send(number);
            }
            Event::Refused(number, round) => {
                let client = &mut self.clients[number];
                client.refused += 1;
                client
                    .limiter
                    .refused(Round(round), client.in_flight, None, self.now);
                client.in_flight -= 1;
                self.send(number);
            }
            Event::Woken(number) => self.send(number),
        }
    }

    fn run_until(&mut self, end: Duration) {
        while let Some(Reverse((at, order, event))) = self.events.pop() {
            if at > end {
                self.events.push(Reverse((at, order, event)));
                break;
            }
            self.now = at;
            self.happens(event);
        }
        self.now = end;
    }

    /// How many of a hundred requests were refused so far.
    fn refused_percent(&self) -> u64 {
        let refused: u64 = self.clients.iter().map(|client| client.refused).sum();
        let sent: u64 = self.clients.iter().map(|client| client.sent).sum();
        refused * 100 / sent
    }

    /// What each client has in flight on average, over some seconds.
    fn mean_in_flight(&mut self, seconds: u32) -> Vec<u32> {
        let looks = seconds * 50;
        let mut sums = vec![0; self.clients.len()];
        for _ in 0..looks {
            self.run_until(self.now + Duration::from_millis(20));
            for (sum, client) in sums.iter_mut().zip(&self.clients) {
                *sum += client.in_flight;
            }
        }
        sums.into_iter().map(|sum| sum / looks).collect()
    }
}

#[test]
fn three_share_an_upstream_and_a_fourth_gets_its_places() {
    for seed in 0..5 {
        let mut model = Model::new(3, seed);
        model.run_until(Duration::from_secs(30));
        let shares = model.mean_in_flight(5);
        let sum: u32 = shares.iter().sum();
        let told = format!(
            "seed {seed}: {shares:?}, {} % refused",
            model.refused_percent()
        );
        assert!((230..=270).contains(&sum), "{told}");
        assert!(shares.iter().all(|share| *share >= 50), "{told}");
        assert!(model.refused_percent() < 3, "{told}");
        model.join();
        model.run_until(Duration::from_secs(53));
        let shares = model.mean_in_flight(2);
        let told = format!(
            "seed {seed}: {shares:?}, {} % refused",
            model.refused_percent()
        );
        assert!(shares[3] >= 40, "{told}");
        assert!(model.refused_percent() < 3, "{told}");
    }
}
