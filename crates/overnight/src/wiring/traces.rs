//! Traces, sent to a collector that speaks OpenTelemetry's protocol over HTTP.
//!
//! Spans are gathered and sent by a thread of their own. When they come faster than the collector takes
//! them, or it takes none, they are dropped: no line ever waits for one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry::trace::{
    Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SpanData, SpanEvents, SpanExporter as _, SpanLinks, SpanProcessor as _,
};
use overnight_core::time::Timestamp;
use overnight_engine::trace::{Fact, Span, Tracer, Tracing};
use overnight_engine::upstream::http::tls_config;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::config::traces::TracesSection;

/// How long a collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end of the process waits for the last spans to be taken.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is read; it says no more than how many spans were refused.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What a process that has a name of its own is called in traces.
const NAME_VARIABLE: &str = "OTEL_SERVICE_NAME";

/// Sends spans to a collector.
pub(crate) struct Traces {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

/// Who is told of spans by these settings; `None` when nobody is. Must be called within a runtime.
///
/// # Errors
///
/// This system trusts no certificates, and the collector is asked over TLS.
pub(crate) fn tracing(
    settings: &TracesSection,
    environment: &BTreeMap<String, String>,
) -> anyhow::Result<Option<(Tracing, Last)>> {
    let Some(url) = settings.collector()? else {
        return Ok(None);
    };
    let client = CollectorClient::new(&url)?;
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(url.to_string())
        .build()
        .context("the exporter of traces cannot be made")?;
    exporter.set_resource(&resource(environment));
    let processor = BatchSpanProcessor::builder(exporter).build();
    let scope = InstrumentationScope::builder("overnight")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build();
    let traces = Arc::new(Traces { processor, scope });
    let last = Last(Arc::clone(&traces));
    let tracing = Tracing {
        tracer: traces,
        line_share: settings.lines.0,
    };
    Ok(Some((tracing, last)))
}

fn resource(environment: &BTreeMap<String, String>) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    if environment.contains_key(NAME_VARIABLE) {
        resource.build()
    } else {
        resource.with_service_name("overnight").build()
    }
}

/// The end of the traces of a process.
pub(crate) struct Last(Arc<Traces>);

impl Last {
    /// Sends what is left, for a few seconds at most.
    pub(crate) async fn send(self) {
        let sent = tokio::task::spawn_blocking(move || {
            self.0.processor.shutdown_with_timeout(LAST_PATIENCE)
        });
        if let Ok(Err(error)) = sent.await {
            tracing::warn!(%error, "the last traces were not taken");
        }
    }
}

impl Tracer for Traces {
    fn record(&self, span: Span) {
        self.processor.on_end(self.data(span));
    }
}

impl Traces {
    /// A span in OpenTelemetry's words.
    fn data(&self, span: Span) -> SpanData {
        let context = SpanContext::new(
            TraceId::from(span.context.trace),
            SpanId::from(span.context.span),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        );
        let start_time = UNIX_EPOCH + Duration::from_micros(span.began.micros());
        let kind = if span.is_request() {
            SpanKind::Client
        } else {
            SpanKind::Internal
        };
        let mut events = SpanEvents::default();
        events.events = span.moments.into_iter().map(event).collect();
        SpanData {
            span_context: context,
            parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: false,
            span_kind: kind,
            name: span.name.into(),
            start_time,
            end_time: start_time + span.took,
            attributes: span.facts.into_iter().map(attribute).collect(),
            dropped_attributes_count: 0,
            events,
            links: SpanLinks::default(),
            status: span.fault.map_or(Status::Unset, Status::error),
            instrumentation_scope: self.scope.clone(),
        }
    }
}

fn event((name, at): (&'static str, Timestamp)) -> Event {
    let at = UNIX_EPOCH + Duration::from_micros(at.micros());
    Event::new(name, at, Vec::new(), 0)
}

fn attribute((key, fact): (&'static str, Fact)) -> KeyValue {
    match fact {
        Fact::Text(text) => KeyValue::new(key, text),
        // The protocol knows signed numbers alone.
        Fact::Number(number) => KeyValue::new(key, i64::try_from(number).unwrap_or(i64::MAX)),
    }
}

/// Takes requests from the thread of the spans to the runtime, and logs when the collector begins or
/// ceases to take them.
struct CollectorClient {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    is_failing: AtomicBool,
}

impl CollectorClient {
    fn new(url: &Uri) -> anyhow::Result<Self> {
        let is_tls = url.scheme() == Some(&http::uri::Scheme::HTTPS);
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(is_tls)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self {
            http: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build(connector),
            runtime: Handle::current(),
            is_failing: AtomicBool::new(false),
        })
    }

    fn note(&self, sent: &Result<Response<Bytes>, HttpError>) {
        let fault = match sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answered with status {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        let was_failing = self.is_failing.swap(fault.is_some(), Ordering::Relaxed);
        match fault {
            Some(error) if !was_failing => {
                tracing::warn!(
                    error,
                    "the collector takes no traces; they are dropped until it does"
                );
            }
            None if was_failing => tracing::info!("the collector takes traces again"),
            Some(_) | None => {}
        }
    }
}

impl fmt::Debug for CollectorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectorClient").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let exchange = async move {
            let (head, body) = http.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
            Ok::<_, HttpError>(Response::from_parts(head, body.to_bytes()))
        };
        let asked = self
            .runtime
            .spawn(async move { timeout(PATIENCE, exchange).await });
        let sent = match asked.await {
            Ok(Ok(answered)) => answered,
            Ok(Err(late)) => Err(late.into()),
            Err(ended) => Err(ended.into()),
        };
        self.note(&sent);
        sent
    }
}
