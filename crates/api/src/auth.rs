//! Whose request it is, and whether it may be asked at all.
//!
//! With keys, a request is admitted before its route is looked for and before a byte of its body is
//! read, so that a stranger learns nothing: not which routes there are, not which methods they
//! take. Every route that touches a project's objects takes a [`Caller`], so that no query can be
//! written without the project it is for.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use http::header::{FORWARDED, VIA};
use http::request::Parts;
use overnight_core::id::ProjectId;

use crate::api::Api;
use crate::credential::{Credential, masked};
use crate::errors::ApiError;
use crate::keys::{ApiKey, Keyring, Role};
use crate::loopback::Browsers;

/// How a request finds its project.
#[derive(Clone, Debug)]
pub enum Access {
    /// No keys are set: any key or none is accepted, and everything belongs to this project.
    Open(ProjectId),
    /// Every request but those to `/health` and `/ready` shows one of these keys, which names its
    /// project.
    Keys(Keyring),
}

/// Who sent a request: the address at the other end of its connection, as an extension of the
/// request. One without it is taken for one from far away.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Who asks: the project whose objects the request may see.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Everything outside of it is missing, as far as the caller can tell.
    pub(crate) project: ProjectId,
    /// The name of the key that the request showed, for the log.
    pub(crate) key: Option<Arc<str>>,
    /// Whether it is whoever runs the server.
    pub(crate) is_operator: bool,
}

/// What a path asks of whoever takes it. Paths that lead nowhere ask for what most do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// Nothing: probes have no key.
    Open,
    /// A key that may use the API.
    Project,
    /// A key of whoever runs the server.
    Operator,
    /// A key that may read the metrics; none from this machine.
    Metrics,
}

impl Door {
    fn of(path: &str) -> Self {
        match path {
            "/health" | "/ready" => Self::Open,
            "/metrics" => Self::Metrics,
            "/admin" => Self::Operator,
            _ if path.starts_with("/admin/") => Self::Operator,
            _ => Self::Project,
        }
    }

    const fn opens_to(self, role: Role) -> bool {
        match self {
            Self::Open => true,
            Self::Project => matches!(role, Role::User | Role::Admin),
            Self::Operator => matches!(role, Role::Admin),
            Self::Metrics => matches!(role, Role::Metrics | Role::Admin),
        }
    }
}

impl Access {
    /// Who asks, or `None` where nobody needs to be anybody.
    ///
    /// # Errors
    ///
    /// 401 without a key that is known, 403 when its role does not allow this.
    pub(crate) fn admit(&self, request: &Request) -> Result<Option<Caller>, ApiError> {
        let ring = match self {
            Self::Open(project) => {
                return Ok(Some(Caller {
                    project: project.clone(),
                    key: None,
                    is_operator: true,
                }));
            }
            Self::Keys(ring) => ring,
        };
        let path = request.uri().path();
        let door = Door::of(path);
        if door == Door::Open || (door == Door::Metrics && is_local(request)) {
            return Ok(None);
        }
        let key = known_key(ring, request)?;
        if !door.opens_to(key.role) {
            return Err(ApiError::forbidden(format!(
                "The role of this API key ('{}') does not allow this request.",
                key.role.as_str()
            )));
        }
        Ok(Some(Caller {
            project: key.project.clone(),
            key: Some(Arc::clone(&key.name)),
            is_operator: Door::Operator.opens_to(key.role),
        }))
    }
}

/// The key that the request shows.
fn known_key<'a>(ring: &'a Keyring, request: &Request) -> Result<&'a ApiKey, ApiError> {
    match Credential::of(request.headers()) {
        Credential::Key(shown) => ring.find(&shown).ok_or_else(|| wrong_key(&shown)),
        Credential::None => Err(ApiError::unauthenticated(no_key(request.uri().path()))),
        Credential::Unreadable => Err(ApiError::unauthenticated(
            "The Authorization header of your request could not be read. It must be 'Bearer \
             YOUR_KEY', or HTTP Basic with the key as the password.",
        )),
    }
}

/// The batches of the live service word this in their own way.
fn no_key(path: &str) -> &'static str {
    if path == "/v1/batches" || path.starts_with("/v1/batches/") {
        return "Missing bearer or basic authentication in header";
    }
    "You didn't provide an API key. You need to provide your API key in an Authorization header \
     using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank \
     username) of HTTP Basic. Whoever runs this server makes keys with `overnight key new`."
}

fn wrong_key(shown: &str) -> ApiError {
    ApiError {
        code: Some("invalid_api_key"),
        ..ApiError::unauthenticated(format!(
            "Incorrect API key provided: {}. Whoever runs this server makes keys with `overnight \
             key new`.",
            masked(shown)
        ))
    }
}

/// Whether a program of this machine asks by itself: neither through a proxy of this machine, nor
/// for a page that a browser of this machine has open.
fn is_local(request: &Request) -> bool {
    let peer = request.extensions().get::<Peer>();
    let headers = request.headers();
    let is_forwarded = [FORWARDED.as_str(), VIA.as_str(), "x-forwarded-for"]
        .iter()
        .any(|name| headers.contains_key(*name));
    peer.is_some_and(|Peer(address)| address.to_canonical().is_loopback())
        && !is_forwarded
        && Browsers::LoopbackOnly.check(request).is_ok()
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, ApiError> {
        // A route that is open to all must not take a caller: that would be a bug.
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(ApiError::unexplained)
    }
}
