//! The real upstream: HTTP over TCP or a socket, with TLS and through proxies.
//!
//! ```text
//! Call ──► body (alias put in) ──► client (pool, connect) ──► head ──► receive ──► Received
//!                                       └──────── failure ◄──────┴─────────┘
//! ```
//!
//! [`Upstream::send`] never fails: whatever happens on the way is a reply, and the rules decide whose
//! fault it is. So the one thing that matters here is that each failure gets its own name.
//! Redirects are not followed (a 3xx is the answer), and no body is decoded or changed.

mod alias;
mod ask;
mod body;
mod client;
mod connect;
mod error;
mod failure;
mod gauges;
mod headers;
mod link;
mod models;
mod pool;
#[cfg(test)]
mod properties;
mod reach;
mod send;
mod target;
mod tls;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use rustls::ClientConfig;

use self::client::Client;
use self::connect::{Dial, Proxy};
use self::error::Problem;
pub use self::error::UpstreamSetupError;
use self::target::Target;
use super::answer::AnswerBudget;
use super::settings::{UpstreamSettings, without_credentials};
use super::{Call, Gauges, Leg, ModelList, Received, Timeouts, Upstream};

/// How often an HTTP/2 connection is asked whether the other side is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a connection may be idle before it is closed. Most servers close it sooner.
const IDLE_MAX: Duration = Duration::from_secs(90);

/// The largest head of an answer. A connection holds as much of an answer that comes fast, and of a
/// request that is taken slowly; there are hundreds of connections.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// An inference server that is reached over HTTP.
pub struct HttpUpstream {
    name: String,
    target: Target,
    settings: UpstreamSettings,
    /// The upstream's own names of models as JSON strings, by the names that lines use.
    own_names: HashMap<String, Bytes>,
    headers: HeaderMap,
    client: Client,
    timeouts: Timeouts,
    budget: AnswerBudget,
}

/// What settings come to, before anything is made of them.
struct Ready {
    target: Target,
    proxy: Option<Proxy>,
    tls: ClientConfig,
    headers: HeaderMap,
    own_names: HashMap<String, Bytes>,
}

impl Ready {
    fn from(settings: &UpstreamSettings) -> Result<Self, UpstreamSetupError> {
        let name = settings.name.clone();
        let called = name.unwrap_or_else(|| without_credentials(&settings.url));
        Self::read(settings).map_err(|problem| problem.of(called))
    }

    fn read(settings: &UpstreamSettings) -> Result<Self, Problem> {
        let mut target = Target::parse(&settings.url)?;
        let proxy = proxy(settings, &target)?;
        target.send_whole_uris(target.is_tls() || proxy.is_some());
        let tls = tls::config(target.is_tls(), settings.ca.as_deref())?;
        let headers = headers::build(settings, &target, proxy.as_ref())?;
        let own_names = own_names(settings)?;
        let models = settings.models.as_ref();
        if models.is_some_and(|names| names.iter().all(String::is_empty)) {
            let text = "names no model: name one, or leave it out so that the upstream is asked";
            return Err(Problem::new("models", text));
        }
        Ok(Self {
            target,
            proxy,
            tls,
            headers,
            own_names,
        })
    }
}

/// The encryption of connections to servers that are no upstreams: as those are trusted that have no `ca`.
///
/// # Errors
///
/// [`UpstreamSetupError`] when `is_tls`, and this system has no certificates to trust.
pub fn tls_config(is_tls: bool) -> Result<ClientConfig, UpstreamSetupError> {
    tls::config(is_tls, None).map_err(|problem| problem.of("a server".to_owned()))
}

impl HttpUpstream {
    /// Looks at settings as [`Self::new`] does, and makes nothing of them.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn check(settings: &UpstreamSettings) -> Result<(), UpstreamSetupError> {
        Ready::from(settings).map(drop)
    }

    /// Sets up an upstream; connects to nothing. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`UpstreamSetupError`] names the setting that does not hold and says what to do.
    pub fn new(
        settings: UpstreamSettings,
        timeouts: Timeouts,
        budget: AnswerBudget,
    ) -> Result<Self, UpstreamSetupError> {
        let Ready {
            target,
            proxy,
            tls,
            headers,
            own_names,
        } = Ready::from(&settings)?;
        let dial = match &target.socket {
            Some(path) => Dial::socket(path),
            None => Dial::tcp(proxy.as_ref(), target.is_tls()),
        };
        let client = Client::new(dial, &target, tls, timeouts.connect);
        let name = settings.name.clone().unwrap_or_else(|| target.name.clone());
        Ok(Self {
            name,
            target,
            settings,
            own_names,
            headers,
            client,
            timeouts,
            budget,
        })
    }

    /// What people call it: the name in its settings, else its host and port, or its socket.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL for logs and status, without credentials and without `/v1`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.target.shown
    }

    /// The settings that it was made of.
    #[must_use]
    pub const fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }
}

#[async_trait]
impl Upstream for HttpUpstream {
    async fn send(&self, call: Call) -> Received {
        self.attempt(call).await.unwrap_or_else(|ended| ended)
    }

    async fn models(&self) -> Result<ModelList, String> {
        self.ask_models().await
    }

    async fn gauges(&self) -> Option<Gauges> {
        self.ask_gauges().await
    }

    async fn is_up(&self) -> bool {
        self.ask_health().await
    }

    async fn reach(&self) -> Vec<Leg> {
        self.take_legs().await
    }
}

impl fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUpstream")
            .field("name", &self.name)
            .field("url", &self.target.shown)
            .finish_non_exhaustive()
    }
}

fn proxy(settings: &UpstreamSettings, target: &Target) -> Result<Option<Proxy>, Problem> {
    let Some(url) = &settings.proxy else {
        return Ok(None);
    };
    if target.socket.is_some() {
        return Err(Problem::new(
            "proxy",
            "leads to no socket: leave it out for a `unix:` URL",
        ));
    }
    let (uri, authorization) = target::origin("proxy", url)?;
    if uri.scheme_str() != Some("http") {
        return Err(Problem::new(
            "proxy",
            "is spoken to in plain HTTP: write `http://host:port`",
        ));
    }
    Ok(Some(Proxy { uri, authorization }))
}

fn own_names(settings: &UpstreamSettings) -> Result<HashMap<String, Bytes>, Problem> {
    let own_name = |(alias, name): (&String, &String)| {
        if alias.is_empty() || name.is_empty() {
            let text = "has an empty name: write `name in lines = name at the upstream`";
            return Err(Problem::new("served_as", text));
        }
        let quoted = serde_json::to_vec(name)
            .map_err(|error| Problem::new("served_as", "cannot be written").caused_by(error))?;
        Ok((alias.clone(), Bytes::from(quoted)))
    };
    settings.served_as.iter().map(own_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_reached_in_the_clear_and_leads_to_no_socket() {
        let refusal = |url: &str, proxy: &str| {
            let settings = UpstreamSettings {
                proxy: Some(proxy.to_owned()),
                ..UpstreamSettings::new(url)
            };
            let ready = Ready::from(&settings);
            ready.err().map(|error| error.to_string())
        };
        assert_eq!(refusal("http://gpu:8000", "http://proxy:3128"), None);
        let text = refusal("http://gpu:8000", "https://proxy:3128").unwrap();
        assert!(text.contains("plain HTTP"), "{text}");
        let text = refusal("unix:/run/gpu.sock", "http://proxy:3128").unwrap();
        assert!(text.contains("no socket"), "{text}");
    }
}
