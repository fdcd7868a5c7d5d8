//! Keys: who is let in, and what everybody else is told.

use std::net::IpAddr;

use super::*;
use crate::router::Routes;
use crate::{ApiKey, KeyHash, Keyring, Peer, Role, metrics_router};

const USER: &str = "sk-overnight-of-a-user-0001";
const ADMIN: &str = "sk-overnight-of-an-admin-0002";
const METRICS: &str = "sk-overnight-of-prometheus-0003";

/// A key in each role, the user's of a project of its own.
fn keys() -> Access {
    let keys = [
        (USER, "research", Role::User),
        (ADMIN, "default", Role::Admin),
        (METRICS, "default", Role::Metrics),
    ];
    let keys = keys.map(|(secret, project, role)| ApiKey {
        name: role.as_str().into(),
        hash: KeyHash::of(secret),
        project: project.into(),
        role,
    });
    Access::Keys(Keyring::new(keys.into()))
}

fn keyed() -> Server {
    Server::with(|api| api.access = keys())
}

impl Server {
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).expect("a request"))
            .await
    }

    async fn as_holder(&self, key: &str, path: &str) -> Answer {
        let authorization = format!("Bearer {key}");
        let headers = [("authorization", authorization.as_str())];
        self.ask(Method::GET, path, &headers).await
    }
}

