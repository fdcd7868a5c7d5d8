//! What is read of an input, and when, while its lines are sent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use overnight_core::batch::Status;
use overnight_engine::UpstreamLimits;
use overnight_engine::upstream::scripted::{Script, ScriptedUpstream, Step, chat_answer};
use overnight_store::faulty::Fault;

use crate::house::{House, ended, ids, lines, lines_of, part, serving, upstream};

const SOON: Duration = Duration::from_mins(1);

fn slow() -> Script {
    Script::by(|_| Step::Late {
        after: Duration::from_secs(1),
        answer: chat_answer("ok"),
    })
}

/// Lines of which every third is too long to be held in memory.
fn some_long(count: usize) -> Vec<String> {
    let words = "word ".repeat(20_000);
    let line = |number: usize| {
        let line = lines_of("m", number..number + 1).remove(0);
        match number % 3 {
            1 => line.replace(&format!("<{number}>"), &format!("{words}<{number}>")),
            _ => line,
        }
    };
    (0..count).map(line).collect()
}

/// The body of a line, as it stands in the file.
fn body(line: &str) -> &str {
    let (_, rest) = line.split_once(r#""body":"#).unwrap();
    rest.strip_suffix("}\n").unwrap()
}

/// Each line was sent once, with the bytes of its body.
fn check_bodies(asked: &ScriptedUpstream, input: &[String]) {
    let seen = asked.seen();
    let bodies: BTreeSet<&str> = seen
        .iter()
        .map(|seen| std::str::from_utf8(&seen.body).unwrap())
        .collect();
    let wanted: BTreeSet<&str> = input.iter().map(|line| body(line)).collect();
    assert!(bodies == wanted && seen.len() == input.len());
}

#[test]
fn lines_wait_while_their_input_cannot_be_read_and_are_sent_as_they_stand() {
    let mut house = House::new();
    let is_away = Arc::new(AtomicBool::new(false));
    let away = Arc::clone(&is_away);
    let plan = move |verb: &str, _| match verb {
        "get" if away.load(Ordering::SeqCst) => Fault::Fail,
        _ => Fault::None,
    };
    house.blobs = house.blobs.clone().with_faults(plan);
    House::live(async || {
        let asked = upstream(slow());
        let limits = UpstreamLimits {
            limit: Some(3),
            ..UpstreamLimits::default()
        };
        let life = house.start_with(vec![part("one", &asked, limits)]);
        let input = some_long(30);
        let id = life.create(&input, None).await;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        is_away.store(true, Ordering::SeqCst);
        tokio::time::sleep(SOON).await;
        let sent = asked.seen().len();
        assert!(sent < 30, "the long ones are read when they are sent");
        assert_eq!(asked.in_flight(), 0);
        is_away.store(false, Ordering::SeqCst);
        let batch = life.end(&id, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let results = life.results(&id, &ids(30)).await;
        assert_eq!(results.output.len(), 30);
        check_bodies(&asked, &input);
        assert_eq!(asked.in_flight_max(), 3);
        life.stop().await;
    });
}

#[test]
fn lines_that_lie_in_two_parts_of_their_file_are_sent_as_they_stand() {
    for part_bytes in [5000, 100_000] {
        let house = House::new();
        House::live(async || {
            let asked = upstream(Script::of([]));
            let life = house.start(&asked);
            let input = some_long(20);
            let id = life.create_in_parts(&input, part_bytes).await;
            let batch = life.end(&id, SOON).await;
            assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
            life.results(&id, &ids(20)).await;
            check_bodies(&asked, &input);

            let cancelled = life.create_in_parts(&some_long(20), part_bytes).await;
            life.cancel(&cancelled).await;
            let batch = life.end(&cancelled, SOON).await;
            assert_eq!(ended(batch.as_ref()), Some(Status::Cancelled));
            life.results(&cancelled, &[]).await;
            life.stop().await;
        });
    }
}

#[test]
fn the_lines_of_a_batch_that_is_cancelled_before_they_are_sent_are_named() {
    let house = House::new();
    House::live(async || {
        let asked = upstream(Script::by(|_| Step::Silent));
        let life = house.start(&asked);
        for part_bytes in [10_000, 1 << 20] {
            let id = life.create_in_parts(&some_long(50), part_bytes).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            life.cancel(&id).await;
            let batch = life.end(&id, SOON).await;
            assert_eq!(ended(batch.as_ref()), Some(Status::Cancelled));
            let results = life.results(&id, &ids(50)).await;
            assert_eq!(results.error.len(), 50);
        }
        life.stop().await;
    });
}

#[test]
fn an_input_that_is_larger_than_the_settings_allow_is_refused_before_a_line_is_sent() {
    let input = lines(20);
    let mut house = House::new();
    house.settings.limits.file_bytes_max = input.concat().len() as u64;
    House::live(async || {
        let asked = upstream(slow());
        let life = house.start(&asked);
        let fits = life.create(&input, None).await;
        let batch = life.end(&fits, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let larger = life.create(&lines(21), None).await;
        let batch = life.end(&larger, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Failed));
        assert_eq!(asked.seen().len(), 20);
        life.stop().await;
    });
}

#[test]
fn an_input_is_read_no_further_ahead_than_what_is_sent_soon() {
    let mut house = House::new();
    let gets = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&gets);
    let plan = move |verb: &str, _| {
        counted.fetch_add(usize::from(verb == "get"), Ordering::SeqCst);
        Fault::None
    };
    house.blobs = house.blobs.clone().with_faults(plan);
    House::live(async || {
        let asked = upstream(Script::by(|_| Step::Silent));
        let life = house.start(&asked);
        let id = life.create(&lines(60_000), None).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(asked.in_flight() > 0);
        let read = gets.load(Ordering::SeqCst);
        assert!(read < 40, "{read} pieces of 8 MB and of their plan");
        life.cancel(&id).await;
        life.end(&id, SOON).await;
        life.stop().await;
    });
}

#[test]
fn a_model_that_an_upstream_has_just_loaded_is_asked_for_before_its_lines_are_refused() {
    let house = House::new();
    House::live(async || {
        let asked = upstream(slow());
        asked.list_models(Ok(serving(&["other"])));
        let life = house.start(&asked);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let refused = life.create(&lines(2), None).await;
        let batch = life.end(&refused, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Failed));
        asked.list_models(Ok(serving(&["m"])));
        let served = life.create(&lines(2), None).await;
        let batch = life.end(&served, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        life.stop().await;
    });
}
