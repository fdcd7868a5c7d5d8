//! Several upstreams, and what each of them wants: what goes where and when, and what people are told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overnight_core::batch::Status;
use overnight_core::id::{BatchId, ProjectId};
use overnight_engine::upstream::scripted::{Answer, Script, ScriptedUpstream, Step, chat_answer};
use overnight_engine::upstream::{Gauges, ModelList};
use overnight_engine::{Space, UpstreamLimits};
use overnight_store::Store as _;
use overnight_store::status::{DISK_NEARLY_FULL, UpstreamHealth, UpstreamStatus};
use tokio::time::Instant;

use crate::house::{
    House, Life, ended, fixed, ids, lines, lines_of, numbered, part, serving, upstream,
};

const SOON: Duration = Duration::from_mins(1);

fn good(after: Duration) -> Step {
    Step::Late {
        after,
        answer: chat_answer("ok"),
    }
}

/// Answers well after that time.
fn working(after: Duration) -> Arc<ScriptedUpstream> {
    upstream(Script::by(move |_| good(after)))
}

/// A script that plays `step`, and when it was asked to.
fn timed(
    step: impl Fn(u64) -> Step + Send + Sync + 'static,
) -> (Arc<ScriptedUpstream>, Arc<Mutex<Vec<Instant>>>) {
    let times: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let seen = Arc::clone(&times);
    let script = numbered(move |number| {
        seen.lock().unwrap().push(Instant::now());
        step(number)
    });
    (upstream(script), times)
}

/// The time from each to the next.
fn gaps(times: &Mutex<Vec<Instant>>) -> Vec<Duration> {
    let times = times.lock().unwrap();
    let pairs = times.windows(2);
    pairs.map(|pair| pair[1] - pair[0]).collect()
}

async fn told_of(life: &Life, name: &str) -> UpstreamStatus {
    let told = life.store.upstreams().await.unwrap();
    told.into_iter().find(|told| told.name == name).unwrap()
}

async fn reason(life: &Life, id: &BatchId) -> Option<String> {
    let project = ProjectId::default_project();
    let told = life.store.progress(&project, id).await.unwrap();
    told.and_then(|told| told.reason)
}

/// Waits until the batch has ended well, and holds its results against its `count` lines.
async fn complete(life: &Life, id: &BatchId, count: usize) {
    let batch = life.end(id, 30 * SOON).await;
    assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
    let results = life.results(id, &ids(count)).await;
    assert_eq!(results.output.len(), count, "no line failed");
}

#[test]
fn a_line_goes_where_the_largest_share_of_the_places_is_free() {
    let house = House::new();
    House::live(async || {
        let (small, large) = (
            working(Duration::from_secs(1)),
            working(Duration::from_secs(1)),
        );
        let life = house.start_with(vec![
            part("small", &small, fixed(4)),
            part("large", &large, fixed(12)),
        ]);
        let few = life.create(&lines(8), None).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!((small.in_flight(), large.in_flight()), (2, 6));
        complete(&life, &few, 8).await;

        let began = Instant::now();
        let many = life.create(&lines(160), None).await;
        complete(&life, &many, 160).await;
        let took = began.elapsed();
        assert_eq!((small.in_flight_max(), large.in_flight_max()), (4, 12));
        assert!(took < Duration::from_secs(12), "{took:?}");
        life.stop().await;
    });
}

#[test]
fn each_upstream_gets_the_lines_of_the_models_that_it_serves() {
    let house = House::new();
    House::live(async || {
        let wait = Duration::from_millis(100);
        let (one, other, both) = (working(wait), working(wait), working(wait));
        other.list_models(Ok(serving(&["n"])));
        both.list_models(Ok(serving(&["n", "m"])));
        let life = house.start_with(vec![
            part("one", &one, fixed(4)),
            part("other", &other, fixed(4)),
            part("both", &both, fixed(4)),
        ]);
        let mixed = [lines_of("m", 0..100), lines_of("n", 100..200)].concat();
        let id = life.create(&mixed, None).await;
        complete(&life, &id, 200).await;
        let models = |upstream: &ScriptedUpstream| {
            let seen = upstream.seen();
            let mut models: Vec<String> = seen.into_iter().filter_map(|seen| seen.model).collect();
            models.sort_unstable();
            models.dedup();
            models
        };
        assert_eq!(models(&one), ["m"]);
        assert_eq!(models(&other), ["n"]);
        assert_eq!(models(&both), ["m", "n"]);
        let told = told_of(&life, "both").await;
        let listed: Vec<&str> = told.models.iter().map(|model| model.id.as_str()).collect();
        assert_eq!((listed, told.any_model), (vec!["n", "m"], false));
        life.stop().await;
    });
}

