//! The headers of every request, built once.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST,
    PROXY_AUTHORIZATION, TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::connect::Proxy;
use super::error::Problem;
use super::target::Target;
use crate::upstream::settings::UpstreamSettings;

/// What this program calls itself.
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("overnight/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The headers of a request with a body; one without drops `content-type`.
pub(super) fn build(
    settings: &UpstreamSettings,
    target: &Target,
    proxy: Option<&Proxy>,
) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, AGENT);
    headers.insert(ACCEPT, JSON);
    // An answer is kept as it came, byte for byte, so nothing here takes an encoding off.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONTENT_TYPE, JSON);
    if let Some(value) = authorization(settings, target)? {
        headers.insert(AUTHORIZATION, value);
    }
    if !target.is_tls() {
        // Over TLS the connection may speak HTTP/2, which has no such header: the client adds it
        // when it is needed.
        if let Some(host) = target.origin.authority() {
            let bad =
                |error| Problem::new("url", "has a host that cannot be sent").caused_by(error);
            headers.insert(HOST, HeaderValue::from_str(host.as_str()).map_err(bad)?);
        }
        if let Some(value) = proxy.and_then(|proxy| proxy.authorization.clone()) {
            headers.insert(PROXY_AUTHORIZATION, value);
        }
    }
    add_extra(&mut headers, &settings.headers)?;
    Ok(headers)
}

fn authorization(
    settings: &UpstreamSettings,
    target: &Target,
) -> Result<Option<HeaderValue>, Problem> {
    let Some(key) = &settings.api_key else {
        return Ok(target.authorization.clone());
    };
    if target.authorization.is_some() {
        let text = "is given besides credentials in the URL: keep one of the two";
        return Err(Problem::new("api_key", text));
    }
    let key = key.expose().trim();
    let unusable = "is empty or has characters that a header cannot hold: check its variable";
    match HeaderValue::from_str(&format!("Bearer {key}")) {
        Ok(mut value) if !key.is_empty() => {
            value.set_sensitive(true);
            Ok(Some(value))
        }
        Ok(_) | Err(_) => Err(Problem::new("api_key", unusable)),
    }
}

fn add_extra(headers: &mut HeaderMap, extra: &[(String, String)]) -> Result<(), Problem> {
    let mut named = Vec::with_capacity(extra.len());
    for (name, value) in extra {
        let bad = |what: &str| Problem::new("headers", format!("`{name}`: {what}"));
        let parsed: HeaderName = name
            .parse()
            .map_err(|_| bad("is not the name of a header; check its spelling"))?;
        if [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(&parsed) {
            return Err(bad("is set by Overnight itself; leave it out"));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| bad("has a value with characters that a header cannot hold"))?;
        value.set_sensitive(true);
        named.push((parsed, value));
    }
    for (name, _) in &named {
        headers.remove(name);
    }
    for (name, value) in named {
        headers.append(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::settings::Secret;

    fn check(settings: &UpstreamSettings) -> Result<HeaderMap, &'static str> {
        let target = Target::parse(&settings.url).unwrap();
        build(settings, &target, None).map_err(|problem| problem.field)
    }

    #[test]
    fn a_key_is_sent_as_bearer_and_is_sensitive() {
        let settings = UpstreamSettings {
            api_key: Some(Secret::new("sk-1\n".to_owned())),
            ..UpstreamSettings::new("http://host:8000")
        };
        let headers = check(&settings).unwrap();
        assert_eq!(headers["authorization"], "Bearer sk-1");
        assert!(headers["authorization"].is_sensitive());
        assert_eq!(headers["host"], "host:8000");
        assert_eq!(headers["accept"], "application/json");
        assert!(
            headers["user-agent"]
                .to_str()
                .unwrap()
                .starts_with("overnight/")
        );
    }

    #[test]
    fn an_extra_header_takes_the_place_of_our_own_and_may_come_twice() {
        let extra = [("Accept", "a/b"), ("x-two", "1"), ("x-two", "2")];
        let settings = UpstreamSettings {
            headers: extra
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..UpstreamSettings::new("http://host")
        };
        let headers = check(&settings).unwrap();
        assert_eq!(headers["accept"], "a/b");
        assert_eq!(headers.get_all("x-two").iter().count(), 2);
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        for header in [("a b", "1"), ("x", "a\nb"), ("Content-Length", "3")] {
            let settings = UpstreamSettings {
                headers: vec![(header.0.to_owned(), header.1.to_owned())],
                ..UpstreamSettings::new("http://host")
            };
            assert_eq!(check(&settings), Err("headers"), "{header:?}");
        }
        for (url, key) in [
            ("http://host", " "),
            ("http://host", "a\u{7f}"),
            ("http://a:b@host", "k"),
        ] {
            let settings = UpstreamSettings {
                api_key: Some(Secret::new(key.to_owned())),
                ..UpstreamSettings::new(url)
            };
            assert_eq!(check(&settings), Err("api_key"), "{key:?}");
        }
    }
}
