//! What is told of the course of a batch, for whoever draws traces.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overnight_core::batch::Status;
use overnight_engine::trace::{Fact, Span, Tracer, Tracing};
use overnight_engine::upstream::scripted::{Answer, Script, Step, chat_answer};

use crate::house::{House, ended, lines, upstream};

/// How long a batch may take in these tests.
const PATIENCE: Duration = Duration::from_mins(30);

/// Keeps what it is told.
#[derive(Default)]
struct Notebook(Mutex<Vec<Span>>);

impl Tracer for Notebook {
    fn record(&self, span: Span) {
        self.0.lock().unwrap().push(span);
    }
}

impl Notebook {
    /// What it was told so far, by name.
    fn named(&self, name: &str) -> Vec<Span> {
        let spans = self.0.lock().unwrap();
        spans
            .iter()
            .filter(|span| span.name == name)
            .cloned()
            .collect()
    }

    fn one(&self, name: &str) -> Span {
        let [span] = <[Span; 1]>::try_from(self.named(name)).unwrap();
        span
    }
}

fn traced(line_share: f64) -> (House, Arc<Notebook>) {
    let notebook = Arc::new(Notebook::default());
    let tracing = Tracing {
        tracer: Arc::clone(&notebook) as Arc<dyn Tracer>,
        line_share,
    };
    (House::traced(tracing), notebook)
}

fn fact<'a>(span: &'a Span, key: &str) -> &'a Fact {
    let found = span.facts.iter().find(|(name, _)| *name == key);
    &found
        .unwrap_or_else(|| panic!("{span:?} says nothing of {key}"))
        .1
}

fn number(span: &Span, key: &str) -> u64 {
    match fact(span, key) {
        Fact::Number(number) => *number,
        Fact::Text(text) => panic!("{key} is {text}"),
    }
}

fn always(step: Step) -> Script {
    Script::by(move |_| step.clone())
}

