//! The HTTP surface's settings from the configuration, and what it asks of the process.

use std::sync::Arc;

use anyhow::Context as _;
use http::HeaderValue;
use overnight_api::{ApiSettings, Browsers};
use overnight_core::time::Timestamp;
use overnight_store::folder::DataFolder;
use prometheus_client::registry::Registry;

use crate::config::check::is_loopback;
use crate::config::settings::Settings;
use crate::config::units::{Size, Span};

/// What the surface is told.
pub(crate) fn api_settings(settings: &Settings, at: Timestamp) -> anyhow::Result<ApiSettings> {
    let header = |text: &str| HeaderValue::from_str(text).context("a header's value");
    let defaults = ApiSettings::new(at);
    let windows = settings.windows.0.iter();
    let limits = &settings.limits;
    let bound = |size: Size| size.unless_zero().unwrap_or(u64::MAX);
    let is_local = is_loopback(&settings.listen) && !settings.no_auth;
    Ok(ApiSettings {
        upload_bytes_max: bound(limits.upload_bytes_max),
        multipart_bytes_max: bound(limits.multipart_bytes_max),
        part_bytes_max: bound(limits.part_bytes_max),
        upload_expiry: settings.retention.uploads.0,
        windows: windows
            .filter_map(|text| Some((text.clone(), Span::parse(text)?.0)))
            .collect(),
        extra_endpoints: settings.endpoints.0.clone(),
        batch_file_expiry: settings.retention.files.unless_zero(),
        organization: header(&settings.organization)?,
        project: settings
            .project
            .as_deref()
            .map_or_else(|| Ok(defaults.project.clone()), header)?,
        browsers: if is_local {
            Browsers::LoopbackOnly
        } else {
            Browsers::Trusted
        },
        ..defaults
    })
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

/// Says whether the disk of the data folder has more free bytes than are held in reserve.
pub(crate) fn space(data: Arc<DataFolder>, reserve: u64) -> Arc<dyn Fn() -> bool + Send + Sync> {
    Arc::new(move || data.free_bytes().is_ok_and(|free| free > reserve))
}