#[test]
fn an_upstream_in_doubt_gets_one_line_now_and_then_while_another_does_the_work() {
    let house = House::new();
    House::live(async || {
        let bad = upstream(Script::by(|_| Step::Reset));
        let fine = working(Duration::from_millis(100));
        let life = house.start_with(vec![
            part("bad", &bad, fixed(8)),
            part("fine", &fine, fixed(8)),
        ]);
        let id = life.create(&lines(2000), None).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        let told = told_of(&life, "bad").await;
        assert_eq!(told.health, UpstreamHealth::Parked);
        let why = told.reason.unwrap();
        assert!(why.contains("closed the connection"), "{why}");
        let told = told_of(&life, "fine").await;
        assert_eq!(
            (told.health, told.in_flight, told.limit),
            (UpstreamHealth::Healthy, 8, 8)
        );
        assert_eq!(reason(&life, &id).await, None, "lines move");
        complete(&life, &id, 2000).await;
        assert!(bad.seen().len() < 60, "{}", bad.seen().len());
        life.stop().await;
    });
}

#[test]
fn an_upstream_is_asked_no_more_often_than_its_rates() {
    let house = House::new();
    House::live(async || {
        let (asked, times) = timed(|_| good(Duration::from_millis(10)));
        let limits = UpstreamLimits {
            rpm: Some(12),
            ..fixed(8)
        };
        let life = house.start_with(vec![part("slow", &asked, limits)]);
        let id = life.create(&lines(12), None).await;
        tokio::time::sleep(Duration::from_millis(22_500)).await;
        let said = reason(&life, &id).await.unwrap();
        assert!(said.starts_with("upstream 'slow' has used its rate; it is asked again in"));
        complete(&life, &id, 12).await;
        let gaps = gaps(&times);
        // The budget holds one request; it may be a hair below nothing when the next one goes.
        let five = Duration::from_millis(4990)..Duration::from_millis(5020);
        assert!(
            gaps.iter().skip(1).all(|gap| five.contains(gap)),
            "{gaps:?}"
        );
        life.stop().await;
    });
    let house = House::new();
    House::live(async || {
        // Five tokens each, as the answer says, whatever they were reckoned to be before.
        let asked = working(Duration::from_millis(10));
        let limits = UpstreamLimits {
            tpm: Some(600),
            ..fixed(8)
        };
        let life = house.start_with(vec![part("slow", &asked, limits)]);
        let began = Instant::now();
        let id = life.create(&lines(60), None).await;
        complete(&life, &id, 60).await;
        let took = began.elapsed().as_secs_f64();
        assert!((28.0..34.0).contains(&took), "{took}");
        life.stop().await;
    });
}

#[test]
fn a_model_is_waited_for_until_every_upstream_has_said_that_it_does_not_serve_it() {
    let house = House::new();
    House::live(async || {
        let (one, late) = (working(Duration::ZERO), working(Duration::ZERO));
        one.list_models(Ok(serving(&["n"])));
        late.list_models(Err("it starts".to_owned()));
        let life = house.start_with(vec![
            part("one", &one, fixed(8)),
            part("late", &late, fixed(8)),
        ]);
        let id = life.create(&lines(3), None).await;
        tokio::time::sleep(Duration::from_mins(3)).await;
        let said = reason(&life, &id).await.unwrap();
        assert_eq!(
            said,
            "upstream 'late' did not give its list of models: it starts"
        );
        let told = told_of(&life, "late").await;
        assert_eq!(told.health, UpstreamHealth::Unknown);
        assert_eq!(told.reason.as_deref(), Some("it starts"));
        assert_eq!(life.batch(&id).await.state.status(), Status::InProgress);

        late.list_models(Ok(serving(&["x"])));
        let batch = life.end(&id, Duration::from_secs(3)).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        let results = life.results(&id, &ids(3)).await;
        assert!(
            results
                .error
                .values()
                .all(|line| line["response"]["status_code"] == 404)
        );
        assert_eq!(
            (results.error.len(), one.seen().len(), late.seen().len()),
            (3, 0, 0)
        );
        life.stop().await;
    });
}

