use super::*;
use crate::{Browsers, Keyring, metrics_router};

const PAGE: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

async fn ask(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server
        .send(request.body(Body::empty()).expect("a request"))
        .await
}

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(server, Method::GET, path, headers).await
}

fn keyed() -> Server {
    Server::with(|api| api.access = Access::Keys(Keyring::new(Vec::new())))
}

#[tokio::test]
async fn a_browser_is_led_to_the_dashboard_and_a_program_is_not() {
    for server in [Server::new(), keyed()] {
        let led = get(&server, "/", &[PAGE]).await;
        assert_eq!((led.status, led.header("location")), (307, "/dashboard/"));
    }
    assert_eq!(get(&Server::new(), "/", &[]).await.status, 404);
    let refused = get(&keyed(), "/", &[("accept", "*/*")]).await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn its_files_need_no_key_and_are_kept_on_a_short_lead() {
    let server = keyed();
    let types = [
        ("/dashboard", "text/html; charset=utf-8"),
        ("/dashboard/", "text/html; charset=utf-8"),
        ("/dashboard/js/main.js", "text/javascript; charset=utf-8"),
        ("/dashboard/css/tokens.css", "text/css; charset=utf-8"),
        ("/dashboard/icon.svg", "image/svg+xml"),
    ];
    for (path, content_type) in types {
        let answer = get(&server, path, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), content_type, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src \
             'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        );
    }
    for path in [
        "/dashboard/nowhere.js",
        "/dashboard/../v1/files",
        "/dashboard/js",
    ] {
        assert_eq!(get(&server, path, &[]).await.status, 401, "{path}");
        assert_eq!(get(&Server::new(), path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_file_that_is_known_is_not_sent_again() {
    let server = Server::new();
    let path = "/dashboard/js/main.js";
    let first = get(&server, path, &[]).await;
    let tag = first.header("etag").to_owned();
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".to_owned(),
    ] {
        let again = get(&server, path, &[("if-none-match", &known)]).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
        assert_eq!(again.header("etag"), tag);
    }
    let other = get(&server, path, &[("if-none-match", "\"x\"")]).await;
    assert_eq!((other.status, other.body), (200, first.body));
}

#[tokio::test]
async fn only_reading_leads_there() {
    let server = Server::new();
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = ask(&server, method.clone(), "/dashboard/", &[PAGE]).await;
        assert_eq!(answer.status, 404, "{method}");
    }
}

#[tokio::test]
async fn a_link_of_another_site_leads_there_but_no_foreign_name_does() {
    let server = Server::with(|api| api.settings.browsers = Browsers::LoopbackOnly);
    let link = [
        PAGE,
        ("host", "localhost:8080"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
    ];
    assert_eq!(get(&server, "/", &link).await.status, 307);
    let page = get(&server, "/dashboard/", &link).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("cross-origin-resource-policy"), "same-origin");
    let rebound = [PAGE, ("host", "evil.example:8080")];
    for path in ["/", "/dashboard/", "/dashboard/js/main.js"] {
        assert_eq!(get(&server, path, &rebound).await.status, 403, "{path}");
    }
    // What it shows is guarded as ever.
    assert_eq!(get(&server, "/v1/batches", &link).await.status, 403);
}

#[tokio::test]
async fn an_address_for_metrics_has_no_dashboard() {
    let mut server = Server::new();
    let mut metrics = None;
    Server::with(|api| metrics = Some(metrics_router(api.clone())));
    server.router = metrics.expect("a router");
    for path in ["/", "/dashboard/"] {
        assert_eq!(get(&server, path, &[PAGE]).await.status, 404, "{path}");
    }
}
