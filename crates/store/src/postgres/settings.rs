//! How a database of a PostgreSQL server is reached, and how long it may take.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use super::LEASE_CONNECTIONS;
use super::connect::each_host;
use percent_encoding::percent_decode_str;
use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// How long a silent connection is left alone before the system asks whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);

/// How long sent bytes may stay without an acknowledgement before the connection is given up.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(5);

/// How long a verb waits for a connection to be free. Those of a server that fell silent are busy until
/// their answers are given up.
const WAIT: Duration = Duration::from_secs(15);

/// What is wrong with a URL of a database, for whoever wrote it.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct BadUrl(String);

/// Whether connections are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Off,
    /// With a certificate of the server that these authorities, or else those of the system, vouch
    /// for.
    On {
        authorities: Option<PathBuf>,
    },
}

/// A database and how it is used.
#[derive(Clone)]
pub struct PostgresSettings {
    pub(super) config: Config,
    pub(super) tls: Tls,
    /// The schema that everything is kept in; it is created when it is missing. Two installations in
    /// one database take different ones.
    pub schema: String,
    /// The most connections of this process, besides three that are for leases and hints.
    pub connections_max: usize,
    /// How long a verb waits for one of them to be free.
    pub wait: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one statement may take, locks that it waits for included.
    pub statement_timeout: Duration,
    /// For how long a verb of which nothing has happened is tried again when the database goes away.
    pub patience: Duration,
    /// For how long a claim or a renewal is good.
    pub lease: Duration,
}

impl PostgresSettings {
    /// The database of a URL (`postgres://user:password@host:5432/name`), with defaults for the rest.
    ///
    /// `sslmode` is `disable`, or `require` or `verify-full`, which are the same: the certificate is
    /// always checked, against the authorities in the file `sslrootcert` or those of the system.
    /// Without it a server on this machine is spoken to in the clear, and any other is refused.
    ///
    /// # Errors
    ///
    /// [`BadUrl`] says what is wrong with it.
    pub fn from_url(url: &str) -> Result<Self, BadUrl> {
        let (url, ours) = take_ours(url);
        let mut config = Config::from_str(&url).map_err(|error| bad(with_cause(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(bad("it names no host"));
        }
        // An `@` within a password ends it for the library, and the rest would be shown as the host.
        let is_odd = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
        if config.get_hosts().iter().any(is_odd) {
            return Err(bad("its password holds an `@`: write it as `%40`"));
        }
        let tls = tls(&ours, &config)?;
        let mode = match tls {
            Tls::Off => SslMode::Disable,
            Tls::On { .. } => SslMode::Require,
        };
        config.ssl_mode(mode);
        config.keepalives_idle(KEEPALIVE_IDLE);
        config.tcp_user_timeout(UNACKNOWLEDGED_MAX);
        if config.get_application_name().is_none() {
            config.application_name("overnight");
        }
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(Self {
            config,
            tls,
            schema: "overnight".to_owned(),
            connections_max: 16,
            wait: WAIT,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            patience: Duration::from_secs(30),
            lease: Duration::from_secs(5),
        })
    }

    /// Where the database is, without credentials.
    #[must_use]
    pub fn place(&self) -> String {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate().map(|(n, host)| {
            let port = ports.get(n).or_else(|| ports.first()).unwrap_or(&5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(folder) => format!("{}:{port}", folder.display()),
            }
        });
        let hosts: Vec<String> = hosts.collect();
        let name = self.config.get_dbname().or_else(|| self.config.get_user());
        format!("{}/{}", hosts.join(","), name.unwrap_or_default())
    }

    /// The most connections of a process that runs batches.
    #[must_use]
    pub const fn connections_most(&self) -> usize {
        self.connections_max + LEASE_CONNECTIONS + 1
    }

    /// How each of the hosts is reached.
    pub(super) fn hosts(&self) -> Vec<Config> {
        let mut config = self.config.clone();
        config.connect_timeout(self.connect_timeout);
        each_host(&config)
    }

    /// The statements that every connection begins with.
    pub(super) fn session(&self) -> String {
        let schema = quoted(&self.schema);
        let statement_ms = self.statement_timeout.as_millis();
        let idle_ms = self.lease.as_millis();
        // A process that is paused within a transaction must not hold its locks for longer than its
        // leases. A commit is answered when it is on the disk, whatever the server's default is.
        format!(
            "SET search_path = {schema};
             SET client_min_messages = warning;
             SET statement_timeout = {statement_ms};
             SET idle_in_transaction_session_timeout = {idle_ms};
             SET jit = off;
             SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') = 'off'"
        )
    }

    /// The channel of hints: schemas of one database have different ones.
    pub(super) fn channel(&self) -> String {
        format!("{}_batches", self.schema)
    }
}

impl fmt::Debug for PostgresSettings {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSettings")
            .field("place", &self.place())
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// A name as SQL spells it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The parameters of a URL that the client library does not know as we mean them.
#[derive(Default)]
struct Ours {
    sslmode: Option<String>,
    sslrootcert: Option<String>,
}

/// Takes our parameters out of a URL.
fn take_ours(url: &str) -> (String, Ours) {
    let mut ours = Ours::default();
    let Some((address, query)) = url.split_once('?') else {
        return (url.to_owned(), ours);
    };
    let mut rest = Vec::new();
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = || Some(percent_decode_str(value).decode_utf8_lossy().into_owned());
        match name {
            "sslmode" => ours.sslmode = value(),
            "sslrootcert" => ours.sslrootcert = value(),
            _ => rest.push(parameter),
        }
    }
    if rest.is_empty() {
        return (address.to_owned(), ours);
    }
    (format!("{address}?{}", rest.join("&")), ours)
}

fn tls(ours: &Ours, config: &Config) -> Result<Tls, BadUrl> {
    let authorities = ours.sslrootcert.as_ref().map(PathBuf::from);
    match ours.sslmode.as_deref() {
        Some("require" | "verify-full") => Ok(Tls::On { authorities }),
        _ if authorities.is_some() => Err(bad("sslrootcert goes with sslmode=verify-full")),
        Some("disable") => Ok(Tls::Off),
        None if config.get_hosts().iter().all(is_here) => Ok(Tls::Off),
        None => Err(bad(
            "the server is on another machine: say sslmode=verify-full, or sslmode=disable where \
             nobody can listen",
        )),
        Some(other) => Err(bad(format!(
            "sslmode={other} is not known: there are disable, require and verify-full, and the last \
             two both check the certificate"
        ))),
    }
}

/// Whether the server is on this machine.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
    }
}

