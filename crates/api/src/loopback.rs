//! Without keys, whoever reaches the port may read every file: so it must be a program of this
//! machine, and not a web page that a browser of this machine has open.
//!
//! A page of another site gives itself away: by its `Origin`, by `Sec-Fetch-Site`, or, when it has
//! made its own name point to 127.0.0.1, by that name in `Host`. A page on another port of this
//! machine is of the same site, and yet another program's: it is refused as well.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;

use crate::errors::ApiError;

/// What is done about requests that a browser sends on behalf of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Browsers {
    /// Nothing: a key protects each request, or the operator said that none is needed.
    Trusted,
    /// `Host` must be a loopback name, `Origin` the same as `Host`, and the browser must call the
    /// request of the same origin or of no page; anything else gets 403.
    LoopbackOnly,
}

impl Browsers {
    /// # Errors
    ///
    /// 403 when the request may come from a foreign page.
    pub(crate) fn check(self, request: &Request) -> Result<(), ApiError> {
        match self {
            Self::Trusted => Ok(()),
            Self::LoopbackOnly => loopback_only(request),
        }
    }

    /// Looks at the names alone, for what may be seen from anywhere.
    ///
    /// # Errors
    ///
    /// 403 when a name is not a loopback name.
    pub(crate) fn check_name(self, request: &Request) -> Result<(), ApiError> {
        match self {
            Self::Trusted => Ok(()),
            Self::LoopbackOnly => loopback_name(request).map(drop),
        }
    }
}

/// The name by which the server is addressed, when that is this machine.
fn loopback_name(request: &Request) -> Result<&str, ApiError> {
    let named = request.uri().authority().map(Authority::as_str);
    let hosts = request.headers().get_all(HOST).iter();
    let mut names = named
        .into_iter()
        .chain(hosts.map(|host| host.to_str().unwrap_or("")));
    let host = names.next();
    host.filter(|host| is_loopback(host) && names.all(is_loopback))
        .ok_or_else(|| {
            ApiError::forbidden(
                "This server runs without API keys and so serves only loopback names: address it \
                 as localhost or 127.0.0.1, or set API keys.",
            )
        })
}

fn loopback_only(request: &Request) -> Result<(), ApiError> {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or(""))
    };
    let host = loopback_name(request)?;
    if header(ORIGIN.as_str()).is_some_and(|origin| !is_same_origin(origin, host))
        || !header("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"))
    {
        return Err(ApiError::forbidden(
            "This server runs without API keys and so refuses requests that a browser sends for a \
             page of another site.",
        ));
    }
    Ok(())
}

/// Whether an authority (a name and perhaps a port) means this machine.
fn is_loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().trim_end_matches('.');
    if let Some(address) = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
    {
        return address
            .parse::<Ipv6Addr>()
            .is_ok_and(|address| address.is_loopback());
    }
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_same_origin(origin: &str, host: &str) -> bool {
    origin
        .split_once("://")
        .is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
}
