//! Where traces are sent.

use anyhow::{Context as _, ensure};
use http::Uri;
use http::uri::{PathAndQuery, Scheme};

use super::setting::section;
use super::units::Share;

/// Where a collector takes spans, when its URL names no path
/// (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>).
const PATH: &str = "/v1/traces";

section! {
    /// Where traces are sent.
    TracesSection {
        /// The URL of a collector that takes OpenTelemetry's traces over HTTP, such as `http://127.0.0.1:4318`; none
        /// are made when it is not set. Headers for it, and its patience, are in the variables that all its clients
        /// know: `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_EXPORTER_OTLP_TIMEOUT`.
        url: Option<String> = None;
        /// The share of lines that are traced, from 0 to 1, each with its attempts.
        lines: Share = Share(0.001);
    }
}

impl TracesSection {
    /// The URL that spans are sent to; `None` when none are made.
    ///
    /// # Errors
    ///
    /// What is set is no URL of a server.
    pub(crate) fn collector(&self) -> anyhow::Result<Option<Uri>> {
        let Some(url) = &self.url else {
            return Ok(None);
        };
        let mut parts = url.parse::<Uri>().context("it is no URL")?.into_parts();
        let scheme = parts.scheme.as_ref().map(Scheme::as_str);
        ensure!(
            matches!(scheme, Some("http" | "https")) && parts.authority.is_some(),
            "it begins with http:// or https:// and names a server"
        );
        let path = parts.path_and_query.as_ref();
        if path.is_none_or(|path| matches!(path.as_str(), "" | "/")) {
            parts.path_and_query = Some(PathAndQuery::from_static(PATH));
        }
        Ok(Some(Uri::from_parts(parts).context("it is no URL")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, sent_to: Option<&str>) {
        let section = TracesSection {
            url: Some(url.to_owned()),
            ..TracesSection::default()
        };
        let found = section.collector().ok().flatten();
        let found = found.map(|uri| uri.to_string());
        assert_eq!(found.as_deref(), sent_to, "{url}");
    }

    #[test]
    fn a_collector_is_asked_at_the_path_of_the_protocol_unless_another_is_named() {
        let at_its_path = Some("http://otel:4318/v1/traces");
        check("http://otel:4318", at_its_path);
        check("http://otel:4318/", at_its_path);
        let elsewhere = "https://otel/some/where?x=1";
        check(elsewhere, Some(elsewhere));
        for text in ["", "otel:4318", "grpc://otel:4317", "/v1/traces"] {
            check(text, None);
        }
    }
}
