//! Traces reach a collector in its own words, and one that is away harms nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use overnight_engine::upstream::scripted::{Answer, Script, Seen, Step};
use overnight_testkit::server::ScriptedServer;
use prost::Message as _;
use tokio::runtime::Runtime;

use crate::common::{Client, Lines, serve};
use crate::scene::Sim;
use crate::support::{check_code, overnight};

/// Takes what it is sent, as a collector does.
struct Collector {
    server: Arc<ScriptedServer>,
    _runtime: Runtime,
}

impl Collector {
    fn start(status: u16) -> Self {
        let runtime = Runtime::new().unwrap();
        let script = Script::by(move |_| Step::Answer(Answer::new(status, "")));
        let server = runtime.block_on(ScriptedServer::start(script)).unwrap();
        Self {
            server: Arc::new(server),
            _runtime: runtime,
        }
    }

    /// Everything that it was sent, and what each request said of who sent it.
    fn spans(&self) -> (Vec<Span>, Vec<KeyValue>) {
        let (mut spans, mut about) = (Vec::new(), Vec::new());
        for seen in self.server.seen() {
            assert_eq!(seen.path, "/v1/traces");
            let sent = ExportTraceServiceRequest::decode(seen.body.clone()).unwrap();
            for resource in sent.resource_spans {
                about.extend(resource.resource.unwrap().attributes);
                let scopes = resource.scope_spans.into_iter();
                spans.extend(scopes.flat_map(|scope| scope.spans));
            }
        }
        (spans, about)
    }
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match &found.value {
        Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }) => Some(text),
        other => panic!("{key} is {other:?}"),
    }
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn has_header(seen: &Seen, name: &str, value: &str) -> bool {
    seen.header(name) == Some(value)
}

#[test]
fn a_batch_becomes_one_trace_at_a_collector_and_its_requests_carry_it_on() {
    const LINES: usize = 40;
    let collector = Collector::start(200);
    let sim = Sim::start(5, &[]);
    let configured = tempfile::tempdir().unwrap();
    let configuration = format!(
        "upstreams = [{{ name = \"gpu\", url = \"{}\" }}]\n[traces]\nurl = \"{}\"\nlines = 1\n",
        sim.url(),
        collector.server.url(),
    );
    let mut server = serve(configured.path(), &configuration);
    let client = Client::new(&server.base_url);
    let id = client.submit(&Lines::new("traced", LINES).bytes());
    client.until_status(&id, "completed");
    assert!(server.sigterm().success(), "the last spans go with it");

    let (spans, about) = collector.spans();
    assert_eq!(text(&about, "service.name"), Some("overnight"));
    let traces: BTreeSet<&[u8]> = spans.iter().map(|span| &span.trace_id[..]).collect();
    let spelled: String = traces
        .iter()
        .flat_map(|trace| trace.iter().map(|byte| format!("{byte:02x}")))
        .collect();
    assert_eq!(
        format!("batch_{spelled}"),
        id,
        "one trace, named by its batch"
    );
    let [batch] = named(&spans, "batch")[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(text(&batch.attributes, "batch.status"), Some("completed"));
    assert!(batch.parent_span_id.is_empty());
    assert!(batch.end_time_unix_nano > batch.start_time_unix_nano);
    assert_eq!(named(&spans, "line").len(), LINES);
    let attempts = named(&spans, "attempt");
    assert_eq!(attempts.len(), LINES);
    for attempt in attempts {
        assert_eq!(attempt.kind, SpanKind::Client as i32);
        assert_eq!(text(&attempt.attributes, "upstream.name"), Some("gpu"));
    }
    let known: BTreeSet<&[u8]> = spans.iter().map(|span| &span.span_id[..]).collect();
    assert_eq!(known.len(), spans.len(), "each span has a name of its own");
    let orphans = spans
        .iter()
        .filter(|span| !span.parent_span_id.is_empty())
        .filter(|span| !known.contains(&span.parent_span_id[..]));
    assert_eq!(orphans.count(), 0);
}

#[test]
fn a_collector_that_takes_nothing_is_named_once_and_harms_no_batch() {
    let collector = Collector::start(503);
    let configured = tempfile::tempdir().unwrap();
    let configuration = format!(
        "upstreams = [\"sim\"]\n[traces]\nurl = \"{}/v1/traces\"\nlines = 1\n",
        collector.server.url(),
    );
    let mut server = serve(configured.path(), &configuration);
    let client = Client::new(&server.base_url);
    for batch in 0..3 {
        let id = client.submit(&Lines::new(&format!("b{batch}"), 300).bytes());
        client.until_status(&id, "completed");
    }
    assert!(server.sigterm().success());
    let log = server.process().stderr();
    let told = log.matches("the collector takes no traces").count();
    assert_eq!(told, 1, "{log}");
    assert!(log.contains("it answered with status 503"), "{log}");
}

#[test]
fn a_run_without_a_server_is_traced_with_the_headers_of_the_environment() {
    let collector = Collector::start(200);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.jsonl"), Lines::new("r", 5).bytes()).unwrap();
    let output = overnight(folder.path())
        .args(["run", "in.jsonl", "--upstream", "sim", "-o", "out.jsonl"])
        .env("OVERNIGHT_TRACES__URL", collector.server.url())
        .env("OVERNIGHT_TRACES__LINES", "0")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=nights")
        .env("OTEL_SERVICE_NAME", "nightly")
        .env("OTEL_RESOURCE_ATTRIBUTES", "team=embeddings")
        .output()
        .unwrap();
    check_code(&output, 0);
    let (spans, about) = collector.spans();
    assert_eq!(text(&about, "service.name"), Some("nightly"));
    assert_eq!(text(&about, "team"), Some("embeddings"));
    assert_eq!(named(&spans, "batch").len(), 1);
    assert_eq!(named(&spans, "line").len(), 0);
    let seen = collector.server.seen();
    assert!(seen.iter().all(|seen| has_header(seen, "x-team", "nights")));
}