#[test]
fn an_upstream_is_asked_for_its_list_each_minute_and_more_often_while_it_is_in_doubt() {
    let house = House::new();
    House::live(async || {
        let (fine, broken) = (
            working(Duration::from_millis(100)),
            upstream(Script::by(|_| Step::Reset)),
        );
        let life = house.start_with(vec![
            part("fine", &fine, fixed(1)),
            part("broken", &broken, fixed(1)),
        ]);
        let id = life.create(&lines(6000), None).await;
        tokio::time::sleep(5 * SOON).await;
        let asked = (fine.models_asked(), broken.models_asked());
        assert!((5..=8).contains(&asked.0), "{asked:?}");
        assert!((140..=170).contains(&asked.1), "{asked:?}");
        life.cancel(&id).await;
        life.end(&id, SOON).await;
        life.stop().await;
    });
}

#[test]
fn a_list_that_is_gone_changes_nothing_but_what_is_told_of_new_models() {
    let house = House::new();
    House::live(async || {
        let asked = working(Duration::from_millis(10));
        let life = house.start_with(vec![part("one", &asked, fixed(8))]);
        let id = life.create(&lines(3), None).await;
        complete(&life, &id, 3).await;
        asked.list_models(Ok(ModelList::NoList));
        tokio::time::sleep(2 * SOON).await;
        let id = life.create(&lines(3), None).await;
        complete(&life, &id, 3).await;
        let other = life.create(&lines_of("x", 0..2), None).await;
        tokio::time::sleep(2 * SOON).await;
        let said = reason(&life, &other).await.unwrap();
        assert!(said.ends_with("its list of models is gone"), "{said}");
        asked.list_models(Ok(serving(&["x"])));
        complete(&life, &other, 2).await;
        life.stop().await;
    });
}

#[test]
fn an_upstream_that_names_a_time_is_left_alone_until_then_and_its_batch_says_so() {
    let house = House::new();
    House::live(async || {
        let busy = || Answer::new(429, "{}").with_header("retry-after", "20");
        let (asked, times) = timed(move |number| match number {
            0 => Step::Answer(busy()),
            _ => good(Duration::from_millis(10)),
        });
        let life = house.start_with(vec![part("busy", &asked, fixed(1))]);
        let id = life.create(&lines(5), None).await;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let said = reason(&life, &id).await.unwrap();
        let start = "upstream 'busy' has too much to do; it is asked again in ";
        let seconds = said
            .strip_prefix(start)
            .and_then(|rest| rest.strip_suffix(" s"));
        let seconds: u64 = seconds.unwrap().parse().unwrap();
        assert!((17..=20).contains(&seconds), "{said}");
        assert_eq!(told_of(&life, "busy").await.reason, Some(said));
        complete(&life, &id, 5).await;
        let pause = gaps(&times)[0];
        assert!(pause >= Duration::from_secs(20), "{pause:?}");
        assert!(pause < Duration::from_secs(22), "{pause:?}");
        life.stop().await;
    });
}

#[test]
fn an_upstream_that_is_not_there_is_tried_again_after_longer_and_longer_pauses() {
    let house = House::new();
    House::live(async || {
        let (gone, times) = timed(|_| Step::Refuse);
        let life = house.start_with(vec![part("gone", &gone, fixed(1))]);
        let id = life.create(&lines(2), None).await;
        tokio::time::sleep(Duration::from_secs(31)).await;
        let said = reason(&life, &id).await.unwrap();
        assert!(said.starts_with("upstream 'gone' is parked: it "), "{said}");
        assert!(
            said.ends_with("; it is tried again within seconds"),
            "{said}"
        );
        let gaps: Vec<u128> = gaps(&times).iter().map(Duration::as_millis).collect();
        // A quarter of each is left to chance.
        let about = |gap: u128, wanted: u128| (wanted * 3 / 4..=wanted + 2).contains(&gap);
        let wanted = [250, 500, 1000, 2000, 4000, 5000, 5000, 5000, 5000];
        assert!(
            gaps.len() >= 9
                && gaps
                    .iter()
                    .zip(wanted)
                    .all(|(gap, wanted)| about(*gap, wanted)),
            "{gaps:?}"
        );
        life.cancel(&id).await;
        life.end(&id, SOON).await;
        life.stop().await;
    });
}

