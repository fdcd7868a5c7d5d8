//! The way to an upstream, leg by leg: what a person wants to know who waits for an answer in vain.

use std::net::IpAddr;

use hyper_rustls::MaybeHttpsStream;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};
use tower_service::Service as _;

use super::connect::{BoxError, Connector, Dial};
use super::{HttpUpstream, failure, proxy, tls};
use crate::upstream::{Leg, Stage};

impl HttpUpstream {
    /// Takes the legs of [`crate::upstream::Upstream::reach`], over connections of their own.
    pub(super) async fn take_legs(&self) -> Vec<Leg> {
        let mut legs = Vec::new();
        if let Some(resolving) = self.resolve() {
            legs.push(timed(Stage::Resolve, resolving).await);
        }
        if !failed(&legs) {
            legs.push(timed(Stage::Connect, self.connect()).await);
        }
        if !failed(&legs) && self.target.is_tls() {
            legs.push(timed(Stage::Encrypt, self.encrypt()).await);
        }
        legs
    }

    /// Looks up the host that is connected to; `None` when an address or a socket is known already.
    fn resolve(&self) -> Option<impl Future<Output = Result<String, BoxError>>> {
        if self.target.socket.is_some() {
            return None;
        }
        let uri = match proxy(&self.settings, &self.target) {
            Ok(Some(proxy)) => proxy.uri,
            Ok(None) | Err(_) => self.target.origin.clone(),
        };
        let host = uri.host()?.to_owned();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return None;
        }
        let patience = self.timeouts.connect;
        Some(async move {
            let found = timeout(patience, lookup_host((host.as_str(), 0))).await;
            let found =
                found.map_err(|_| format!("{host}: no answer within the time for it"))??;
            let mut addresses: Vec<String> = found.map(|found| found.ip().to_string()).collect();
            addresses.dedup();
            Ok(format!("{host} is {}", addresses.join(", ")))
        })
    }

    fn dial(&self) -> Result<Dial, BoxError> {
        if let Some(path) = &self.target.socket {
            return Ok(Dial::socket(path));
        }
        let proxy = proxy(&self.settings, &self.target).map_err(|problem| problem.text)?;
        Ok(Dial::tcp(proxy.as_ref(), self.target.is_tls()))
    }

    async fn connect(&self) -> Result<String, BoxError> {
        let opening = self.dial()?;
        let opening = opening.open(self.target.origin.clone(), self.timeouts.connect);
        opening.await?;
        Ok(match &self.settings.proxy {
            Some(_) => "connected through the proxy".to_owned(),
            None => "connected".to_owned(),
        })
    }

    async fn encrypt(&self) -> Result<String, BoxError> {
        let tls = tls::config(true, self.settings.ca.as_deref()).map_err(|problem| problem.text)?;
        let mut connector = Connector::new(self.dial()?, tls, self.timeouts.connect);
        let stream = connector.call(self.target.origin.clone()).await?;
        let MaybeHttpsStream::Https(stream) = stream else {
            return Err("the connection is not encrypted".into());
        };
        let (_, session) = stream.inner().get_ref();
        let version = session
            .protocol_version()
            .and_then(|version| version.as_str());
        let protocol = match session.alpn_protocol() {
            Some(b"h2") => "HTTP/2",
            Some(_) | None => "HTTP/1.1",
        };
        let version = version.unwrap_or("TLS").replace('_', ".");
        Ok(format!("the certificate holds; {version}, {protocol}"))
    }
}

fn failed(legs: &[Leg]) -> bool {
    legs.last().is_some_and(|leg| leg.outcome.is_err())
}

async fn timed(stage: Stage, leg: impl Future<Output = Result<String, BoxError>>) -> Leg {
    let began = Instant::now();
    let outcome = leg.await;
    Leg {
        stage,
        took: began.elapsed(),
        outcome: outcome.map_err(|error| failure::detail(&*error)),
    }
}
