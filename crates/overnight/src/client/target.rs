//! Which server is asked, and with which key: flags, then the environment, then this machine.

use std::collections::BTreeMap;

use http::{HeaderValue, Uri};

use super::errors::ClientError;
use crate::failure::UsageError;

/// The server that is asked when nobody names one.
const SERVER_BY_DEFAULT: &str = "http://127.0.0.1:8080";

/// The variables that name the server, the first that is set counting.
const SERVER_VARIABLES: [&str; 2] = ["OVERNIGHT_SERVER", "OPENAI_BASE_URL"];

/// The variables that hold the key, the first that is set counting.
const KEY_VARIABLES: [&str; 2] = ["OVERNIGHT_KEY", "OPENAI_API_KEY"];

/// Which server is asked.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServerArgs {
    /// The server, with or without `/v1` [default: `OVERNIGHT_SERVER`, else `OPENAI_BASE_URL`, else
    /// `http://127.0.0.1:8080`].
    #[arg(long, value_name = "URL", help_heading = "Server")]
    server: Option<String>,
    /// The API key [default: `OVERNIGHT_KEY`, else `OPENAI_API_KEY`, else none].
    #[arg(long, value_name = "KEY", help_heading = "Server")]
    key: Option<String>,
}

/// The address of a server.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Scheme, host, port and what stands before `/v1`; does not end in a slash.
    base: String,
}

impl ServerArgs {
    /// The server and the header with the key.
    ///
    /// # Errors
    ///
    /// The address is none, or the key cannot be sent; the error says where it came from.
    pub(super) fn target(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<(Target, Option<HeaderValue>), UsageError> {
        let set = |names: [&'static str; 2]| {
            let values = names.into_iter().map(|name| (name, environment.get(name)));
            let mut set = values.filter_map(|(name, value)| Some((name, value?.as_str())));
            set.find(|(_, value)| !value.is_empty())
        };
        let server = self.server.as_deref().map(|url| ("--server", url));
        let (origin, url) = server
            .or_else(|| set(SERVER_VARIABLES))
            .unwrap_or(("the default", SERVER_BY_DEFAULT));
        let target = Target::parse(url).map_err(|why| UsageError(format!("{origin}: {why}")))?;
        let key = self.key.as_deref().map(|key| ("--key", key));
        let key = key.or_else(|| set(KEY_VARIABLES)).map(|(origin, key)| {
            let unsendable = |_| UsageError(format!("{origin}: this is no API key"));
            let mut header = HeaderValue::from_str(&format!("Bearer {key}")).map_err(unsendable)?;
            header.set_sensitive(true);
            Ok(header)
        });
        Ok((target, key.transpose()?))
    }
}

impl Target {
    fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{why}; write it like http://host:8080");
        let url = url.trim();
        let uri: Uri = url.parse().map_err(|_| wrong("this is no URL"))?;
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let Some(authority) =
            authority.filter(|_| matches!(uri.scheme_str(), Some("http" | "https")))
        else {
            return Err(wrong("this is no URL"));
        };
        if authority.contains('@') {
            return Err("the URL holds a password; give an API key with --key".to_owned());
        }
        if uri.query().is_some() {
            return Err(wrong("the URL has a query"));
        }
        let path = uri.path().trim_end_matches('/');
        let path = path
            .strip_suffix("/v1")
            .unwrap_or(path)
            .trim_end_matches('/');
        let scheme = uri.scheme_str().unwrap_or("http");
        Ok(Self {
            base: format!("{scheme}://{authority}{path}"),
        })
    }

    /// Whether connections are encrypted.
    pub(super) fn is_tls(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// The address, as people know it.
    pub(super) fn shown(&self) -> &str {
        &self.base
    }

    /// The URI of a path such as `/v1/batches`.
    pub(super) fn uri(&self, path: &str) -> Result<Uri, ClientError> {
        let uri = format!("{}{path}", self.base).parse();
        uri.map_err(|error: http::uri::InvalidUri| ClientError::Odd {
            server: self.base.clone(),
            path: path.to_owned(),
            why: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(
        server: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<(String, Option<HeaderValue>), String> {
        let args = ServerArgs {
            server: server.map(str::to_owned),
            key: None,
        };
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = variables.iter().map(owned).collect();
        let resolved = args.target(&environment).map_err(|error| error.0);
        resolved.map(|(target, key)| (target.base, key))
    }

    #[test]
    fn a_flag_comes_before_variables_and_those_before_the_default() {
        let ours = ("OVERNIGHT_SERVER", "https://ours/v1/");
        let theirs = ("OPENAI_BASE_URL", "http://theirs:1/sub/v1");
        let base = |server, variables: &[_]| resolve(server, variables).unwrap().0;
        assert_eq!(base(None, &[]), "http://127.0.0.1:8080");
        assert_eq!(base(None, &[theirs]), "http://theirs:1/sub");
        assert_eq!(base(None, &[theirs, ours]), "https://ours");
        assert_eq!(base(Some("http://flag"), &[theirs, ours]), "http://flag");
        let key = resolve(None, &[("OPENAI_API_KEY", "k"), ("OVERNIGHT_KEY", "")]);
        assert_eq!(key.unwrap().1.unwrap(), "Bearer k");
    }

    #[test]
    fn what_is_no_address_is_told_with_where_it_came_from() {
        for url in [
            "",
            "host:8080",
            "ftp://host",
            "http://host/?a=b",
            "http://me:secret@host",
        ] {
            let told = resolve(Some(url), &[]).unwrap_err();
            assert!(
                told.starts_with("--server: ") && !told.contains("secret"),
                "{told}"
            );
        }
        let told = resolve(None, &[("OPENAI_BASE_URL", "nonsense")]).unwrap_err();
        assert!(told.starts_with("OPENAI_BASE_URL: "), "{told}");
    }
}