#[test]
fn an_upstream_that_vouches_for_itself_is_probed_more_often() {
    let house = House::new();
    House::live(async || {
        let (broken, times) = timed(|_| Step::Answer(Answer::new(500, "{}")));
        broken.go_down();
        let life = house.start_with(vec![part("broken", &broken, fixed(1))]);
        let id = life.create(&lines(2000), None).await;
        tokio::time::sleep(Duration::from_secs(40)).await;
        let last = gaps(&times).pop().unwrap();
        assert!(last >= Duration::from_millis(3750), "{last:?}");
        // Its health is asked for every two seconds while it is in doubt.
        broken.go_up();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let last = gaps(&times).pop().unwrap();
        assert!(last < Duration::from_millis(1100), "{last:?}");
        life.cancel(&id).await;
        life.end(&id, SOON).await;
        life.stop().await;
    });
}

#[test]
fn the_places_at_an_upstream_follow_what_its_gauges_say() {
    let most = |gauges: Option<Gauges>| {
        let house = House::new();
        House::live(async || {
            let asked = working(Duration::from_secs(1));
            asked.show_gauges(gauges);
            let limits = UpstreamLimits {
                limit_max: Some(200),
                ..UpstreamLimits::default()
            };
            let life = house.start_with(vec![part("one", &asked, limits)]);
            let id = life.create(&lines(4000), None).await;
            tokio::time::sleep(Duration::from_secs(20)).await;
            let told = told_of(&life, "one").await;
            assert!(told.limit.abs_diff(told.in_flight) < 10, "{told:?}");
            life.cancel(&id).await;
            life.end(&id, SOON).await;
            life.stop().await;
            told.limit
        })
    };
    let queueing = most(Some(Gauges {
        running: 10,
        waiting: 30,
    }));
    let idle = most(Some(Gauges {
        running: 200,
        waiting: 0,
    }));
    let unknown = most(None);
    assert!(queueing < 60, "{queueing}");
    assert_eq!((idle, unknown), (200, 200));
}

#[test]
fn a_batch_that_would_be_late_goes_before_the_others() {
    let house = House::new();
    House::live(async || {
        let asked = working(Duration::from_secs(1));
        let life = house.start_with(vec![part("one", &asked, fixed(10))]);
        let patient = life.create(&lines(2000), None).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let window = Duration::from_secs(50);
        let urgent = life.create(&lines(300), Some(window)).await;
        complete(&life, &urgent, 300).await;
        complete(&life, &patient, 2000).await;
        life.stop().await;
    });
}

#[test]
fn nothing_is_sent_while_the_disk_is_full_and_a_batch_can_be_cancelled_meanwhile() {
    let has_space = Arc::new(AtomicBool::new(false));
    let space = Arc::clone(&has_space);
    let mut house = House::new();
    house.settings.space = Space::new(move || space.load(Ordering::SeqCst));
    House::live(async || {
        let asked = working(Duration::from_millis(10));
        let life = house.start(&asked);
        let (id, other) = (
            life.create(&lines(5), None).await,
            life.create(&lines(5), None).await,
        );
        tokio::time::sleep(SOON).await;
        assert_eq!(asked.seen().len(), 0);
        assert_eq!(reason(&life, &id).await.as_deref(), Some(DISK_NEARLY_FULL));
        life.cancel(&other).await;
        let cancelled = life.end(&other, SOON).await;
        assert_eq!(ended(cancelled.as_ref()), Some(Status::Cancelled));
        has_space.store(true, Ordering::SeqCst);
        complete(&life, &id, 5).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(asked.seen().len(), 5);
        life.stop().await;
    });
}
