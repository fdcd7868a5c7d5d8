//! A soak: the real server under mixed load and faults, for as long as it is asked for.
//!
//! ```text
//! clients (batches, cancels, expiries, deletes, lists, downloads) ──► server ──► simulators with faults
//!                                       killed now and then ──────────►┘  └◄────── killed now and then
//! ```
//!
//! At its end every line must have ended once, nothing may be left on the disk once everything has
//! expired, memory must not have grown, and descriptors must be closed. A run of the tests soaks for some seconds;
//! `scripts/soak` for as long as it is told.

#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    reason = "real processes are watched in real time; there is no clock to pause"
)]

#[path = "../support/mod.rs"]
mod support;

mod client;
mod house;
mod samples;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use self::client::{Client, Tally};
use self::house::House;
use self::samples::Samples;

/// How long a run of the tests soaks.
const SMOKE: Duration = Duration::from_secs(12);

/// Clients that make batches.
const MAKERS: u64 = 4;

/// So many parts of the time the server runs before it is killed.
const LIVES: u32 = 6;

/// How long, from the environment: `OVERNIGHT_SOAK_MINUTES`.
fn asked_for() -> Duration {
    let minutes = std::env::var("OVERNIGHT_SOAK_MINUTES").ok();
    let minutes = minutes.and_then(|minutes| minutes.parse::<u64>().ok());
    minutes.map_or(SMOKE, |minutes| Duration::from_secs(minutes * 60))
}

#[test]
fn nothing_is_lost_and_nothing_grows_under_mixed_load_with_faults() {
    let time = asked_for();
    let (mut house, stop) = (House::start(), AtomicBool::new(false));
    let (tally, base_url) = (Mutex::new(Tally::default()), house.base_url.clone());
    let mut samples = Samples::default();
    thread::scope(|scope| {
        for number in 0..MAKERS {
            let client = Client::new(&base_url, number);
            let (stop, tally) = (&stop, &tally);
            scope.spawn(move || client.make_batches(stop, tally));
        }
        let (looker, stopped) = (Client::new(&base_url, MAKERS), &stop);
        scope.spawn(move || looker.look_around(stopped));
        // Whatever fails here has to let the clients go, or they would be waited for for ever.
        let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            live(&mut house, time, &mut samples);
        }));
        stop.store(true, Ordering::SeqCst);
        if let Err(panic) = lived {
            std::panic::resume_unwind(panic);
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("{tally}\n{samples}");
    assert!(tally.batches() > 0, "nothing was soaked");
    if time > SMOKE {
        house.until_few_descriptors();
    }
    house.stop();
    house.check_that_nothing_stays();
    if time > SMOKE {
        samples.check();
    }
}

/// Watches, and kills now and then.
fn live(house: &mut House, time: Duration, samples: &mut Samples) {
    let began = Instant::now();
    let mut killed = 0;
    while began.elapsed() < time {
        thread::sleep(Duration::from_secs(1));
        house.disturb();
        samples.take(house.server_pid(), &house.blobs(), began.elapsed());
        let lives = (began.elapsed().as_secs_f64() / time.as_secs_f64() * f64::from(LIVES)).floor();
        // The last life is left alone, so that it can be seen what remains of it.
        if lives > f64::from(killed) && killed + 1 < LIVES {
            killed += 1;
            house.kill_server();
            samples.restarted();
        }
    }
}