#[tokio::test]
async fn a_key_is_taken_in_every_form_in_which_clients_send_it() {
    let server = keyed();
    // `:KEY` and `me:KEY` in base64.
    let blank = "Basic OnNrLW92ZXJuaWdodC1vZi1hLXVzZXItMDAwMQ==";
    let named = "basic bWU6c2stb3Zlcm5pZ2h0LW9mLWEtdXNlci0wMDAx";
    let (bearer, lower) = (format!("Bearer {USER}"), format!("bearer {USER}"));
    for header in [
        ("authorization", bearer.as_str()),
        ("authorization", &lower),
        ("authorization", blank),
        ("authorization", named),
        ("api-key", USER),
    ] {
        let answer = server.ask(Method::GET, "/v1/files", &[header]).await;
        assert_eq!(answer.status, 200, "{header:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_request_without_a_key_is_told_how_to_send_one() {
    let server = keyed();
    let batches = server.get("/v1/batches").await;
    let message = "Missing bearer or basic authentication in header";
    batches.is_refusal(401, message, None, None);
    assert_eq!(
        batches.header("www-authenticate"),
        "Bearer realm=\"overnight\""
    );
    let deeper = server.get("/v1/batches/batch_x").await;
    deeper.is_refusal(401, message, None, None);
    let message = "You didn't provide an API key. You need to provide your API key in an \
                   Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), \
                   or as the password field (with blank username) of HTTP Basic. Whoever runs \
                   this server makes keys with `overnight key new`.";
    for path in ["/v1/files", "/v1/models", "/admin/upstreams", "/metrics"] {
        server.get(path).await.is_refusal(401, message, None, None);
    }
    let empty = [("authorization", "Bearer ")];
    let answer = server.ask(Method::GET, "/v1/models", &empty).await;
    answer.is_refusal(401, message, None, None);
}

#[tokio::test]
async fn a_wrong_key_is_told_which_it_was_with_its_middle_masked() {
    let server = keyed();
    let key = "sk-proj-this-is-the-wrong-one-sQoA";
    let answer = server.as_holder(key, "/v1/models").await;
    let message = "Incorrect API key provided: sk-proj-...sQoA. Whoever runs this server makes \
                   keys with `overnight key new`.";
    answer.is_refusal(401, message, None, Some("invalid_api_key"));
    insta::assert_snapshot!(answer.text(), @r#"
    {
      "error": {
        "message": "Incorrect API key provided: sk-proj-...sQoA. Whoever runs this server makes keys with `overnight key new`.",
        "type": "invalid_request_error",
        "param": null,
        "code": "invalid_api_key"
      }
    }
    "#);
    for nearly in [
        &USER[1..],
        &USER[..USER.len() - 1],
        &USER.to_uppercase(),
        &KeyHash::of(USER).to_string(),
    ] {
        let answer = server.as_holder(nearly, "/v1/models").await;
        assert_eq!(answer.status, 401, "{nearly}");
        assert_eq!(answer.json()["error"]["code"], "invalid_api_key");
    }
}

#[tokio::test]
async fn an_authorization_that_cannot_be_read_is_told_what_it_must_be() {
    let server = keyed();
    let message = "The Authorization header of your request could not be read. It must be 'Bearer \
                   YOUR_KEY', or HTTP Basic with the key as the password.";
    for value in [USER, "Digest x", "Basic !"] {
        let headers = [("authorization", value), ("api-key", USER)];
        let answer = server.ask(Method::GET, "/v1/batches", &headers).await;
        answer.is_refusal(401, message, None, None);
    }
}

#[tokio::test]
async fn every_route_but_the_probes_needs_a_key_and_so_does_what_is_no_route() {
    let server = keyed();
    let nowhere = ["/", "/v1", "/nowhere", "/v1/chat/completions", "/healthy"];
    for path in Routes::all().paths().into_iter().chain(nowhere) {
        let is_probe = ["/health", "/ready"].contains(&path);
        let path = path.replace("{id}", "x").replace("{*id}", "x");
        let path = path.replace("{number}", "1");
        for method in [Method::GET, Method::POST, Method::DELETE, Method::TRACE] {
            let answer = server.call(method.clone(), &path, "").await;
            assert_eq!(answer.status != 401, is_probe, "{method} {path}");
        }
    }
    assert_eq!(server.get("//health/").await.status, 200);
    assert_eq!(server.get("/%68ealth").await.status, 401);
}

#[tokio::test]
async fn a_role_opens_what_is_its_own_and_nothing_else() {
    let server = keyed();
    let cases = [
        ("/v1/files", [200, 200, 403]),
        ("/v1/batches?limit=1", [200, 200, 403]),
        ("/admin/upstreams", [403, 200, 403]),
        ("/admin//upstreams/", [403, 200, 403]),
        ("/admin/nowhere", [403, 404, 403]),
        ("/admin", [403, 404, 403]),
        ("/metrics", [403, 200, 200]),
        ("/nowhere", [404, 404, 403]),
        ("/health", [200, 200, 200]),
    ];
    for (path, expected) in cases {
        for (key, expected) in [USER, ADMIN, METRICS].into_iter().zip(expected) {
            let answer = server.as_holder(key, path).await;
            assert_eq!(answer.status, expected, "{path} with {key}");
        }
    }
    let refused = server.as_holder(METRICS, "/v1/batches").await;
    let message = "The role of this API key ('metrics') does not allow this request.";
    refused.is_refusal(403, message, None, Some("insufficient_permissions"));
}

#[tokio::test]
async fn the_project_of_the_key_is_echoed_unless_another_text_is_chosen() {
    let server = keyed();
    let answer = server.as_holder(USER, "/v1/files").await;
    assert_eq!(answer.header("openai-project"), "research");
    let answer = server.as_holder(USER, "/v1/files/file-x").await;
    assert_eq!(answer.header("openai-project"), "research");
    assert_eq!(
        server.get("/v1/files").await.header("openai-project"),
        "default"
    );
    let chosen = Server::with(|api| {
        api.access = keys();
        api.settings.project = Some(http::HeaderValue::from_static("proj_1"));
    });
    let answer = chosen.as_holder(USER, "/v1/files").await;
    assert_eq!(answer.header("openai-project"), "proj_1");
}

#[tokio::test]
async fn an_organization_or_project_of_the_clients_choice_changes_nothing() {
    let server = keyed();
    let headers = [
        ("api-key", USER),
        ("openai-organization", "org-of-somebody-else"),
        ("openai-project", "default"),
    ];
    let answer = server.ask(Method::GET, "/v1/files", &headers).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("openai-organization"), "overnight");
    assert_eq!(answer.header("openai-project"), "research");
}

/// Asks for the metrics without a key, from that address.
async fn metrics_from(server: &Server, peer: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = Request::get("/metrics").extension(Peer(peer.parse::<IpAddr>().unwrap()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    server.send(request).await.status
}

#[tokio::test]
async fn metrics_need_no_key_from_a_program_of_this_machine() {
    let server = keyed();
    let local = ("host", "localhost:8080");
    for peer in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(metrics_from(&server, peer, &[local]).await, 200, "{peer}");
    }
    for peer in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1"] {
        assert_eq!(metrics_from(&server, peer, &[local]).await, 401, "{peer}");
    }
}

#[tokio::test]
async fn metrics_need_a_key_through_a_proxy_and_from_a_page() {
    let server = keyed();
    let local = ("host", "localhost:8080");
    for header in [
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("via", "1.1 proxy"),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let status = metrics_from(&server, "127.0.0.1", &[local, header]).await;
        assert_eq!(status, 401, "{header:?}");
    }
    let public = [("host", "batch.example")];
    assert_eq!(metrics_from(&server, "127.0.0.1", &public).await, 401);
}

#[tokio::test]
async fn an_address_for_metrics_alone_serves_nothing_else() {
    let mut server = keyed();
    let mut parts = None;
    Server::with(|api| parts = Some(api.clone()));
    server.router = metrics_router(parts.expect("the parts of a server"));
    for path in ["/metrics", "/health", "/ready"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    for path in ["/v1/files", "/v1/batches", "/v1/models", "/admin/upstreams"] {
        let message = format!("Invalid URL (GET {path})");
        server.get(path).await.is_refusal(404, &message, None, None);
    }
}

/// What a browser sends before it lets a page upload a file with a key.
const PREFLIGHT: [(&str, &str); 3] = [
    ("origin", "https://app.example"),
    ("access-control-request-method", "POST"),
    (
        "access-control-request-headers",
        "authorization,content-type,x-stainless-lang",
    ),
];

#[tokio::test]
async fn a_page_with_a_key_may_use_files_and_uploads() {
    let server = keyed();
    for path in [
        "/v1/files",
        "/v1/files/file-x/content",
        "/v1/uploads",
        "/v1/uploads/upload_x/parts",
    ] {
        let asked = server.ask(Method::OPTIONS, path, &PREFLIGHT).await;
        assert_eq!((asked.status, asked.text()), (200, ""), "{path}");
        assert_eq!(asked.header("access-control-allow-origin"), "*");
        assert_eq!(
            asked.header("access-control-allow-methods"),
            "GET, POST, DELETE"
        );
        assert_eq!(
            asked.header("access-control-allow-headers"),
            "authorization,content-type,x-stainless-lang"
        );
        assert_eq!(asked.header("access-control-max-age"), "600");
        assert!(
            !asked
                .headers
                .contains_key("access-control-allow-credentials")
        );
    }
    let page = [("origin", "https://app.example"), ("api-key", USER)];
    for (headers, status) in [(&page[..], 200), (&page[..1], 401)] {
        let answer = server.ask(Method::GET, "/v1/files", headers).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let exposed = answer.header("access-control-expose-headers");
        assert_eq!(exposed, "X-Request-ID");
    }
}

#[tokio::test]
async fn no_other_route_lets_a_page_of_another_site_read() {
    let server = keyed();
    for path in ["/v1/batches", "/v1/models", "/v1/filesystem", "/metrics"] {
        let asked = server.ask(Method::OPTIONS, path, &PREFLIGHT).await;
        assert_eq!(asked.status, 401, "{path}");
        let page = [("origin", "https://app.example"), ("api-key", ADMIN)];
        let answer = server.ask(Method::GET, path, &page).await;
        for headers in [&asked.headers, &answer.headers] {
            assert!(
                headers
                    .keys()
                    .all(|name| !name.as_str().starts_with("access-control"))
            );
        }
    }
    // Without the headers that only a browser sends it is a request like any other.
    let plain = server.ask(Method::OPTIONS, "/v1/files", &[]).await;
    assert_eq!(plain.status, 401);
    let plain = server.ask(Method::OPTIONS, "/v1/files", &[("api-key", USER)]);
    assert_eq!(plain.await.status, 405);
}
