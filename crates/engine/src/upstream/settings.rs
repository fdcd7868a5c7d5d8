//! What can be set of one upstream.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::settings::UpstreamLimits;

/// A value that no log, error or debug print may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub const fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that has to send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The settings of one upstream.
#[derive(Clone)]
pub struct UpstreamSettings {
    /// What people call it; its host and port when `None`.
    pub name: Option<String>,
    /// Where it is: `http://`, `https://` or `unix:` and a path; with or without `/v1`. May hold
    /// credentials (`http://user:password@host`), which are then sent as basic authentication.
    pub url: String,
    /// Sent as `Authorization: Bearer`.
    pub api_key: Option<Secret>,
    /// Further headers of every request. One of a name that is sent anyway takes its place.
    pub headers: Vec<(String, String)>,
    /// A PEM file of certificates to trust besides the system's.
    pub ca: Option<PathBuf>,
    /// An HTTP proxy to go through: `http://`, host and port, may hold credentials.
    pub proxy: Option<String>,
    /// What it serves; asked of the upstream when `None`.
    pub models: Option<Vec<String>>,
    /// The upstream's own name of a model, by the name that lines use.
    pub served_as: BTreeMap<String, String>,
    /// How many requests it may have in flight, and how often.
    pub limits: UpstreamLimits,
    /// Whether its `/metrics` are asked for gauges. Default: yes.
    pub gauges: bool,
}

impl UpstreamSettings {
    /// The defaults for the upstream at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            name: None,
            url: url.into(),
            api_key: None,
            headers: Vec::new(),
            ca: None,
            proxy: None,
            models: None,
            served_as: BTreeMap::new(),
            limits: UpstreamLimits::default(),
            gauges: true,
        }
    }
}

impl fmt::Debug for UpstreamSettings {
    /// Leaves out what may hold credentials: the values of headers, and what precedes an `@`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("UpstreamSettings")
            .field("name", &self.name)
            .field("url", &without_credentials(&self.url))
            .field("api_key", &self.api_key)
            .field("headers", &headers)
            .field("ca", &self.ca)
            .field("proxy", &self.proxy.as_deref().map(without_credentials))
            .field("models", &self.models)
            .field("served_as", &self.served_as)
            .field("limits", &self.limits)
            .field("gauges", &self.gauges)
            .finish()
    }
}

/// A URL with `***` in the place of its credentials.
pub(super) fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) if scheme.is_empty() => format!("***@{host}{path}"),
        Some((_, host)) => format!("{scheme}://***@{host}{path}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_print_shows_no_credentials() {
        let settings = UpstreamSettings {
            api_key: Some(Secret::new("sk-hidden".to_owned())),
            headers: vec![("x-key".to_owned(), "hidden".to_owned())],
            proxy: Some("http://me:hidden@proxy:3128".to_owned()),
            ..UpstreamSettings::new("https://me:hidden@host/v1")
        };
        let printed = format!("{settings:?}");
        assert!(!printed.contains("hidden"), "{printed}");
        assert!(printed.contains("https://***@host/v1"), "{printed}");
        assert!(printed.contains("x-key"), "{printed}");
    }
}
