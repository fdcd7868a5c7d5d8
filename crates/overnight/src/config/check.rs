//! What the form of a value does not say: bounds, and settings that must agree with each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use http::{HeaderName, HeaderValue};
use overnight_engine::upstream::http::HttpUpstream;
use overnight_sim::settings::SimError;
use tracing_subscriber::EnvFilter;

use super::keys::check_project;
use super::role::ProcessRole;
use super::settings::Settings;
use super::units::{Size, Span};
use super::upstreams::UpstreamSection;

/// The smallest `limits.line_bytes_max` that makes sense.
const LINE_BYTES_LEAST: Size = Size(1024);

/// The largest `limits.line_bytes_max`: a line's length is kept in 32 bits.
const LINE_BYTES_MOST: Size = Size::mib(2048);

/// The smallest `limits.head_bytes_max`: what clients send of their own accord must fit in it.
const HEAD_BYTES_LEAST: Size = Size(4 << 10);

/// The largest `limits.head_bytes_max`: each connection may hold as much and more.
const HEAD_BYTES_MOST: Size = Size::mib(1);

/// The most `limits.headers_max`: a place is kept for each, for each request.
const HEADERS_MOST: u32 = 10_000;

/// The shortest time that a database is given; it takes none for no bound.
const TIMEOUT_LEAST: Span = Span::millis(100);

/// The shortest lease: a worker renews every 0.8 seconds, and must have a chance to do it again.
const LEASE_LEAST: Span = Span::seconds(2);

/// The longest name of a schema of which PostgreSQL keeps every byte, with what is put behind it.
const NAME_MOST: usize = 50;

/// Everything that is wrong, as keys and messages.
struct Found(Vec<(String, String)>);

impl Found {
    fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push((key.into(), message.into()));
    }
}

/// Looks for values that no run could use; answers keys and messages.
pub(crate) fn check(
    settings: &Settings,
    environment: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let mut found = Found(Vec::new());
    check_listen(settings, &mut found);
    check_metrics_listen(settings, &mut found);
    found.0.extend(settings.keys.check());
    check_windows(settings, &mut found);
    check_bounds(settings, &mut found);
    let mut names = BTreeSet::new();
    for (index, upstream) in settings.upstreams.0.iter().enumerate() {
        let key = format!("upstreams.{index}");
        check_upstream(upstream, &key, environment, &mut found);
        if let Some(name) = &upstream.name
            && !names.insert(name)
        {
            found.add(
                format!("{key}.name"),
                format!("\"{name}\" is the name of another upstream"),
            );
        }
    }
    check_store(settings, &mut found);
    if let Err(error) = settings.traces.collector() {
        found.add(
            "traces.url",
            format!("must be the URL of a collector: {error}"),
        );
    }
    if let Err(SimError::Setting { key, message }) = settings.sim.0.check() {
        found.add(format!("sim.{key}"), message);
    }
    found.0
}

fn check_blobs(settings: &Settings, found: &mut Found) {
    let Some(url) = &settings.blobs else {
        return;
    };
    if let Err(error) = url.settings(&BTreeMap::new()) {
        found.add("blobs", format!("must be the URL of a bucket: {error}"));
    } else if settings.store.is_none() {
        let message = "goes with a database on a server: name that with `--store`";
        found.add("blobs", message);
    }
}

fn check_store(settings: &Settings, found: &mut Found) {
    let section = &settings.postgres;
    if settings.role != ProcessRole::All && settings.store.is_none() {
        let message = "is one part of several processes on one database: name that with `--store`";
        found.add("role", message);
    }
    if let Some(url) = &settings.store
        && let Err(error) = url.settings(section)
    {
        found.add("store", format!("must be the URL of a database: {error}"));
    }
    check_blobs(settings, found);
    for (key, span, least) in [
        ("connect_timeout", section.connect_timeout, TIMEOUT_LEAST),
        (
            "statement_timeout",
            section.statement_timeout,
            TIMEOUT_LEAST,
        ),
        ("lease", section.lease, LEASE_LEAST),
    ] {
        if span < least {
            found.add(
                format!("postgres.{key}"),
                format!("must be at least {least}"),
            );
        }
    }
    if section.schema.is_empty() || section.schema.len() > NAME_MOST {
        let message = format!("must have from 1 to {NAME_MOST} bytes");
        found.add("postgres.schema", message);
    }
    if section.connections_max == 0 {
        found.add("postgres.connections_max", "must be at least 1");
    }
}