fn bad(text: impl Into<String>) -> BadUrl {
    BadUrl(text.into())
}

/// The client library's error and what is behind it, which says what is wrong.
fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        PostgresSettings::from_url(url).unwrap_err().to_string()
    }

    #[test]
    fn the_place_is_told_without_the_password() {
        let settings =
            PostgresSettings::from_url("postgres://me:secret@localhost:5433/batches").unwrap();
        assert_eq!(settings.place(), "localhost:5433/batches");
        assert_eq!(settings.tls, Tls::Off);
        assert!(!format!("{settings:?}").contains("secret"));
        let odd = refusal("postgres://me:top@secret@localhost/b");
        assert!(odd.contains("%40") && !odd.contains("secret"), "{odd}");
        let escaped = PostgresSettings::from_url("postgres://me:top%40secret@localhost/b").unwrap();
        assert_eq!(escaped.place(), "localhost:5432/b");
    }

    #[test]
    fn a_server_elsewhere_wants_a_word_on_encryption() {
        for said in ["", "?application_name=a"] {
            let url = format!("postgres://me@db.example/batches{said}");
            assert!(refusal(&url).contains("sslmode=verify-full"), "{url}");
        }
        let disabled = PostgresSettings::from_url("postgres://me@db.example/b?sslmode=disable");
        assert_eq!(disabled.unwrap().tls, Tls::Off);
        for mode in ["require", "verify-full"] {
            let url = format!("postgres://me@db.example/b?sslmode={mode}&sslrootcert=%2Fa%20b.pem");
            let authorities = Some(PathBuf::from("/a b.pem"));
            let settings = PostgresSettings::from_url(&url).unwrap();
            assert_eq!(settings.tls, Tls::On { authorities });
        }
    }

    #[test]
    fn half_hearted_encryption_is_refused() {
        for mode in ["prefer", "allow", "verify-ca", ""] {
            let text = refusal(&format!("postgres://me@localhost/b?sslmode={mode}"));
            assert!(text.contains("is not known"), "{text}");
        }
        let text = refusal("postgres://me@localhost/b?sslrootcert=/ca.pem");
        assert!(text.contains("verify-full"), "{text}");
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_reason() {
        assert!(refusal("postgres:///b").contains("no host"));
        assert!(refusal("postgres://localhost/b?nonsense=1").contains("nonsense"));
    }
}
