//! Where an upstream is: its URL, taken apart once.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use http::uri::Authority;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use super::error::Problem;
use crate::upstream::settings::without_credentials;

/// How many paths are kept ready. A batch has one, and there are about ten.
const PATHS_MAX: usize = 64;

/// Where requests go.
#[derive(Debug)]
pub(super) struct Target {
    /// Scheme, host and port, with `/` as the path.
    pub(super) origin: Uri,
    /// What stands before `/v1`: empty, or begins with a slash and does not end in one.
    prefix: String,
    /// The socket, when the requests do not go over TCP.
    pub(super) socket: Option<PathBuf>,
    /// Basic authentication, when the URL holds credentials.
    pub(super) authorization: Option<HeaderValue>,
    /// Host and port, or the socket.
    pub(super) name: String,
    /// The URL without credentials and without `/v1`.
    pub(super) shown: String,
    /// Whether a request names scheme and host besides the path.
    sends_whole_uris: bool,
    /// The paths that were asked for, ready to be sent. There are few, so they are looked through.
    paths: RwLock<Vec<(Box<str>, Uri)>>,
}

impl Target {
    /// Reads a URL.
    pub(super) fn parse(url: &str) -> Result<Self, Problem> {
        let url = url.trim();
        match url.strip_prefix("unix:") {
            Some(path) => Self::of_socket(path),
            None => Self::of_http(url),
        }
    }

    fn of_socket(path: &str) -> Result<Self, Problem> {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(Problem::new(
                "url",
                "names no socket: write `unix:/path/to.sock`",
            ));
        }
        Ok(Self {
            origin: Uri::from_static("http://localhost/"),
            prefix: String::new(),
            socket: Some(PathBuf::from(path)),
            authorization: None,
            name: path.to_owned(),
            shown: format!("unix:{path}"),
            sends_whole_uris: false,
            paths: RwLock::default(),
        })
    }

    fn of_http(url: &str) -> Result<Self, Problem> {
        let (origin, authorization) = origin("url", url)?;
        let uri: Uri = url.parse().map_err(|_| not_a_url("url", url))?;
        if uri.query().is_some() {
            let text = "has a query: give what follows the `?` as `headers`, or leave it out";
            return Err(Problem::new("url", text));
        }
        let path = uri.path().trim_end_matches('/');
        let path = path
            .strip_suffix("/v1")
            .unwrap_or(path)
            .trim_end_matches('/');
        let is_tls = is_tls(&origin);
        let host = origin.host().unwrap_or_default();
        let port = origin.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Self {
            prefix: path.to_owned(),
            socket: None,
            authorization,
            name: format!("{host}:{port}"),
            shown: format!("{}{path}", origin.to_string().trim_end_matches('/')),
            origin,
            sends_whole_uris: true,
            paths: RwLock::default(),
        })
    }

    /// Whether the connections are encrypted.
    pub(super) fn is_tls(&self) -> bool {
        is_tls(&self.origin)
    }

    /// Whether requests name scheme and host besides the path: a proxy wants that, and whoever has to find
    /// out which protocol to speak.
    pub(super) fn send_whole_uris(&mut self, whole: bool) {
        self.sends_whole_uris = whole;
    }

    /// The URI of a path as lines write it (`/v1/...`), below what the URL has before its `/v1`.
    pub(super) fn uri(&self, path: &str) -> Uri {
        let known = self
            .paths
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .find(|(known, _)| **known == *path)
            .map(|(_, uri)| uri.clone());
        known.unwrap_or_else(|| {
            let uri = self.build(path);
            let mut paths = self.paths.write().unwrap_or_else(PoisonError::into_inner);
            if paths.len() < PATHS_MAX {
                paths.push((path.into(), uri.clone()));
            }
            uri
        })
    }

    fn build(&self, path: &str) -> Uri {
        let slash = if path.starts_with('/') { "" } else { "/" };
        let text = format!("{}{slash}{}", self.prefix, escaped(path));
        let mut parts = if self.sends_whole_uris {
            self.origin.clone().into_parts()
        } else {
            Uri::from_static("/").into_parts()
        };
        // Only a path beyond 64 KiB fails here; the server then answers for its root.
        parts.path_and_query = text.parse().ok().or(parts.path_and_query);
        Uri::from_parts(parts).unwrap_or_else(|_| self.origin.clone())
    }
}

fn is_tls(uri: &Uri) -> bool {
    uri.scheme() == Some(&http::uri::Scheme::HTTPS)
}

