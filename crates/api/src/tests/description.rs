//! The description of the surface, against the surface.

use std::collections::BTreeSet;

use serde_json::json;

use super::described::Described;
use super::engine::Running;
use super::worked::{End, Worked, input as lines_of};
use super::*;
use crate::description::document;
use crate::router::Routes;

/// The description of a server with nothing configured.
fn default_document() -> Value {
    let settings = ApiSettings::new(Timestamp::from_seconds(START));
    document(&settings, &Access::Open(ProjectId::default_project()))
}

/// Methods and paths of the description.
fn described(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods
                .keys()
                .map(move |method| format!("{} {path}", method.to_ascii_uppercase()))
        })
        .collect()
}

/// Which requests are answered well by a server on which something has happened.
#[expect(clippy::too_many_lines, reason = "a table of every request")]
async fn answered() -> BTreeSet<String> {
    let server = Server::new();
    let input = server.upload(LINE).await;
    let ended = Running::start(&server, 2).await;
    ended.record(&server, &[1], &[2]).await;
    ended.seal(&server).await;
    server.save_models().await;
    let created = server.post("/v1/uploads", UPLOAD).await.json();
    let upload = created["id"].as_str().expect("an id").to_owned();
    let waiting = server.batch().await;
    let mut seen: BTreeSet<String> = ["POST /v1/files", "POST /v1/batches", "POST /v1/uploads"]
        .map(str::to_owned)
        .into();
    let worked = Worked::start(&server, &lines_of(2)).await;
    let ends = [
        (1, End::Text("one")),
        (2, End::Refused(500, "no".to_owned())),
    ];
    worked.record(&server, &ends).await;
    let whole = Worked::start(&server, &lines_of(2)).await;
    whole.record(&server, &ends).await;
    whole.seal(&server).await;
    let (batch, worked, whole) = (&ended.id, &worked.id, &whole.id);
    // The stream of events shows what there is, and ends.
    server.stopping.cancel();
    for (asked, target) in [
        ("GET /v1/files", "/v1/files?limit=1".to_owned()),
        ("GET /v1/files/{id}", format!("/v1/files/{input}")),
        (
            "GET /v1/files/{id}/content",
            format!("/v1/files/{input}/content"),
        ),
        ("DELETE /v1/files/{id}", format!("/v1/files/{input}")),
        ("GET /v1/batches", "/v1/batches".to_owned()),
        ("GET /v1/batches/{id}", format!("/v1/batches/{batch}")),
        (
            "GET /v1/batches/{id}/results",
            format!("/v1/batches/{batch}/results?file=error"),
        ),
        (
            "GET /v1/batches/{id}/progress",
            format!("/v1/batches/{batch}/progress"),
        ),
        (
            "POST /v1/batches/{id}/pause",
            format!("/v1/batches/{waiting}/pause"),
        ),
        (
            "POST /v1/batches/{id}/resume",
            format!("/v1/batches/{waiting}/resume"),
        ),
        (
            "POST /v1/batches/{id}/retry",
            format!("/v1/batches/{whole}/retry"),
        ),
        (
            "GET /v1/batches/{id}/verify",
            format!("/v1/batches/{whole}/verify"),
        ),
        ("DELETE /v1/batches/{id}", format!("/v1/batches/{whole}")),
        ("GET /v1/overview", "/v1/overview".to_owned()),
        ("GET /v1/events", "/v1/events".to_owned()),
        (
            "GET /v1/batches/{id}/failures",
            format!("/v1/batches/{worked}/failures"),
        ),
        (
            "GET /v1/batches/{id}/lines",
            format!("/v1/batches/{worked}/lines"),
        ),
        (
            "GET /v1/batches/{id}/lines/{number}",
            format!("/v1/batches/{worked}/lines/1"),
        ),
        (
            "POST /v1/batches/{id}/cancel",
            format!("/v1/batches/{waiting}/cancel"),
        ),
        ("GET /v1/models", "/v1/models".to_owned()),
        ("GET /v1/models/{id}", "/v1/models/org/m".to_owned()),
        ("GET /admin/upstreams", "/admin/upstreams".to_owned()),
        ("GET /health", "/health".to_owned()),
        ("GET /ready", "/ready".to_owned()),
        ("GET /metrics", "/metrics".to_owned()),
        ("GET /openapi.json", "/openapi.json".to_owned()),
    ] {
        let (method, _) = asked.split_once(' ').expect("a method and a path");
        let method = method.parse().expect("a method");
        let answer = server.call(method, &target, "").await;
        assert_eq!(answer.status, 200, "{asked}: {}", answer.text());
        seen.insert(asked.to_owned());
    }
    let below = |last: &str| format!("/v1/uploads/{upload}/{last}");
    let form = Request::post(below("parts"))
        .header(CONTENT_TYPE, "multipart/form-data; boundary=B")
        .body(Body::from(part_form()));
    let part = server.send(form.expect("a request")).await.json();
    let complete = json!({"part_ids": [part["id"]]}).to_string();
    let completed = server.post(&below("complete"), &complete).await;
    assert_eq!(completed.status, 200, "{}", completed.text());
    let other = server.post("/v1/uploads", UPLOAD).await.json();
    let other = other["id"].as_str().expect("an id").to_owned();
    let cancelled = server
        .post(&format!("/v1/uploads/{other}/cancel"), "")
        .await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.text());
    let uploads = ["parts", "complete", "cancel"];
    seen.extend(uploads.map(|last| format!("POST /v1/uploads/{{id}}/{last}")));
    seen
}

