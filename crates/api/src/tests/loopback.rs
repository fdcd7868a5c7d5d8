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

#[tokio::test]
async fn a_page_of_another_site_is_refused_and_our_own_is_served() {
    let host = ("host", "localhost:8080");
    assert_eq!(
        status(&[host, ("origin", "http://localhost:8080")]).await,
        200
    );
    assert_eq!(
        status(&[host, ("sec-fetch-site", "same-origin")]).await,
        200
    );
    assert_eq!(status(&[host, ("sec-fetch-site", "none")]).await, 200);
    assert_eq!(status(&[host, ("sec-fetch-site", "cross-site")]).await, 403);
    for origin in ["https://evil.example", "http://localhost:3000", "null"] {
        assert_eq!(status(&[host, ("origin", origin)]).await, 403, "{origin}");
    }
}

#[tokio::test]
async fn no_cross_origin_header_is_sent() {
    let answer = Server::new().get("/v1/files").await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}
