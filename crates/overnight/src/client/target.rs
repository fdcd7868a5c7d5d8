//! Which server is asked, and with which key: flags, then the environment, then the user's own settings, then
//! this machine.
//!
//! A profile counts where it is named: one that `--profile` names is a flag, one that `OVERNIGHT_PROFILE` names
//! a variable of ours, which comes before those that other programs read too.

use std::collections::BTreeMap;

use http::{HeaderValue, Uri};

use overnight_engine::upstream::settings::Secret;

use super::errors::ClientError;
use super::profile::{Profile, Profiles, Sourced};
use crate::config::origin::Origin;
use crate::failure::UsageError;

/// The server that is asked when nobody names one.
const SERVER_BY_DEFAULT: &str = "http://127.0.0.1:8080";

/// The variables that name the server: ours, and that of other programs.
const SERVER_VARIABLES: [&str; 2] = ["OVERNIGHT_SERVER", "OPENAI_BASE_URL"];

/// The variables that hold the key: ours, and that of other programs.
const KEY_VARIABLES: [&str; 2] = ["OVERNIGHT_KEY", "OPENAI_API_KEY"];

/// The variable that names the profile.
const PROFILE_VARIABLE: &str = "OVERNIGHT_PROFILE";

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
    /// A server of `~/.config/overnight/config.toml`, by its name there [default: `OVERNIGHT_PROFILE`, else what
    /// the file says].
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    profile: Option<String>,
}

/// What commands that ask a server go by.
#[derive(Debug)]
pub(crate) struct Choice {
    /// The profile.
    pub(crate) profile: Option<Sourced<String>>,
    /// The server.
    pub(crate) server: Sourced<Target>,
    /// The key.
    pub(crate) key: Option<Sourced<Secret>>,
}

/// The address of a server.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Scheme, host, port and what stands before `/v1`; does not end in a slash.
    base: String,
}

impl ServerArgs {
    /// What is asked, and where each value of it came from.
    ///
    /// # Errors
    ///
    /// The address is none, or a profile is wrong; the error says where it came from.
    pub(crate) fn choose(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<Choice, UsageError> {
        let flag = |name: &str, value: &Option<String>| {
            let value = value.clone()?;
            Some((value, Origin::Flag(name.to_owned())))
        };
        let variable = |name: &str| {
            let value = environment.get(name).filter(|value| !value.is_empty())?;
            Some((value.clone(), Origin::Variable(name.to_owned())))
        };
        let profiles = Profiles::read(environment)?;
        let named = flag("--profile", &self.profile)
            .or_else(|| variable(PROFILE_VARIABLE))
            .or_else(|| profiles.named());
        let profile = named
            .as_ref()
            .map(|named| profiles.get(named, environment))
            .transpose()?;
        let Profile { server, key } = profile.unwrap_or_default();
        let by = named.as_ref().map(|(_, origin)| origin);
        let [ours, theirs] = SERVER_VARIABLES;
        let has_server = server.is_some();
        let profiled = server.as_ref().map(|(_, origin)| origin.clone());
        let set = [variable(ours), variable(theirs)];
        let chosen = first(flag("--server", &self.server), server, by, set);
        let (url, origin) =
            chosen.unwrap_or_else(|| (SERVER_BY_DEFAULT.to_owned(), Origin::Default));
        let target = Target::parse(&url).map_err(|why| UsageError(format!("{origin}: {why}")))?;
        // The key of a profile is for its server, and for no other.
        let key = key.filter(|_| !has_server || profiled.as_ref() == Some(&origin));
        let secret = |(key, origin): Sourced<String>| (Secret::new(key), origin);
        let set = KEY_VARIABLES.map(|name| variable(name).map(secret));
        Ok(Choice {
            key: first(flag("--key", &self.key).map(secret), key, by, set),
            server: (target, origin),
            profile: named,
        })
    }

    /// The server and the header with the key.
    ///
    /// # Errors
    ///
    /// As [`Self::choose`], or the key cannot be sent.
    pub(super) fn target(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<(Target, Option<HeaderValue>), UsageError> {
        let choice = self.choose(environment)?;
        let key = choice.key.map(|(key, origin)| {
            let unsendable = |_| UsageError(format!("{origin}: this is no API key"));
            let header = format!("Bearer {}", key.expose());
            let mut header = HeaderValue::from_str(&header).map_err(unsendable)?;
            header.set_sensitive(true);
            Ok(header)
        });
        Ok((choice.server.0, key.transpose()?))
    }
}

/// The strongest of what is set: by a flag, by our variable or by that of other programs, and the profile's
/// where that was named.
fn first<T>(
    flag: Option<Sourced<T>>,
    profiled: Option<Sourced<T>>,
    by: Option<&Origin>,
    [ours, theirs]: [Option<Sourced<T>>; 2],
) -> Option<Sourced<T>> {
    match by {
        Some(Origin::Flag(_)) => flag.or(profiled).or(ours).or(theirs),
        Some(Origin::Variable(_)) => flag.or(ours).or(profiled).or(theirs),
        Some(Origin::File(..) | Origin::Default) | None => flag.or(ours).or(theirs).or(profiled),
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
    pub(crate) fn shown(&self) -> &str {
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
            profile: None,
        };
        let resolved = args.target(&owned(variables)).map_err(|error| error.0);
        resolved.map(|(target, key)| (target.base, key))
    }

    fn owned(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        variables.iter().map(owned).collect()
    }

    /// Server and key, chosen by a user with two profiles, `a` being that of the file.
    fn chosen(
        [profile, server]: [Option<&str>; 2],
        variables: &[(&str, &str)],
    ) -> (String, Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("overnight");
        std::fs::create_dir(&path).unwrap();
        let text = "profile = \"a\"\n[profiles.a]\nserver = \"http://a\"\nkey = \"ka\"\n\
                    [profiles.b]\nserver = \"http://b\"\nkey = \"kb\"\n";
        std::fs::write(path.join("config.toml"), text).unwrap();
        let mut environment = owned(variables);
        let place = folder.path().display().to_string();
        environment.insert("XDG_CONFIG_HOME".to_owned(), place);
        let args = ServerArgs {
            server: server.map(str::to_owned),
            key: None,
            profile: profile.map(str::to_owned),
        };
        let choice = args.choose(&environment).unwrap();
        let key = choice.key.map(|(key, _)| key.expose().to_owned());
        (choice.server.0.base, key)
    }

    #[test]
    fn a_profile_counts_where_it_is_named() {
        let check = |flags, variables: &[_], server: &str, key: Option<&str>| {
            let expected = (server.to_owned(), key.map(str::to_owned));
            assert_eq!(
                chosen(flags, variables),
                expected,
                "{flags:?} {variables:?}"
            );
        };
        let theirs = ("OPENAI_BASE_URL", "http://theirs");
        let ours = ("OVERNIGHT_SERVER", "http://ours");
        let b = ("OVERNIGHT_PROFILE", "b");
        check([None, None], &[], "http://a", Some("ka"));
        check([None, None], &[b], "http://b", Some("kb"));
        check([None, None], &[b, theirs], "http://b", Some("kb"));
        check([Some("b"), None], &[ours, theirs], "http://b", Some("kb"));
        let key = ("OVERNIGHT_KEY", "ko");
        check([None, None], &[key], "http://a", Some("ko"));
        // The key of a profile goes to no other server.
        check([None, None], &[theirs], "http://theirs", None);
        check([None, None], &[b, ours], "http://ours", None);
        check([Some("b"), Some("http://x")], &[], "http://x", None);
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