/// Declares an upload of [`LINE`].
const UPLOAD: &str =
    r#"{"bytes":99,"filename":"a.jsonl","mime_type":"application/jsonl","purpose":"batch"}"#;

fn part_form() -> Vec<u8> {
    assert_eq!(LINE.len(), 99, "what the upload declares");
    let part = "--B\r\nContent-Disposition: form-data; name=\"data\"; filename=\"x\"\r\n\r\n";
    [part, LINE, "\r\n--B--\r\n"].concat().into_bytes()
}

/// Every answer of these tests is checked against the description, so this also shows that each
/// object is described: a key more or less fails.
#[tokio::test]
async fn every_described_operation_is_answered_as_described() {
    let document = Server::new().get("/openapi.json").await.json();
    assert_eq!(answered().await, described(&document));
}

#[tokio::test]
async fn every_route_is_described_and_no_other() {
    let server = Server::new();
    let mut routed = BTreeSet::new();
    for path in Routes::all().paths() {
        let path = path.replace("{*", "{");
        let target = path.replace("{id}", "batch_x").replace("{number}", "1");
        let refused = server.call(Method::TRACE, &target, "").await;
        assert_eq!(refused.status, 405, "{path}");
        let methods = refused.header("allow").split(',').map(str::trim);
        // HEAD goes with GET without saying.
        routed.extend(
            methods
                .filter(|method| *method != "HEAD")
                .map(|method| format!("{method} {path}")),
        );
    }
    let document = server.get("/openapi.json").await.json();
    assert_eq!(described(&document), routed);
}

#[tokio::test]
async fn what_the_operator_chose_is_described() {
    let server = Server::with(|api| {
        api.settings.extra_endpoints = vec!["/v1/rerank".to_owned()];
        let week = std::time::Duration::from_hours(7 * 24);
        api.settings.windows.insert("7d".to_owned(), week);
    });
    let document = server.get("/openapi.json").await.json();
    let schemas = &document["components"]["schemas"];
    let endpoints = schemas["Endpoint"]["enum"].as_array().expect("words");
    assert_eq!(endpoints.len(), 9);
    assert_eq!(endpoints[8], "/v1/rerank");
    let window = &schemas["CreateBatch"]["properties"]["completion_window"];
    assert_eq!(window["enum"], json!(["24h", "7d"]));
}

#[tokio::test]
async fn a_key_is_described_as_needed_exactly_where_it_is() {
    let ring = crate::Keyring::new(Vec::new());
    let described = document(
        &ApiSettings::new(Timestamp::from_seconds(START)),
        &Access::Keys(ring.clone()),
    );
    let server = Server::with(|api| api.access = Access::Keys(ring));
    let everywhere = &described["security"];
    assert!(!everywhere.as_array().expect("schemes").contains(&json!({})));
    for (path, methods) in described["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let security = operation.get("security").unwrap_or(everywhere);
            let schemes = security.as_array().expect("schemes");
            let method = method.to_ascii_uppercase().parse().expect("a method");
            let answer = server
                .call(
                    method,
                    &path.replace("{id}", "batch_x").replace("{number}", "1"),
                    "",
                )
                .await;
            // Metrics are public on the server's own machine only, which no request here is from.
            let is_public = schemes.is_empty();
            assert_eq!(answer.status == 401, !is_public, "{path}");
        }
    }
}

#[test]
fn every_name_in_the_description_leads_to_something_and_everything_is_named() {
    let document = default_document();
    let mut named = BTreeSet::new();
    collect_references(&document, &mut named);
    let mut defined = BTreeSet::new();
    for (kind, things) in document["components"].as_object().expect("components") {
        let names = things.as_object().expect("things").keys();
        defined.extend(names.map(|name| format!("#/components/{kind}/{name}")));
    }
    defined.retain(|name| !name.starts_with("#/components/securitySchemes/"));
    assert_eq!(named, defined);
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value.as_str().filter(|_| key == "$ref") {
                    Some(place) => drop(found.insert(place.to_owned())),
                    None => collect_references(value, found),
                }
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn an_answer_off_its_description_is_noticed() {
    let server = Server::new();
    server.upload(LINE).await;
    let page = server.get("/v1/files").await;
    let described = Described(default_document());
    let check = |status: u16, body: &Value| {
        let answer = Answer {
            status,
            headers: page.headers.clone(),
            body: body.to_string().into(),
        };
        described.check(&Method::GET, "/v1//files/", &answer).len()
    };
    let good = page.json();
    assert_eq!(check(200, &good), 0);
    assert_eq!(check(201, &good), 1, "a status that is not described");
    let changes: [(&str, Value); 6] = [
        ("/has_more", json!("no")),
        ("/data/0/bytes", json!(-1)),
        ("/data/0/bytes", json!(0.5)),
        ("/data/0/expires_at", json!("tomorrow")),
        ("/data/0/object", json!("batch")),
        ("/data/0", json!({})),
    ];
    for (place, value) in changes {
        let mut changed = good.clone();
        *changed.pointer_mut(place).expect(place) = value;
        assert!(check(200, &changed) > 0, "{place}");
    }
    let mut longer = good.clone();
    longer["data"][0]["owner"] = json!("me");
    assert_eq!(check(200, &longer), 1, "a key that is not described");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().expect("ok"))]);
    let bare = Answer {
        headers,
        ..server.get("/v1/files").await
    };
    let wrong = described.check(&Method::GET, "/v1/files", &bare);
    assert_eq!(wrong, ["the header x-request-id is missing"]);
}