/// Whether an address as it is set leads to this machine only.
pub(crate) fn is_loopback(listen: &str) -> bool {
    match listen.parse::<SocketAddr>() {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => listen.rsplit_once(':').is_some_and(|(host, _)| {
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }),
    }
}

/// Whether a text is HOST:PORT.
fn is_address(listen: &str) -> bool {
    let port = listen
        .rsplit_once(':')
        .map(|(host, port)| (host, port.parse::<u16>()));
    matches!(port, Some((host, Ok(_))) if !host.is_empty())
}

fn check_listen(settings: &Settings, found: &mut Found) {
    let listen = &settings.listen;
    let has_keys = !settings.keys.0.is_empty();
    if !is_address(listen) {
        let message = format!("must be HOST:PORT, such as 127.0.0.1:8080, not \"{listen}\"");
        found.add("listen", message);
    } else if !is_loopback(listen) && !settings.no_auth && !has_keys {
        let message = format!(
            "{listen} can be reached from other machines, and there are no API keys: anybody could \
             read every file. Make a key with `overnight key new`, listen on 127.0.0.1, or say \
             `--no-auth` when the network is trusted"
        );
        found.add("listen", message);
    }
    if settings.no_auth && has_keys {
        let message =
            "there are API keys, and this would serve without them: remove one of the two";
        found.add("no_auth", message);
    }
}

fn check_metrics_listen(settings: &Settings, found: &mut Found) {
    let Some(listen) = &settings.metrics_listen else {
        return;
    };
    if !is_address(listen) {
        let message = format!("must be HOST:PORT, such as 127.0.0.1:9090, not \"{listen}\"");
        found.add("metrics_listen", message);
    } else if *listen == settings.listen && !listen.ends_with(":0") {
        let message = "must be another address than `listen`, which serves `/metrics` as well";
        found.add("metrics_listen", message);
    }
}

fn check_windows(settings: &Settings, found: &mut Found) {
    if settings.windows.0.is_empty() {
        found.add(
            "windows",
            "must hold at least one completion window, such as \"24h\"",
        );
    }
    for (index, window) in settings.windows.0.iter().enumerate() {
        if Span::parse(window).is_none_or(|span| span.0.is_zero()) {
            let message = format!("must be a length of time such as \"24h\", not \"{window}\"");
            found.add(format!("windows.{index}"), message);
        }
    }
    for (index, endpoint) in settings.endpoints.0.iter().enumerate() {
        let is_path =
            endpoint.starts_with('/') && endpoint.parse::<http::uri::PathAndQuery>().is_ok();
        if !is_path || endpoint.contains(['?', '#']) {
            let message = format!("must be a path such as \"/v1/rerank\", not \"{endpoint}\"");
            found.add(format!("endpoints.{index}"), message);
        }
    }
}

fn check_bounds(settings: &Settings, found: &mut Found) {
    let line = settings.limits.line_bytes_max;
    if !(LINE_BYTES_LEAST..=LINE_BYTES_MOST).contains(&line) {
        let message = format!("must be from {LINE_BYTES_LEAST} to {LINE_BYTES_MOST}, not {line}");
        found.add("limits.line_bytes_max", message);
    }
    if settings.attempts_max == 0 {
        found.add("attempts_max", "must be at least 1");
    }
    if settings.limits.models_max == 0 {
        found.add("limits.models_max", "must be at least 1");
    }
    if settings.memory.answer_bytes_max.0 == 0 {
        found.add("memory.answer_bytes_max", "must be more than 0");
    }
    check_clients(settings, found);
    for (key, span) in [
        ("timeouts.connect", settings.timeouts.connect),
        ("timeouts.head", settings.timeouts.head),
        ("timeouts.idle", settings.timeouts.idle),
        ("timeouts.client_head", settings.timeouts.client_head),
        ("timeouts.client_body", settings.timeouts.client_body),
        ("timeouts.client_idle", settings.timeouts.client_idle),
        ("timeouts.client_read", settings.timeouts.client_read),
        ("retention.uploads", settings.retention.uploads),
        ("flush.age", settings.flush.age),
    ] {
        if span.0.is_zero() {
            found.add(key, "must be more than 0");
        }
    }
    if EnvFilter::try_new(&settings.log.level).is_err() {
        let message = format!(
            "must be error, warn, info, debug, trace or a filter such as info,hyper=warn, not \"{}\"",
            settings.log.level
        );
        found.add("log.level", message);
    }
    if HeaderValue::from_str(&settings.organization).is_err() {
        found.add(
            "organization",
            "must be a text that can stand in an HTTP header",
        );
    }
    if let Some(Err(message)) = settings.project.as_deref().map(check_project) {
        found.add("project", message);
    }
}

