//! Opens connections to whichever of several hosts takes writes.
//!
//! A host without a server refuses at once. One whose machine is gone says nothing, and would use up
//! the time that whoever needs a connection has; so the next host is asked beside it.

use std::time::Duration;

use deadpool_postgres::{ConfigConnectImpl, Connect};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_postgres::config::Host;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Error, Socket};

/// A host that has not answered for so long is not waited for before the next one is asked.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects for a pool.
pub(super) struct AnyHost<T>
where
    T: MakeTlsConnect<Socket> + Clone + Sync + Send + 'static,
    T::Stream: Sync + Send,
    T::TlsConnect: Sync + Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    pub(super) hosts: Vec<Config>,
    pub(super) driver: ConfigConnectImpl<T>,
}

impl<T> Connect for AnyHost<T>
where
    T: MakeTlsConnect<Socket> + Clone + Sync + Send + 'static,
    T::Stream: Sync + Send,
    T::TlsConnect: Sync + Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(
        &self,
        _all_hosts: &Config,
    ) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        let hosts = self.hosts.iter();
        Box::pin(first(hosts.map(|host| self.driver.connect(host))))
    }
}

/// What the first one answers that does not fail. Each is asked when the one before has failed or had
/// its head start.
///
/// # Errors
///
/// That of the last one to fail.
///
/// # Panics
///
/// When there is none to ask.
pub(super) async fn first<T, E>(
    hosts: impl IntoIterator<Item = impl Future<Output = Result<T, E>>>,
) -> Result<T, E> {
    let mut hosts = hosts.into_iter();
    let mut asked = FuturesUnordered::new();
    let mut next = hosts.next();
    loop {
        asked.extend(next.take());
        next = hosts.next();
        let error = tokio::select! {
            biased;
            Some(answer) = asked.next() => match answer {
                Ok(connected) => return Ok(connected),
                Err(error) => Some(error),
            },
            () = sleep(HEAD_START), if next.is_some() => None,
        };
        if let Some(error) = error
            && next.is_none()
            && asked.is_empty()
        {
            return Err(error);
        }
    }
}

/// A configuration for each host of one that names several.
pub(super) fn each_host(config: &Config) -> Vec<Config> {
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    let ports = config.get_ports();
    let count = hosts.len().max(addresses.len());
    if count < 2 {
        return vec![config.clone()];
    }
    let of_host = |n: usize| {
        let mut one = without_hosts(config);
        match hosts.get(n) {
            Some(Host::Tcp(name)) => one.host(name),
            Some(Host::Unix(folder)) => one.host_path(folder),
            None => &mut one,
        };
        if let Some(address) = addresses.get(n) {
            one.hostaddr(*address);
        }
        if let Some(port) = ports.get(n).or_else(|| ports.first()) {
            one.port(*port);
        }
        one
    };
    (0..count).map(of_host).collect()
}

/// Everything else that a configuration says.
fn without_hosts(config: &Config) -> Config {
    let mut one = Config::new();
    config.get_user().map(|user| one.user(user));
    config.get_password().map(|password| one.password(password));
    config.get_dbname().map(|name| one.dbname(name));
    config.get_options().map(|options| one.options(options));
    let name = config.get_application_name();
    name.map(|name| one.application_name(name));
    let time = config.get_connect_timeout();
    time.map(|time| one.connect_timeout(*time));
    let time = config.get_tcp_user_timeout();
    time.map(|time| one.tcp_user_timeout(*time));
    let time = config.get_keepalives_interval();
    time.map(|time| one.keepalives_interval(time));
    let count = config.get_keepalives_retries();
    count.map(|count| one.keepalives_retries(count));
    one.keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding())
        .target_session_attrs(config.get_target_session_attrs());
    one
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{pending, ready};
    use std::str::FromStr as _;

    use futures_util::future::Either;
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn each_host_has_everything_that_was_said_of_all() {
        let url = |place: &str| {
            format!(
                "postgres://me:secret@{place}/b?options=-c%20a%3Db&application_name=x\
                 &connect_timeout=3&tcp_user_timeout=4&keepalives=1&keepalives_idle=5\
                 &keepalives_interval=6&keepalives_retries=7&sslmode=require\
                 &sslnegotiation=direct&channel_binding=require&target_session_attrs=read-write"
            )
        };
        let config = |place: &str| Config::from_str(&url(place)).unwrap();
        let both = each_host(&config("one:1,two:2"));
        assert_eq!(both, [config("one:1"), config("two:2")]);
        assert_eq!(each_host(&config("one:1")), [config("one:1")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_says_nothing_holds_up_nobody() {
        let began = Instant::now();
        let hosts = [
            Either::Left(pending()),
            Either::Right(ready(Ok::<_, Infallible>(2))),
        ];
        assert_eq!(first(hosts).await, Ok(2));
        assert_eq!(began.elapsed(), HEAD_START);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_refuses_is_followed_at_once_and_the_last_one_tells_why() {
        let began = Instant::now();
        assert_eq!(first([ready(Err(1)), ready(Ok(2))]).await, Ok(2));
        let none: Result<Infallible, i32> = first([ready(Err(1)), ready(Err(2))]).await;
        assert_eq!(none, Err(2));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