/// Answers after half a second; the second request with a 500.
fn second_fails() -> Script {
    let asked = AtomicUsize::new(0);
    Script::by(move |_| {
        let answer = match asked.fetch_add(1, Ordering::SeqCst) {
            1 => Answer::new(500, r#"{"error":{"message":"no"}}"#),
            _ => chat_answer("ok"),
        };
        Step::Late {
            after: Duration::from_millis(500),
            answer,
        }
    })
}

#[test]
fn a_batch_is_one_trace_down_to_each_attempt() {
    let (house, notebook) = traced(1.0);
    let scripted = upstream(second_fails());
    let batch = House::live(async || {
        let life = house.start(&scripted);
        let id = life.create(&lines(5), None).await;
        let batch = life.end(&id, PATIENCE).await;
        life.stop().await;
        batch
    });
    assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
    let batch = batch.unwrap();

    let whole = notebook.one("batch");
    let spelled = format!("batch_{:032x}", whole.context.trace);
    assert_eq!(spelled, batch.id.as_str(), "the id of a batch is its trace");
    assert_eq!((whole.parent, whole.began), (None, batch.created_at));
    assert_eq!(number(&whole, "batch.completed"), 5);
    assert_eq!(fact(&whole, "batch.status"), &Fact::from("completed"));
    let moments: Vec<&str> = whole.moments.iter().map(|(name, _)| *name).collect();
    assert_eq!(moments, ["in_progress", "finalizing"]);

    let run = notebook.one("run");
    assert_eq!(run.parent, Some(whole.context.span));
    for stage in ["validate", "seal"] {
        assert_eq!(notebook.one(stage).parent, Some(run.context.span));
    }
    let line_spans = notebook.named("line");
    assert_eq!(line_spans.len(), 5);
    let attempts = notebook.named("attempt");
    assert_eq!(attempts.len(), 6, "one was repeated");
    let by_line: BTreeMap<u64, &Span> = line_spans
        .iter()
        .map(|span| (span.context.span, span))
        .collect();
    for attempt in &attempts {
        let line = by_line[&attempt.parent.unwrap()];
        assert_eq!(line.parent, Some(run.context.span));
        assert!(attempt.is_request() && !line.is_request());
        assert_eq!(number(line, "line.no"), number(attempt, "line.no"));
        assert!(line.took >= attempt.took && attempt.took >= Duration::from_millis(500));
        assert_eq!(attempt.context.trace, whole.context.trace);
    }
    let failed: Vec<&Span> = attempts
        .iter()
        .filter(|attempt| attempt.fault.is_some())
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(number(failed[0], "http.response.status_code"), 500);
    let repeated = by_line[&failed[0].parent.unwrap()];
    assert_eq!((number(repeated, "attempts"), &repeated.fault), (2, &None));

    // The upstream is told which span it works in.
    let told: Vec<String> = scripted
        .seen()
        .iter()
        .map(|seen| seen.header("traceparent").unwrap().to_owned())
        .collect();
    let mut spans: Vec<String> = attempts
        .iter()
        .map(|span| span.context.to_string())
        .collect();
    let mut sorted = told;
    sorted.sort();
    spans.sort();
    assert_eq!(sorted, spans);
    assert_eq!(
        spans
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        6
    );
}

#[test]
fn of_many_lines_only_the_share_that_is_asked_for_is_told() {
    const LINES: usize = 2_000;
    let (house, notebook) = traced(0.1);
    let scripted = upstream(always(Step::Answer(chat_answer("ok"))));
    let batch = House::live(async || {
        let life = house.start(&scripted);
        let id = life.create(&lines(LINES), None).await;
        let batch = life.end(&id, PATIENCE).await;
        life.stop().await;
        batch
    });
    assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
    let told = notebook.named("line").len();
    assert!((140..=260).contains(&told), "{told} of {LINES} lines");
    assert_eq!(notebook.named("attempt").len(), told);
    let seen = scripted.seen();
    let with_parent = seen
        .iter()
        .filter(|seen| seen.header("traceparent").is_some());
    assert_eq!(with_parent.count(), told);
}

#[test]
fn a_batch_that_two_processes_ran_is_one_trace_with_two_runs() {
    let (house, notebook) = traced(0.0);
    let slow = always(Step::Late {
        after: Duration::from_secs(5),
        answer: chat_answer("ok"),
    });
    let id = House::live(async || {
        let life = house.start(&upstream(slow));
        let id = life.create(&lines(700), None).await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        life.stop().await;
        id
    });
    let first = notebook.one("run");
    assert_eq!(fact(&first, "run.end"), &Fact::from("released"));
    assert_eq!(notebook.named("batch"), [], "it has not ended");
    House::live(async || {
        let quick = always(Step::Answer(chat_answer("ok")));
        let life = house.start(&upstream(quick));
        let batch = life.end(&id, PATIENCE).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Completed));
        life.stop().await;
    });
    let whole = notebook.one("batch");
    let runs = notebook.named("run");
    assert_eq!(runs.len(), 2);
    assert_ne!(runs[0].context.span, runs[1].context.span);
    for run in &runs {
        assert_eq!(run.parent, Some(whole.context.span));
        assert_eq!(run.context.trace, whole.context.trace);
    }
    assert_eq!(notebook.named("line"), [], "no line is asked for");
}

#[test]
fn a_line_that_is_cut_off_by_a_cancel_is_told_as_one() {
    let (house, notebook) = traced(1.0);
    let failing = always(Step::Answer(Answer::new(500, "{}")));
    House::live(async || {
        let life = house.start(&upstream(failing));
        let id = life.create(&lines(3), None).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        life.cancel(&id).await;
        let batch = life.end(&id, PATIENCE).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Cancelled));
        life.stop().await;
    });
    let told: Vec<u64> = notebook
        .named("line")
        .iter()
        .map(|span| span.context.span)
        .collect();
    let attempts = notebook.named("attempt");
    assert!(!attempts.is_empty());
    for attempt in attempts {
        assert!(told.contains(&attempt.parent.unwrap()), "{attempt:?}");
    }
}

#[test]
fn a_batch_that_is_refused_says_why() {
    let (house, notebook) = traced(1.0);
    let scripted = upstream(always(Step::Answer(chat_answer("ok"))));
    House::live(async || {
        let life = house.start(&scripted);
        let id = life.create(&["{\"custom_id\":1}\n".to_owned()], None).await;
        let batch = life.end(&id, PATIENCE).await;
        assert_eq!(ended(batch.as_ref()), Some(Status::Failed));
        life.stop().await;
    });
    let fault = notebook.one("validate").fault.unwrap();
    assert_eq!(fault, "Missing required parameter: 'method'.");
    let whole = notebook.one("batch");
    assert_eq!(whole.fault.as_deref(), Some("the batch is failed"));
    assert_eq!(notebook.named("seal"), []);
}
