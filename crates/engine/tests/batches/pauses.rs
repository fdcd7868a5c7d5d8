//! Batches that somebody pauses.

use std::time::Duration;

use overnight_core::batch::Status;
use overnight_core::id::{BatchId, ProjectId};
use overnight_engine::upstream::scripted::{Script, Step, chat_answer};
use overnight_store::Store as _;
use overnight_store::status::{BatchProgress, LimitedBy};

use crate::house::{House, Life, ended, fixed, ids, lines, lines_of, part, upstream};

const SOON: Duration = Duration::from_mins(1);

fn slow() -> Script {
    Script::by(|_| Step::Late {
        after: Duration::from_millis(200),
        answer: chat_answer("ok"),
    })
}

async fn progress(life: &Life, id: &BatchId) -> BatchProgress {
    let saved = life.store.progress(&ProjectId::default_project(), id).await;
    saved.unwrap().unwrap()
}

#[test]
fn a_paused_batch_sends_nothing_more_keeps_what_lands_and_goes_on_when_it_is_resumed() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(slow());
        let life = house.start(&upstream);
        let id = life.create(&lines(2000), None).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        life.set_paused(&id, true).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let sent = upstream.seen().len();
        assert!(sent > 8 && sent < 2000, "{sent}");
        tokio::time::sleep(Duration::from_mins(30)).await;
        assert_eq!(
            upstream.seen().len(),
            sent,
            "nothing was sent while it was paused"
        );
        assert_eq!(upstream.in_flight(), 0);
        let batch = life.batch(&id).await;
        assert_eq!(batch.state.status(), Status::InProgress);
        assert_eq!(
            batch.tally.ended(),
            sent as u64,
            "what was in flight was recorded"
        );
        let told = progress(&life, &id).await;
        assert_eq!(told.pace.limited_by, Some(LimitedBy::Paused));
        assert!(told.reason.unwrap().contains("paused"));

        life.set_paused(&id, false).await;
        let batch = life.end(&id, SOON).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        assert_eq!(life.results(&id, &ids(2000)).await.output.len(), 2000);
        assert_eq!(upstream.seen().len(), 2000, "each line was sent once");
        life.stop().await;
    });
}

#[test]
fn a_paused_batch_at_risk_of_its_deadline_sends_nothing_more_either() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(slow());
        let life = house.start_with(vec![part("one", &upstream, fixed(4))]);
        let other = life.create(&lines_of("m", 20_000..24_000), None).await;
        let window = Some(Duration::from_secs(30));
        let urgent = life.create(&lines_of("m", 10_000..12_000), window).await;
        tokio::time::sleep(Duration::from_millis(5050)).await;
        life.set_paused(&urgent, true).await;
        let sent_of_it = || {
            let its = |body: &[u8]| String::from_utf8_lossy(body).contains("<1");
            let seen = upstream.seen();
            seen.iter().filter(|seen| its(&seen.body)).count()
        };
        let sent = sent_of_it();
        assert!(sent > 0);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(sent_of_it(), sent);
        for id in [&urgent, &other] {
            life.cancel(id).await;
            life.end(id, SOON).await;
        }
        life.stop().await;
    });
}

#[test]
fn a_pause_outlives_the_process_and_another_batch_goes_past_it() {
    let house = House::new();
    let id = House::live(async || {
        let upstream = upstream(slow());
        let life = house.start(&upstream);
        let id = life.create(&lines(500), None).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        life.set_paused(&id, true).await;
        life.stop().await;
        id
    });
    House::live(async || {
        let upstream = upstream(slow());
        let life = house.start(&upstream);
        let other = life.create(&lines(20), None).await;
        assert_eq!(
            ended(life.end(&other, SOON).await.as_ref()),
            Some(Status::Completed)
        );
        assert_eq!(upstream.seen().len(), 20, "the paused batch sends nothing");
        life.set_paused(&id, false).await;
        assert_eq!(
            ended(life.end(&id, SOON).await.as_ref()),
            Some(Status::Completed)
        );
        life.results(&id, &ids(500)).await;
        life.stop().await;
    });
}

#[test]
fn a_paused_batch_is_cancelled_and_expires_like_any_other() {
    for cancels in [true, false] {
        let house = House::new();
        House::live(async || {
            let upstream = upstream(slow());
            let life = house.start(&upstream);
            let id = life
                .create(&lines(2000), Some(Duration::from_mins(1)))
                .await;
            tokio::time::sleep(Duration::from_millis(700)).await;
            life.set_paused(&id, true).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            let sent = upstream.seen().len();
            if cancels {
                life.cancel(&id).await;
            }
            let batch = life.end(&id, Duration::from_mins(2)).await;
            let expected = if cancels {
                Status::Cancelled
            } else {
                Status::Expired
            };
            assert_eq!(ended(batch.as_ref()), Some(expected));
            let results = life.results(&id, &ids(2000)).await;
            assert_eq!(
                (results.output.len(), results.error.len()),
                (sent, 2000 - sent)
            );
            life.stop().await;
        });
    }
}

#[test]
fn progress_tells_the_speed_the_latencies_and_a_history() {
    let house = House::new();
    House::live(async || {
        let upstream = upstream(Script::by(|_| Step::Late {
            after: Duration::from_secs(2),
            answer: chat_answer("ok"),
        }));
        let life = house.start(&upstream);
        let id = life.create(&lines(100_000), None).await;
        tokio::time::sleep(Duration::from_secs(45)).await;
        let told = progress(&life, &id).await;
        let latency = told.pace.latency.unwrap();
        assert_eq!((latency.p50, latency.max), (2000, 2000));
        let (least, most) = told.pace.eta_range_seconds.unwrap();
        let eta = told.eta_seconds.unwrap();
        assert!(
            least <= eta && eta <= most && most > 0,
            "{least} {eta} {most}"
        );
        assert!(told.pace.limit >= 8);
        // Each answer tells of three tokens in and two out.
        let pace = &told.pace;
        let tokens = [pace.input_tokens_per_second, pace.output_tokens_per_second];
        let wanted = [3.0, 2.0].map(|each| each * told.lines_per_second);
        for (tokens, wanted) in tokens.into_iter().zip(wanted) {
            assert!((tokens - wanted).abs() < 0.1, "{tokens} {wanted}");
        }
        assert_eq!(told.pace.history.len(), 5);
        let times: Vec<u64> = told.pace.history.iter().map(|at| at.at.seconds()).collect();
        assert!(
            times.windows(2).all(|pair| pair[1] - pair[0] == 10),
            "{times:?}"
        );
        life.cancel(&id).await;
        life.end(&id, SOON).await;
        life.stop().await;
    });
}