/// Scheme, host and port of an HTTP URL, and the credentials in it.
pub(super) fn origin(
    field: &'static str,
    url: &str,
) -> Result<(Uri, Option<HeaderValue>), Problem> {
    let uri: Uri = url.parse().map_err(|_| not_a_url(field, url))?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if !is_http || uri.host().is_none_or(str::is_empty) {
        return Err(not_a_url(field, url));
    }
    if uri.authority().is_some_and(has_wrong_port) {
        let shown = without_credentials(url);
        let text = format!("has a port that is no number from 0 to 65535: `{shown}`");
        return Err(Problem::new(field, text));
    }
    // The matcher of proxies is the part at hand that splits credentials from a URL.
    let whole = Matcher::builder().all(url.to_owned()).build();
    let split = whole
        .intercept(&Uri::from_static("http://any/"))
        .ok_or_else(|| not_a_url(field, url))?;
    Ok((split.uri().clone(), split.basic_auth().cloned()))
}

/// Whether something stands where the port does, but is none. Such an authority would be taken for
/// one without a port.
fn has_wrong_port(authority: &Authority) -> bool {
    let whole = authority.as_str();
    let address = whole.rsplit_once('@').map_or(whole, |(_, address)| address);
    let behind = address.strip_prefix(authority.host()).unwrap_or_default();
    authority.port().is_none() && !matches!(behind, "" | ":")
}

fn not_a_url(field: &'static str, url: &str) -> Problem {
    let shown = without_credentials(url);
    Problem::new(
        field,
        format!("is not a URL: `{shown}`; write it like `http://host:8000`"),
    )
}

/// A path with everything escaped that a URI cannot hold.
fn escaped(path: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        let is_plain = byte.is_ascii_graphic() && !br##""#<>\^`{|}"##.contains(&byte);
        if is_plain {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, name: &str, shown: &str, chat: &str) {
        let target = Target::parse(url).unwrap();
        assert_eq!(
            (target.name.as_str(), target.shown.as_str()),
            (name, shown),
            "{url}"
        );
        assert_eq!(target.uri("/v1/chat").to_string(), chat, "{url}");
    }

    #[test]
    fn a_url_is_taken_with_or_without_v1() {
        for url in [
            "http://host:8000",
            "http://host:8000/",
            "http://host:8000/v1",
            "http://host:8000/v1//",
        ] {
            check(
                url,
                "host:8000",
                "http://host:8000",
                "http://host:8000/v1/chat",
            );
        }
        check(
            "https://host",
            "host:443",
            "https://host",
            "https://host/v1/chat",
        );
        check(
            "http://[::1]/v1",
            "[::1]:80",
            "http://[::1]",
            "http://[::1]/v1/chat",
        );
    }

    #[test]
    fn what_stands_before_v1_is_kept() {
        let url = "https://host/openai/v1/";
        check(
            url,
            "host:443",
            "https://host/openai",
            "https://host/openai/v1/chat",
        );
        let target = Target::parse(url).unwrap();
        assert_eq!(
            target.uri("/metrics").to_string(),
            "https://host/openai/metrics"
        );
    }

    #[test]
    fn a_socket_is_a_path() {
        let local = "/v1/chat";
        check(
            "unix:/run/vllm.sock",
            "/run/vllm.sock",
            "unix:/run/vllm.sock",
            local,
        );
        check(
            "unix:///run/vllm.sock",
            "/run/vllm.sock",
            "unix:/run/vllm.sock",
            local,
        );
    }

    #[test]
    fn credentials_become_a_header_and_are_not_shown() {
        let url = "http://me:p%40ss@host:8000/v1";
        check(
            url,
            "host:8000",
            "http://host:8000",
            "http://host:8000/v1/chat",
        );
        let header = Target::parse(url).unwrap().authorization.unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic bWU6cEBzcw==");
        assert!(header.is_sensitive());
    }

    #[test]
    fn what_is_no_url_is_said_without_its_credentials() {
        for url in [
            "",
            "host:8000",
            "ftp://host",
            "http://",
            "unix:",
            "http://host/?key=1",
            "http://a b",
            "http://host:99999/v1",
            "http://me:hidden@host:80x",
            "http://[::1]:x/v1",
        ] {
            assert_eq!(Target::parse(url).unwrap_err().field, "url", "{url}");
        }
        let problem = Target::parse("ftp://me:hidden@host").unwrap_err().text;
        assert!(
            problem.contains("***@host") && !problem.contains("hidden"),
            "{problem}"
        );
    }

    #[test]
    fn a_strange_path_is_escaped_and_a_known_one_is_kept_ready() {
        let target = Target::parse("http://host").unwrap();
        assert_eq!(
            target.uri("v1/ä {x}").to_string(),
            "http://host/v1/%C3%A4%20%7Bx%7D"
        );
        assert_eq!(target.uri("/v1/chat"), target.uri("/v1/chat"));
        for number in 0..2 * PATHS_MAX {
            target.uri(&format!("/v1/{number}"));
        }
        assert_eq!(target.paths.read().unwrap().len(), PATHS_MAX);
    }
}
