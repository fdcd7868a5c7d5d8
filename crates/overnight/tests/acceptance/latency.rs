//! How long a batch of one line takes, from the client's POST to the client's knowledge that it is
//! completed.

use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use crate::common::{Client, Lines, serve, status_of};
use crate::support::TestSim;

/// What a batch may add to the time of its upstream, which is next to nothing here.
const ADDED_MAX: Duration = Duration::from_millis(50);

/// How many batches are timed, after some that warm the server up.
const ROUNDS: usize = 21;
const WARM_UP: usize = 3;

#[test]
fn a_batch_of_one_line_takes_fifty_milliseconds_more_than_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let sim = TestSim::start(folder.path(), &["--ttft-ms", "0", "--tpot-ms", "0"]);
    let server = serve(folder.path(), &format!("upstreams = [\"{}\"]", sim.url));
    let client = Client::new(&server.base_url);
    let mut times: Vec<Duration> = (0..WARM_UP + ROUNDS)
        .map(|round| time_one_line(&client, round))
        .skip(WARM_UP)
        .collect();
    times.sort();
    let median = times[ROUNDS / 2];
    println!("create to completed: median {median:?} of {times:?}");
    assert!(
        median <= ADDED_MAX,
        "the median is {median:?}, of {times:?}"
    );
}

fn time_one_line(client: &Client, round: usize) -> Duration {
    let lines = Lines::new(&format!("one-{round}"), 1);
    let file = client.upload(&lines.bytes());
    let began = Instant::now();
    let id = client.create(&file);
    let batch = loop {
        let batch = client.batch(&id);
        if status_of(&batch) == "completed" {
            break batch;
        }
        // The bound is generous: this is a test of time, and must not hang on a batch that failed.
        assert!(began.elapsed() < Duration::from_secs(10), "{batch}");
        thread::sleep(Duration::from_millis(1));
    };
    let took = began.elapsed();
    client.ended(&batch).check_each_once(lines.ids());
    took
}
