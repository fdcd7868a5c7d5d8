//! One script, the same replies: from the upstream over HTTP and from the one in memory.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has to fail"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use overnight_core::attempt::{Form, NoAnswer, Reply};
use overnight_engine::lease::Leave;
use overnight_engine::upstream::answer::{AnswerBudget, AnswerLimits};
use overnight_engine::upstream::http::HttpUpstream;
use overnight_engine::upstream::scripted::{Answer, Script, ScriptedUpstream, Step, chat_answer};
use overnight_engine::upstream::settings::UpstreamSettings;
use overnight_engine::upstream::{Call, CallBody, Timeouts, Upstream};
use overnight_testkit::server::ScriptedServer;

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    head: Duration::from_millis(300),
    idle: Duration::from_millis(300),
};
const ANSWER_BYTES_MAX: u64 = 200_000;

fn budget() -> AnswerBudget {
    let limits = AnswerLimits::new(std::env::temp_dir());
    AnswerBudget::new(AnswerLimits {
        answer_bytes_max: ANSWER_BYTES_MAX,
        ..limits
    })
}

fn call() -> Call {
    Call {
        path: Arc::from("/v1/chat/completions"),
        model: Arc::from("m"),
        body: CallBody::Held(Bytes::from_static(br#"{"model":"m"}"#)),
        leave: Leave::default(),
        span: None,
    }
}

fn answered(status: u16, form: Form) -> Reply {
    Reply::Answered {
        status,
        form,
        retry_after: None,
    }
}

/// Plays `steps` on both and expects the same replies, bodies, tokens and request ids.
async fn check(steps: &[Step], expected: &[Reply]) {
    let server = ScriptedServer::start(Script::of(steps.to_vec()))
        .await
        .unwrap();
    let settings = UpstreamSettings::new(server.url());
    let http = HttpUpstream::new(settings, TIMEOUTS, budget()).unwrap();
    let memory = ScriptedUpstream::new(Script::of(steps.to_vec()), TIMEOUTS, budget());
    for (step, expected) in steps.iter().zip(expected) {
        let over_http = http.send(call()).await;
        let in_memory = memory.send(call()).await;
        let detail = over_http.detail.as_deref();
        assert_eq!(
            over_http.reply, *expected,
            "over HTTP: {step:?} ({detail:?})"
        );
        assert_eq!(in_memory.reply, *expected, "in memory: {step:?}");
        assert_eq!(over_http.usage, in_memory.usage, "{step:?}");
        assert_eq!(over_http.request_id, in_memory.request_id, "{step:?}");
        assert_eq!(over_http.body.len(), in_memory.body.len(), "{step:?}");
        assert_eq!(over_http.body.small(), in_memory.body.small(), "{step:?}");
        assert_eq!(detail.is_none(), is_clear(expected), "{step:?}");
    }
}

/// Whether a reply needs no further explanation.
fn is_clear(reply: &Reply) -> bool {
    matches!(
        reply,
        Reply::Answered { .. }
            | Reply::NoAnswer(NoAnswer::HeadTimeout | NoAnswer::IdleTimeout | NoAnswer::TooLarge)
    )
}

#[tokio::test]
async fn answers_of_every_kind() {
    let slow_down = Answer::new(429, r#"{"error":{}}"#).with_header("retry-after", "1.5");
    let bad_gateway = Answer::new(502, "<html>").with_header("content-type", "text/html");
    let odd_type = Answer {
        headers: Vec::new(),
        ..chat_answer("hi")
    };
    let steps = [
        Step::Answer(chat_answer("hi").with_header("x-request-id", "req-7")),
        Step::Answer(odd_type),
        Step::Answer(Answer::new(400, r#"{"error":{"message":"no"}}"#)),
        Step::Answer(slow_down),
        Step::Answer(Answer::new(500, r#"{"error":{}}"#)),
        Step::Answer(bad_gateway),
        Step::Answer(Answer::new(302, "").with_header("location", "http://127.0.0.1:1/")),
        Step::Answer(Answer::new(200, r#"{"cut": "#)),
        Step::Answer(Answer::new(200, b"{\"not\":\"utf-8 \xff\"}".as_slice())),
        Step::Late {
            after: Duration::from_millis(20),
            answer: chat_answer("late"),
        },
    ];
    let wait = Some(Duration::from_millis(1500));
    check(
        &steps,
        &[
            answered(200, Form::Json),
            answered(200, Form::Json),
            answered(400, Form::Json),
            Reply::Answered {
                status: 429,
                form: Form::Json,
                retry_after: wait,
            },
            answered(500, Form::Json),
            answered(502, Form::NotJson),
            answered(302, Form::NotJson),
            answered(200, Form::NotJson),
            answered(200, Form::NotJson),
            answered(200, Form::Json),
        ],
    )
    .await;
}

#[tokio::test]
async fn connections_that_are_lost() {
    let steps = [
        Step::Reset,
        Step::Answer(chat_answer("hi")),
        Step::LoseIdle,
        Step::Cut {
            answer: chat_answer("hi"),
            sent: 10,
        },
        Step::Cut {
            answer: chat_answer("hi"),
            sent: 0,
        },
        Step::Answer(chat_answer("hi")),
        Step::Reset,
        Step::Answer(chat_answer("hi")),
        Step::Refuse,
    ];
    check(
        &steps,
        &[
            Reply::NoAnswer(NoAnswer::Reset),
            answered(200, Form::Json),
            Reply::NoAnswer(NoAnswer::StaleConnection),
            Reply::NoAnswer(NoAnswer::CutBody),
            Reply::NoAnswer(NoAnswer::CutBody),
            answered(200, Form::Json),
            Reply::NoAnswer(NoAnswer::Reset),
            answered(200, Form::Json),
            Reply::NoAnswer(NoAnswer::Refused),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_upstream_that_is_not_there() {
    check(&[Step::Refuse], &[Reply::NoAnswer(NoAnswer::Refused)]).await;
}

#[tokio::test]
async fn answers_that_do_not_come() {
    let late = Duration::from_hours(1);
    let steps = [
        Step::Silent,
        Step::Late {
            after: late,
            answer: chat_answer("never"),
        },
        Step::Stall {
            answer: chat_answer("hi"),
            sent: 10,
        },
        Step::Stall {
            answer: chat_answer("hi"),
            sent: 0,
        },
    ];
    check(
        &steps,
        &[
            Reply::NoAnswer(NoAnswer::HeadTimeout),
            Reply::NoAnswer(NoAnswer::HeadTimeout),
            Reply::NoAnswer(NoAnswer::IdleTimeout),
            Reply::NoAnswer(NoAnswer::IdleTimeout),
        ],
    )
    .await;
}

#[tokio::test]
async fn answers_that_are_large() {
    let bound = usize::try_from(ANSWER_BYTES_MAX).unwrap();
    let string_of = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let steps = [
        Step::Answer(Answer::new(200, string_of(bound))),
        Step::Answer(Answer::new(200, "x".repeat(bound))),
        Step::Answer(Answer::new(200, string_of(bound + 1))),
        Step::Endless,
    ];
    check(
        &steps,
        &[
            answered(200, Form::Json),
            answered(200, Form::NotJson),
            Reply::NoAnswer(NoAnswer::TooLarge),
            Reply::NoAnswer(NoAnswer::TooLarge),
        ],
    )
    .await;
}
