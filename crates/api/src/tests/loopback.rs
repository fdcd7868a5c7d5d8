use super::*;
use crate::Browsers;

async fn status(headers: &[(&str, &str)]) -> u16 {
    let server = Server::with(|api| api.settings.browsers = Browsers::LoopbackOnly);
    let mut request = Request::get("/v1/files");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server
        .send(request.body(Body::empty()).expect("a request"))
        .await
        .status
}

#[tokio::test]
async fn programs_of_this_machine_are_served() {
    for host in [
        "localhost:8080",
        "LOCALHOST",
        "127.0.0.1:8080",
        "127.9.9.9",
        "[::1]:8080",
    ] {
        assert_eq!(status(&[("host", host)]).await, 200, "{host}");
    }
}

#[tokio::test]
async fn a_page_that_points_its_own_name_to_this_machine_is_refused() {
    for host in [
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
    ] {
        assert_eq!(status(&[("host", host)]).await, 403, "{host}");
    }
    assert_eq!(status(&[]).await, 403);
}

/// What a browser sends with every request of a page, beside what tells whose page it is.
const BROWSER: [(&str, &str); 5] = [
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    ),
    ("accept", "*/*"),
    ("accept-language", "en-GB,en;q=0.9"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
];

/// The status of a request that a browser sends for a page.
async fn for_a_page(host: &str, more: &[(&str, &str)]) -> u16 {
    let mut headers = vec![("host", host)];
    headers.extend(BROWSER);
    headers.extend(more);
    status(&headers).await
}

#[tokio::test]
async fn a_page_of_another_site_is_refused_and_our_own_is_served() {
    let host = "localhost:8080";
    // Our own page asks by itself, and a person types the address.
    for own in [
        &[("sec-fetch-site", "same-origin")][..],
        &[
            ("sec-fetch-site", "same-origin"),
            ("origin", "http://localhost:8080"),
            ("referer", "http://localhost:8080/"),
        ],
        &[("sec-fetch-site", "none"), ("sec-fetch-user", "?1")],
        &[("origin", "http://localhost:8080")],
    ] {
        assert_eq!(for_a_page(host, own).await, 200, "{own:?}");
    }
    for foreign in [
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
            ("referer", "https://evil.example/"),
        ][..],
        // An image or a script: the browser sends no origin.
        &[("sec-fetch-site", "cross-site")],
        // A sandboxed frame, or a file of this machine.
        &[("sec-fetch-site", "cross-site"), ("origin", "null")],
        // Another program's page on another port of this machine.
        &[
            ("sec-fetch-site", "same-site"),
            ("origin", "http://localhost:3000"),
        ],
        &[("sec-fetch-site", "same-site")],
        // Browsers that do not tell the site.
        &[("origin", "https://evil.example")],
        &[("origin", "http://localhost")],
        &[("origin", "http://127.0.0.1:8080")],
        &[("origin", "null")],
        &[("origin", "")],
        &[("origin", "\u{e9}")],
        &[("sec-fetch-site", "")],
    ] {
        assert_eq!(for_a_page(host, foreign).await, 403, "{foreign:?}");
    }
}

#[tokio::test]
async fn a_page_that_rebinds_its_name_is_refused_though_it_is_its_own_origin() {
    let own = [("sec-fetch-site", "same-origin")];
    for host in [
        "evil.example:8080",
        "localhost.evil.example:8080",
        "127.0.0.1.evil.example:8080",
        "evil.localhost:8080",
        "localhost:8080@evil.example",
        "0.0.0.0:8080",
        "[::]:8080",
        "[::ffff:10.0.0.1]:8080",
        "2130706433",
        "0x7f.1",
        "",
        ".",
        "[::1",
    ] {
        assert_eq!(for_a_page(host, &own).await, 403, "{host}");
    }
    for host in [
        "localhost.:8080",
        "127.0.0.1.:8080",
        "[::1]",
        "[0:0:0:0:0:0:0:1]:8080",
    ] {
        assert_eq!(for_a_page(host, &own).await, 200, "{host}");
    }
}

#[tokio::test]
async fn two_names_for_the_server_are_refused() {
    let server = Server::with(|api| api.settings.browsers = Browsers::LoopbackOnly);
    for (target, host) in [
        ("http://evil.example/v1/files", "localhost"),
        ("http://localhost/v1/files", "evil.example"),
    ] {
        let request = Request::get(target).header("host", host);
        let request = request.body(Body::empty()).expect("a request");
        assert_eq!(server.send(request).await.status, 403, "{target}, {host}");
    }
    let request = Request::get("/v1/files").header("host", "localhost");
    let request = request.header("host", "evil.example").body(Body::empty());
    let answer = server.send(request.expect("a request")).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn a_preflight_of_another_site_is_refused_and_nothing_is_allowed() {
    let server = Server::with(|api| api.settings.browsers = Browsers::LoopbackOnly);
    let mut request = Request::builder().method(Method::OPTIONS).uri("/v1/files");
    for (name, value) in [
        ("host", "localhost:8080"),
        ("origin", "https://evil.example"),
        ("access-control-request-method", "DELETE"),
        ("access-control-request-headers", "authorization"),
        ("access-control-request-private-network", "true"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "cors"),
    ] {
        request = request.header(name, value);
    }
    let request = request.body(Body::empty()).expect("a request");
    let answer = server.send(request).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["error"]["code"], "insufficient_permissions");
    let is_allowing = |name: &http::HeaderName| name.as_str().starts_with("access-control");
    assert!(!answer.headers.keys().any(is_allowing));
}

#[tokio::test]
async fn no_cross_origin_header_is_sent() {
    let server = Server::new();
    for path in ["/v1/files", "/v1/files/file-x", "/v1/uploads"] {
        let answer = server.get(path).await;
        let is_allowing = |name: &http::HeaderName| name.as_str().starts_with("access-control");
        assert!(!answer.headers.keys().any(is_allowing), "{path}");
    }
}
