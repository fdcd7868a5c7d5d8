//! What many clients share, of which no client has more than half.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::extract::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::{Caller, Peer};

/// Who has a share: a project where there are keys, an address where there are none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    /// All keys of a project.
    Project(Arc<str>),
    /// All who come from an address.
    Address(IpAddr),
    /// All who come from nowhere that is known.
    Unknown,
}

impl Client {
    /// Who sent a request that was admitted.
    pub(crate) fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        let caller = extensions.get::<Caller>();
        if let Some(caller) = caller.filter(|caller| caller.key.is_some()) {
            return Self::Project(caller.project.as_str().into());
        }
        match extensions.get::<Peer>() {
            Some(Peer(address)) => Self::Address(address.to_canonical()),
            None => Self::Unknown,
        }
    }
}

/// So many shares of something.
#[derive(Debug)]
pub(crate) struct Shares {
    all: Arc<Semaphore>,
    each_max: usize,
    /// What is left to each client, while it has any share or waits for one.
    by_client: Mutex<BTreeMap<Client, Weak<Semaphore>>>,
}

/// One share, which is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    _of_client: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Shares {
    /// Shares that are all free. A client may have half of them, and at least one.
    pub(crate) fn new(all: u32) -> Self {
        let all = usize::try_from(all).unwrap_or(usize::MAX);
        let all = all.min(Semaphore::MAX_PERMITS);
        Self {
            all: Arc::new(Semaphore::new(all)),
            each_max: all.div_ceil(2),
            by_client: Mutex::default(),
        }
    }

    /// Takes a share for a client if it may have one now.
    pub(crate) fn try_take(&self, client: &Client) -> Option<Share> {
        let of_client = self.left_to(client).try_acquire_owned().ok()?;
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Share {
            _of_client: of_client,
            _of_all: of_all,
        })
    }

    /// Waits for a share for a client. It is never `None`: shares do not end.
    pub(crate) async fn take(&self, client: &Client) -> Option<Share> {
        let of_client = self.left_to(client).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Share {
            _of_client: of_client,
            _of_all: of_all,
        })
    }

    fn left_to(&self, client: &Client) -> Arc<Semaphore> {
        let mut by_client = self
            .by_client
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = by_client.get(client).and_then(Weak::upgrade) {
            return left;
        }
        by_client.retain(|_, left| left.strong_count() > 0);
        let left = Arc::new(Semaphore::new(self.each_max));
        by_client.insert(client.clone(), Arc::downgrade(&left));
        left
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn half_is_for_one_client_and_only_those_who_have_any_are_remembered() {
        let shares = Shares::new(3);
        let client = |last| Client::Address(Ipv4Addr::new(192, 0, 2, last).into());
        let held = [shares.try_take(&client(1)), shares.try_take(&client(1))];
        assert!(held.iter().all(Option::is_some));
        assert!(shares.try_take(&client(1)).is_none());
        let other = shares.try_take(&client(2));
        assert!(other.is_some());
        assert!(shares.try_take(&client(3)).is_none(), "all are taken");
        drop((held, other));
        assert!(shares.try_take(&client(4)).is_some());
        assert_eq!(shares.by_client.lock().unwrap().len(), 1);
    }
}