/// What is asked at a time, and how.
fn check_clients(settings: &Settings, found: &mut Found) {
    let limits = &settings.limits;
    for (key, most) in [
        ("limits.connections_max", limits.connections_max),
        ("limits.requests_max", limits.requests_max),
        ("limits.uploads_max", limits.uploads_max),
        ("limits.downloads_max", limits.downloads_max),
        ("limits.streams_max", limits.streams_max),
    ] {
        if most == 0 {
            found.add(key, "must be at least 1");
        }
    }
    let head = limits.head_bytes_max;
    if !(HEAD_BYTES_LEAST..=HEAD_BYTES_MOST).contains(&head) {
        let message = format!("must be from {HEAD_BYTES_LEAST} to {HEAD_BYTES_MOST}, not {head}");
        found.add("limits.head_bytes_max", message);
    }
    if !(1..=HEADERS_MOST).contains(&limits.headers_max) {
        let message = format!(
            "must be from 1 to {HEADERS_MOST}, not {}",
            limits.headers_max
        );
        found.add("limits.headers_max", message);
    }
}

fn check_upstream(
    upstream: &UpstreamSection,
    key: &str,
    environment: &BTreeMap<String, String>,
    found: &mut Found,
) {
    let url = &upstream.url.0;
    let schemes = ["http://", "https://", "unix:"];
    if url.is_empty() {
        found.add(format!("{key}.url"), "is missing: say where the server is");
    } else if !upstream.is_sim() && !schemes.iter().any(|scheme| url.starts_with(scheme)) {
        let masked = upstream.url.masked();
        let message =
            format!("must begin with http://, https:// or unix:, or be sim, not \"{masked}\"");
        found.add(format!("{key}.url"), message);
    } else {
        check_set_up(upstream, key, environment, found);
    }
    if let Some(variable) = &upstream.api_key_env
        && environment
            .get(variable)
            .is_none_or(|value| value.trim().is_empty())
    {
        let message = format!("the environment variable {variable} is not set");
        found.add(format!("{key}.api_key_env"), message);
    }
    for (name, value) in &upstream.headers.0 {
        if !is_header(name, value) {
            let message = format!("\"{name}\" and its value cannot stand in an HTTP request");
            found.add(format!("{key}.headers"), message);
        }
    }
    let small = |number: Option<u64>| number == Some(0);
    for (name, number) in [
        ("limit", upstream.limit.map(u64::from)),
        ("limit_max", upstream.limit_max.map(u64::from)),
        ("rpm", upstream.rpm.map(u64::from)),
        ("tpm", upstream.tpm),
    ] {
        if small(number) {
            found.add(format!("{key}.{name}"), "must be at least 1");
        }
    }
}

/// Looks for what would keep the engine from setting the upstream up, in the engine's words.
fn check_set_up(
    upstream: &UpstreamSection,
    key: &str,
    environment: &BTreeMap<String, String>,
    found: &mut Found,
) {
    let url = if upstream.is_sim() {
        "http://localhost".to_owned()
    } else {
        upstream.url.0.clone()
    };
    let mut settings = upstream.settings(url, environment);
    // A variable that is not set, or a header that is none, is told in words of its own.
    settings.api_key = settings.api_key.filter(|key| !key.expose().is_empty());
    let is_header = |(name, value): &(String, String)| is_header(name, value);
    settings.headers.retain(is_header);
    let Err(error) = HttpUpstream::check(&settings) else {
        return;
    };
    let field = match error.field {
        "api_key" => "api_key_env",
        field => field,
    };
    let source = error.source.as_ref();
    let cause = source.map_or_else(String::new, |cause| format!(" ({cause})"));
    found.add(format!("{key}.{field}"), error.problem + &cause);
}

fn is_header(name: &str, value: &str) -> bool {
    name.parse::<HeaderName>().is_ok() && HeaderValue::from_str(value).is_ok()
}
