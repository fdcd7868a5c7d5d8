//! What holds whatever a client sends: an answer that is described, no failure of the server, and
//! readers that agree with slow and simple ones.

use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Map, json};

use super::engine::Running;
use super::*;
use crate::credential::{Credential, masked};
use crate::json::Members;
use crate::path::tidied;
use crate::query::Query;

/// The same cases at every run.
pub(crate) fn seeded(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(17),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// What a client may send.
#[derive(Clone, Debug)]
struct Sent {
    method: Method,
    target: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
}

/// A part of a path: a word that leads somewhere, an id, or anything.
fn part() -> impl Strategy<Value = String> {
    let words = [
        "v1",
        "files",
        "uploads",
        "batches",
        "models",
        "admin",
        "upstreams",
        "content",
        "cancel",
        "results",
        "progress",
        "parts",
        "complete",
        "health",
        "",
        "FILE",
        "BATCH",
        "batch_x",
    ];
    let any = prop::collection::vec(any::<u8>(), 0..12)
        .prop_map(|bytes| percent_encode(&bytes, NON_ALPHANUMERIC).to_string());
    prop_oneof![8 => prop::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => any]
}

fn path() -> impl Strategy<Value = String> {
    let known = [
        "/v1/files",
        "/v1/files/FILE",
        "/v1/files/FILE/content",
        "/v1/uploads",
        "/v1/uploads/upload_x/parts",
        "/v1/uploads/upload_x/complete",
        "/v1/batches",
        "/v1/batches/BATCH",
        "/v1/batches/BATCH/cancel",
        "/v1/batches/BATCH/results",
        "/v1/models/a%2Fb",
    ];
    prop_oneof![
        3 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => prop::collection::vec(part(), 1..6).prop_map(|parts| format!("/{}", parts.join("/"))),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let names = ["limit", "after", "order", "purpose", "file", "offset", "x"];
    let values = [
        "0",
        "1",
        "-1",
        "10001",
        "18446744073709551616",
        "asc",
        "error",
        "FILE",
        "BATCH",
        "%",
        "%00",
    ];
    let encoded = |text: String| utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
    let value = prop_oneof![
        3 => prop::sample::select(values.to_vec()).prop_map(str::to_owned),
        1 => any::<String>().prop_map(encoded),
        1 => "[!$&'-;=?-Z_a-z~]{0,12}",
    ];
    let pair = (prop::sample::select(names.to_vec()), value);
    let pair = pair.prop_map(|(name, value)| format!("{name}={value}"));
    prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"))
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let names = [
        "range",
        "if-range",
        "authorization",
        "api-key",
        "idempotency-key",
        "content-type",
        "content-length",
        "expect",
        "origin",
        "accept",
        "openai-project",
    ];
    let visible = prop_oneof![Just(b'\t'), 32_u8..127, 128_u8..=255];
    let texts = [
        "bytes=0-5",
        "bytes=-1",
        "bytes=9999-",
        "multipart/form-data; boundary=B",
        "100-continue",
        "application/json",
        "0",
        "99999999999999999999",
        "Bearer x",
        "Basic eA==",
    ];
    let value = prop_oneof![
        2 => prop::sample::select(texts.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(visible, 0..20),
    ];
    prop::collection::vec((prop::sample::select(names.to_vec()), value), 0..4)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let values = [
        "null",
        "0",
        "-1.5",
        "\"FILE\"",
        "\"\"",
        "[]",
        "{}",
        "\"24h\"",
        "\"/v1/embeddings\"",
        "{\"anchor\":\"created_at\",\"seconds\":3600}",
        "[\"part_x\"]",
        "\"\\ud800\"",
        "{\"a\":\"b\"}",
    ];
    let keys = [
        "input_file_id",
        "endpoint",
        "completion_window",
        "metadata",
        "output_expires_after",
        "overnight",
        "bytes",
        "filename",
        "mime_type",
        "purpose",
        "expires_after",
        "part_ids",
        "md5",
    ];
    let member = (
        prop::sample::select(keys.to_vec()),
        prop::sample::select(values.to_vec()),
    )
        .prop_map(|(key, value)| format!("\"{key}\":{value}"));
    let object = prop::collection::vec(member, 0..8)
        .prop_map(|members| format!("{{{}}}", members.join(",")).into_bytes());
    let fields = [
        "purpose",
        "file",
        "data",
        "expires_after",
        "expires_after[seconds]",
        "x",
    ];
    let field = (
        prop::sample::select(fields.to_vec()),
        any::<bool>(),
        "[a-z{}0-9]{0,9}",
    );
    let form = prop::collection::vec(field, 0..5).prop_map(|fields| {
        let mut form = Vec::new();
        for (name, is_file, value) in fields {
            let file = if is_file { "; filename=\"a\"" } else { "" };
            form.extend(
                format!(
                    "--B\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n"
                )
                .bytes(),
            );
        }
        form.extend(b"--B--\r\n");
        form
    });
    prop_oneof![object, form, prop::collection::vec(any::<u8>(), 0..60)]
}

fn sent() -> impl Strategy<Value = Sent> {
    let methods = ["GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS", "X"];
    let method = prop::sample::select(methods.to_vec());
    (method, path(), query(), headers(), body()).prop_map(|(method, path, query, headers, body)| {
        Sent {
            method: method.parse().expect("a method"),
            target: format!("{path}?{query}"),
            headers,
            body,
        }
    })
}

/// A request about what a server has.
fn request(sent: &Sent, file: &str, batch: &str) -> Option<Request<Body>> {
    let filled = |text: &str| text.replace("FILE", file).replace("BATCH", batch);
    let target: Uri = filled(&sent.target).parse().ok()?;
    let mut request = Request::builder().method(&sent.method).uri(target);
    for (name, value) in &sent.headers {
        request = request.header(*name, value.as_slice());
    }
    let body = match std::str::from_utf8(&sent.body) {
        Ok(text) => filled(text).into_bytes(),
        Err(_) => sent.body.clone(),
    };
    request.body(Body::from(body)).ok()
}

proptest! {
    #![proptest_config(seeded(64))]

    /// Whether the answer is described is asserted where it is received.
    #[test]
    fn any_request_is_answered_without_a_failure_of_the_server(
        requests in prop::collection::vec(sent(), 24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let server = Server::new();
            let file = server.upload(LINE).await;
            let batch = Running::start(&server, 2).await;
            batch.record(&server, &[1], &[2]).await;
            for sent in requests {
                if let Some(request) = request(&sent, &file, &batch.id) {
                    let answer = server.send(request).await;
                    assert!(answer.status < 500, "{sent:?}: {}", answer.text());
                }
            }
        });
    }
}

proptest! {
    #![proptest_config(seeded(500))]

    #[test]
    fn the_pairs_of_a_query_are_read_back(
        pairs in prop::collection::vec((".{0,6}", ".{1,8}"), 0..5),
    ) {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let raw: Vec<String> = pairs
            .iter()
            .map(|(key, value)| format!("{}={}", encoded(key), encoded(value)))
            .collect();
        let query = Query::parse(Some(&raw.join("&")));
        for (key, value) in &pairs {
            let same = pairs.iter().filter(|(other, _)| other == key).count();
            match query.one(key) {
                Ok(found) => prop_assert!(same == 1 && found == Some(value.as_str())),
                Err(_) => prop_assert!(same > 1, "{key}"),
            }
        }
    }

    #[test]
    fn any_query_is_read_and_a_number_is_within_its_range(raw in "[ -~]{0,30}", key in "[a-c]?") {
        let query = Query::parse(Some(&raw));
        if let Ok(Some(number)) = query.integer(&key, 3..=70) {
            prop_assert!((3..=70).contains(&number));
            let one = query.one(&key).expect("a value").map(str::to_owned);
            prop_assert_eq!(one.and_then(|one| one.parse::<u64>().ok()), Some(number));
        }
    }

    #[test]
    fn a_tidied_path_has_the_same_parts_and_nothing_between_them(
        parts in prop::collection::vec("[a-z%.0-9]{0,3}", 0..6),
        query in prop::option::of("[a-z/=]{0,6}"),
    ) {
        let path = format!("/{}", parts.join("/"));
        let target = match &query {
            Some(query) => format!("{path}?{query}"),
            None => path.clone(),
        };
        let uri: Uri = target.parse().expect("an address");
        let tidy = tidied(&uri).unwrap_or_else(|| uri.clone());
        prop_assert_eq!(tidy.query(), uri.query());
        prop_assert!(tidied(&tidy).is_none());
        let parts = |path: &str| -> Vec<String> {
            let parts = path.split('/').filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        prop_assert_eq!(parts(tidy.path()), parts(&path));
        prop_assert!(!tidy.path().contains("//"));
    }

    #[test]
    fn the_members_of_a_body_are_those_of_a_reader_that_builds_a_tree(
        members in prop::collection::vec(("[ab\\PC]{0,2}", "[0-9]{1,3}|\\[\\]|\\{\\}|null"), 0..6),
        damage in prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let members: Vec<String> = members
            .iter()
            .map(|(key, value)| format!(" {} : {value} ", json!(key)))
            .collect();
        let mut body = format!("{{{}}}", members.join(",")).into_bytes();
        if let Some((at, byte)) = damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let tree: Option<Map<String, Value>> = serde_json::from_slice(&body).ok();
        let read = Members::of_body(&body).ok().map(|members| {
            let count = members.0.len();
            let pairs = members.0.into_iter().map(|(key, value)| {
                (key, serde_json::from_str(value.get()).expect("a value"))
            });
            let read: Map<String, Value> = pairs.collect();
            assert_eq!(read.len(), count, "a key twice");
            read
        });
        prop_assert_eq!(read, tree);
    }

    #[test]
    fn a_key_is_read_in_each_form_and_nothing_makes_reading_fail(
        key in "[!-~]{1,40}",
        user in "[ -9;-~]{0,8}",
        bytes in prop::collection::vec(prop_oneof![32_u8..127, 128_u8..=255], 0..40),
    ) {
        let of = |name: &'static str, value: &[u8]| {
            let value = HeaderValue::from_bytes(value).expect("a header value");
            Credential::of(&HeaderMap::from_iter([(HeaderName::from_static(name), value)]))
        };
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{key}")));
        let bearer = format!("Bearer {key}");
        let expected = Credential::Key(key.clone());
        prop_assert_eq!(of("authorization", basic.as_bytes()), expected.clone());
        prop_assert_eq!(of("authorization", bearer.as_bytes()), expected.clone());
        prop_assert_eq!(of("api-key", key.as_bytes()), expected);
        for name in ["authorization", "api-key"] {
            if let Credential::Key(read) = of(name, &bytes) {
                prop_assert!(!read.is_empty() && read.trim() == read);
                prop_assert!(masked(&read).chars().count() <= 15);
            }
        }
    }
}
