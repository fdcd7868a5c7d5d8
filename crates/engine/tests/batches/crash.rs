//! Every call of the store goes wrong once, in three ways, and no line is lost or doubled.

use std::sync::Arc;
use std::time::Duration;

use overnight_core::batch::Status;
use overnight_engine::upstream::scripted::{Script, Step, chat_answer};
use overnight_store::faulty::{Fault, Faulty};

use crate::house::{House, ended, ids, lines, upstream};

const LINES: usize = 40;

/// Nothing takes longer than this when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

fn script() -> Script {
    Script::by(|_| Step::Late {
        after: Duration::from_millis(50),
        answer: chat_answer("ok"),
    })
}

/// Lets the call of that number go wrong, kills the engine if that stops it, and lets another end
/// the batch. Answers how many calls there were.
fn survive(call: u64, fault: Fault) -> u64 {
    let house = House::new();
    let (id, calls) = House::live(async || {
        let plan = move |_: &str, number| if number == call { fault } else { Fault::None };
        let clean = house.open();
        let store = Arc::new(Faulty::new(clean.clone(), plan));
        let life = house.start_on(clean, Arc::clone(&store) as _, &upstream(script()));
        let id = life.create(&lines(LINES), None).await;
        life.end(&id, PATIENCE).await;
        (id, store.calls())
    });
    House::live(async || {
        let life = house.start(&upstream(script()));
        let batch = life.end(&id, PATIENCE).await;
        assert_eq!(
            ended(batch.as_ref()),
            Some(Status::Completed),
            "call {call}, {fault:?}"
        );
        life.results(&id, &ids(LINES)).await;
        life.stop().await;
    });
    calls
}

#[test]
fn every_call_of_the_store_may_go_wrong() {
    let calls = survive(u64::MAX, Fault::None);
    assert!(
        calls >= 12,
        "{calls} calls only: the faults would not reach the batch's whole life"
    );
    for fault in [Fault::Fail, Fault::DoThenFail, Fault::Hang] {
        for call in 0..calls {
            survive(call, fault);
        }
    }
}
