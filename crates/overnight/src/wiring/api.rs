//! The HTTP surface's settings from the configuration, and what it asks of the process.

use std::sync::Arc;

use anyhow::Context as _;
use http::HeaderValue;
use overnight_api::{Access, Api, ApiKey, ApiSettings, Browsers, GateLimits, Keyring};
use overnight_core::id::ProjectId;
use overnight_core::time::Timestamp;
use overnight_store::folder::DataFolder;
use prometheus_client::registry::Registry;

use crate::config::check::is_loopback;
use crate::config::settings::Settings;
use crate::config::units::{Size, Span};
use crate::wiring::descriptors::Descriptors;
use crate::wiring::engine::input_limits;
use crate::wiring::listen::ConnectionLimits;
use crate::wiring::listen::places::PlaceLimits;
use crate::wiring::listen::pulse::Patience;

/// What the surface is told.
pub(crate) fn api_settings(
    settings: &Settings,
    descriptors: Descriptors,
    at: Timestamp,
) -> anyhow::Result<ApiSettings> {
    let header = |text: &str| HeaderValue::from_str(text).context("a header's value");
    let defaults = ApiSettings::new(at);
    let windows = settings.windows.0.iter();
    let limits = &settings.limits;
    let bound = |size: Size| size.unless_zero().unwrap_or(u64::MAX);
    let bytes = |size: Size| usize::try_from(size.0).unwrap_or(usize::MAX);
    let is_local = is_loopback(&settings.listen) && !settings.no_auth && settings.keys.0.is_empty();
    Ok(ApiSettings {
        upload_bytes_max: bound(limits.upload_bytes_max),
        multipart_bytes_max: bound(limits.multipart_bytes_max),
        part_bytes_max: bound(limits.part_bytes_max),
        upload_expiry: settings.retention.uploads.0,
        body_idle_max: settings.timeouts.client_body.0,
        head_bytes_max: bytes(limits.head_bytes_max),
        headers_max: bytes(Size(u64::from(limits.headers_max))),
        gates: gate_limits(settings, places_max(settings, descriptors)),
        windows: windows
            .filter_map(|text| Some((text.clone(), Span::parse(text)?.0)))
            .collect(),
        input_limits: input_limits(settings),
        single_model: limits.single_model,
        extra_endpoints: settings.endpoints.0.clone(),
        batch_file_expiry: settings.retention.files.unless_zero(),
        organization: header(&settings.organization)?,
        project: settings.project.as_deref().map(header).transpose()?,
        browsers: browsers(is_local),
        ..defaults
    })
}

/// How many connections there may be.
fn places_max(settings: &Settings, descriptors: Descriptors) -> usize {
    let asked = usize::try_from(settings.limits.connections_max).unwrap_or(usize::MAX);
    asked.min(descriptors.connections_max())
}

/// How much is worked on at a time. Downloads have at most half of the places of connections, uploads a
/// quarter, those who wait for either an eighth: the last eighth is for what is asked in between.
fn gate_limits(settings: &Settings, places: usize) -> GateLimits {
    let limits = &settings.limits;
    let places = u32::try_from(places).unwrap_or(u32::MAX);
    GateLimits {
        requests_max: limits.requests_max,
        uploads_max: limits.uploads_max.min((places / 4).max(1)),
        downloads_max: limits.downloads_max.min((places / 2).max(1)),
        streams_max: limits.streams_max.min((places / 8).max(1)),
        waiting_max: (places / 8).max(1),
        wait_max: settings.timeouts.client_body.0,
    }
}

/// What bounds the connections of clients, of which there are no more than descriptors for them.
pub(crate) fn connection_limits(settings: &Settings, descriptors: Descriptors) -> ConnectionLimits {
    let (limits, timeouts) = (&settings.limits, &settings.timeouts);
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let per_client_max = limits.connections_per_client_max;
    ConnectionLimits {
        places: PlaceLimits {
            all_max: places_max(settings, descriptors),
            per_client_max: (per_client_max > 0).then(|| count(per_client_max)),
        },
        patience: Patience {
            head: timeouts.client_head.0,
            idle: timeouts.client_idle.0,
            read: timeouts.client_read.0,
        },
        head_bytes_max: usize::try_from(limits.head_bytes_max.0).unwrap_or(usize::MAX),
        headers_max: count(limits.headers_max),
    }
}

fn browsers(is_local: bool) -> Browsers {
    if is_local {
        Browsers::LoopbackOnly
    } else {
        Browsers::Trusted
    }
}

/// Who may ask what: whoever has one of the keys, or everybody when there are none.
pub(crate) fn access(settings: &Settings) -> anyhow::Result<Access> {
    if settings.keys.0.is_empty() {
        return Ok(Access::Open(ProjectId::default_project()));
    }
    let keys = settings.keys.0.iter().map(|key| {
        Ok(ApiKey {
            name: key.name.as_str().into(),
            hash: key.hash.0.parse().context("the hash of a key")?,
            project: key.project.as_str().into(),
            role: key.role.0,
        })
    });
    Ok(Access::Keys(Keyring::new(
        keys.collect::<anyhow::Result<_>>()?,
    )))
}

/// The same surface for the address that serves the metrics alone, where no key is needed.
pub(crate) fn metrics_api(api: &Api, listen: &str) -> Api {
    Api {
        access: Access::Open(ProjectId::default_project()),
        settings: ApiSettings {
            browsers: browsers(is_loopback(listen)),
            ..api.settings.clone()
        },
        ..api.clone()
    }
}

/// Renders the process's metrics.
pub(crate) fn render(registry: Registry) -> Arc<dyn Fn() -> String + Send + Sync> {
    Arc::new(move || {
        let mut text = String::new();
        if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &registry) {
            tracing::error!(error = %error, "the metrics could not be rendered");
        }
        text
    })
}

/// Says whether the disk of the data folder has more free bytes than are held in reserve. Without such a
/// folder there is always room: a bucket has no end.
pub(crate) fn space(
    data: Option<Arc<DataFolder>>,
    reserve: u64,
) -> Arc<dyn Fn() -> bool + Send + Sync> {
    let has_space = move |data: &DataFolder| data.free_bytes().is_ok_and(|free| free > reserve);
    Arc::new(move || data.as_deref().is_none_or(has_space))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_downloads_and_uploads_leave_places_to_others() {
        let settings = Settings::default();
        for (places, uploads, downloads, waiting) in [
            (256, 64, 128, 32),
            (16, 4, 8, 2),
            (4096, 64, 256, 512),
            (1, 1, 1, 1),
        ] {
            let gates = gate_limits(&settings, places);
            let found = (gates.uploads_max, gates.downloads_max, gates.waiting_max);
            assert_eq!(found, (uploads, downloads, waiting), "{places} places");
        }
    }
}
