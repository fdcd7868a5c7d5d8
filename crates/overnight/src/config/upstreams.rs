//! The inference servers, as the configuration names them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use overnight_engine::settings::UpstreamLimits;
use overnight_engine::upstream::settings::{Secret, UpstreamSettings};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::setting::{Entry, Setting, join, quote, section, value};
use super::settings::Words;

/// The upstream that stands for the simulator inside the process.
pub(crate) const SIM: &str = "sim";

/// What a secret is shown as.
const MASK: &str = "***";

section! {
    /// One inference server.
    UpstreamSection {
        /// The server's address, with or without `/v1`: `http:`, `https:` or `unix:`; or `sim` for the simulator
        /// inside the process.
        url: Url = Url::default();
        /// Its name in logs, metrics and reasons; host and port when it is not set.
        name: Option<String> = None;
        /// The environment variable that holds its API key.
        api_key_env: Option<String> = None;
        /// Headers that are sent with every request.
        headers: Headers = Headers::default();
        /// A file with certificates (PEM) that are trusted besides those of the system.
        ca: Option<PathBuf> = None;
        /// The HTTP proxy that it is reached through.
        proxy: Option<Url> = None;
        /// The models that it serves; its own list is asked when it is not set.
        models: Option<Words> = None;
        /// Other names for its models: what lines say, and what the server is told.
        served_as: Aliases = Aliases::default();
        /// How many requests are in flight; found out while it runs when it is not set.
        limit: Option<u32> = None;
        /// The most requests in flight that are tried when `limit` is not set; 512 when it is not set.
        limit_max: Option<u32> = None;
        /// The most requests a minute.
        rpm: Option<u32> = None;
        /// The most tokens a minute, input and output together.
        tpm: Option<u64> = None;
        /// Steers by the gauges of the server's `/metrics`, if it has any.
        gauges: bool = true;
    }
}

impl UpstreamSection {
    /// The server at that address, with every other setting at its default.
    pub(crate) fn at(url: &str) -> Self {
        Self {
            url: Url(url.to_owned()),
            ..Self::default()
        }
    }

    /// What the engine is told of it. The simulator's address is known when it runs.
    pub(crate) fn settings(
        &self,
        url: String,
        environment: &BTreeMap<String, String>,
    ) -> UpstreamSettings {
        let name = self.name.clone();
        let variable = self.api_key_env.as_ref();
        let api_key = variable.and_then(|variable| environment.get(variable));
        UpstreamSettings {
            name: name.or_else(|| self.is_sim().then(|| SIM.to_owned())),
            api_key: api_key.map(|key| Secret::new(key.trim().to_owned())),
            headers: self.headers.0.clone().into_iter().collect(),
            ca: self.ca.clone(),
            proxy: self.proxy.as_ref().map(|proxy| proxy.0.clone()),
            models: self.models.as_ref().map(|models| models.0.clone()),
            served_as: self.served_as.0.clone(),
            limits: UpstreamLimits {
                limit: self.limit,
                limit_max: self.limit_max,
                rpm: self.rpm,
                tpm: self.tpm,
            },
            gauges: self.gauges,
            ..UpstreamSettings::new(url)
        }
    }

    /// Whether it is the simulator inside the process.
    pub(crate) fn is_sim(&self) -> bool {
        self.url.0 == SIM
    }
}

/// An address, which may hold a password: it is shown without.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Url(pub(crate) String);

impl Url {
    /// The address with a password masked.
    pub(crate) fn masked(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return self.0.clone();
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        match authority.rsplit_once('@') {
            Some((credentials, _)) => {
                format!(
                    "{scheme}://{MASK}{}",
                    rest.get(credentials.len()..).unwrap_or_default()
                )
            }
            None => self.0.clone(),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.masked())
    }
}

/// Extra headers. Their values may be keys: they are shown masked.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Headers(pub(crate) BTreeMap<String, String>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What lines call a model, and what its upstream calls it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Aliases(pub(crate) BTreeMap<String, String>);

value!(Url, "address", |url: &Url| quote(&url.masked()));
value!(Headers, "table of texts", |headers: &Headers| {
    table(headers.0.keys().map(|name| (name.as_str(), MASK)))
});
value!(Aliases, "table of texts", |aliases: &Aliases| {
    table(
        aliases
            .0
            .iter()
            .map(|(from, to)| (from.as_str(), to.as_str())),
    )
});

fn table<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<_> = pairs
        .map(|(key, value)| format!("{} = {}", quote(key), quote(value)))
        .collect();
    if pairs.is_empty() {
        "{}".to_owned()
    } else {
        format!("{{ {} }}", pairs.join(", "))
    }
}

/// The list of upstreams: tables, or just addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upstreams(pub(crate) Vec<UpstreamSection>);

impl Setting for Upstreams {
    fn list(&self, key: &str, meaning: &str, entries: &mut Vec<Entry>) {
        for (index, upstream) in self.0.iter().enumerate() {
            upstream.list(&join(key, &index.to_string()), meaning, entries);
        }
    }
}

struct UpstreamsVisitor;

impl<'de> Visitor<'de> for UpstreamsVisitor {
    type Value = Upstreams;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of upstreams: `[[upstreams]]` tables, or addresses")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Upstreams, E> {
        let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
        Ok(Upstreams(urls.map(UpstreamSection::at).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Upstreams, A::Error> {
        let mut upstreams = Vec::new();
        while let Some(OneUpstream(upstream)) = list.next_element()? {
            upstreams.push(upstream);
        }
        Ok(Upstreams(upstreams))
    }
}

impl<'de> Deserialize<'de> for Upstreams {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(UpstreamsVisitor)
    }
}

/// An upstream as a table or as an address.
struct OneUpstream(UpstreamSection);

struct OneUpstreamVisitor;

impl<'de> Visitor<'de> for OneUpstreamVisitor {
    type Value = OneUpstream;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an upstream: a table with `url`, or an address")
    }

    fn visit_str<E: de::Error>(self, url: &str) -> Result<OneUpstream, E> {
        Ok(OneUpstream(UpstreamSection::at(url)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneUpstream, A::Error> {
        UpstreamSection::deserialize(MapAccessDeserializer::new(map)).map(OneUpstream)
    }
}

impl<'de> Deserialize<'de> for OneUpstream {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OneUpstreamVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_never_shown() {
        let shown = |url: &str| Url(url.to_owned()).masked();
        assert_eq!(
            shown("http://me:secret@host:80/v1"),
            "http://***@host:80/v1"
        );
        assert_eq!(shown("http://host/a@b"), "http://host/a@b");
        assert_eq!(shown("unix:/run/a.sock"), "unix:/run/a.sock");
        let debugged = format!("{:?}", UpstreamSection::at("http://me:secret@host"));
        assert!(!debugged.contains("secret"), "{debugged}");
    }
}
