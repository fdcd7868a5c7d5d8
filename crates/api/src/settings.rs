//! What the operator may choose about the surface.

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderValue;
use overnight_core::input::InputLimits;
use overnight_core::time::Timestamp;

use crate::gates::GateLimits;
use crate::loopback::Browsers;

/// Limits, names and choices. [`ApiSettings::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// The largest file that may be uploaded in one request, in bytes; 512 MiB by default. A batch's input has a
    /// smaller limit of its own, which validation checks.
    pub upload_bytes_max: u64,
    /// The largest file that may be uploaded in parts, in bytes; 8 GiB by default.
    pub multipart_bytes_max: u64,
    /// The largest part of such an upload, in bytes; 64 MiB by default.
    pub part_bytes_max: u64,
    /// How long after its creation an upload in parts may be completed; an hour by default.
    pub upload_expiry: Duration,
    /// The largest JSON body, in bytes; 1 MiB by default.
    pub json_bytes_max: usize,
    /// How long a client may take for a JSON body, and for each 16 KiB of a file; 60 s by default.
    pub body_idle_max: Duration,
    /// The largest head of a request, its path and its headers together, in bytes; 64 KiB by default.
    /// Whoever accepts connections bounds it as well, but has no words for it.
    pub head_bytes_max: usize,
    /// The most headers of a request; 100 by default.
    pub headers_max: usize,
    /// How much is worked on at a time.
    pub gates: GateLimits,
    /// How much of a refused upload is still read so that its client sees the refusal, in bytes;
    /// 64 MiB by default.
    pub drain_bytes_max: u64,
    /// For how long it is read; 5 s by default.
    pub drain_time_max: Duration,
    /// The completion windows that a batch may ask for, by their text; `24h` by default.
    pub windows: BTreeMap<String, Duration>,
    /// What an input file may hold, as the engine checks it; no limits by default.
    pub input_limits: InputLimits,
    /// Whether all lines of a batch must name the same model, as the engine checks it; off by
    /// default.
    pub single_model: bool,
    /// Endpoints beside those of the Batch API, each a path beginning with `/`; none by default.
    pub extra_endpoints: Vec<String>,
    /// When a file of purpose `batch` is deleted if its upload says nothing: so long after its
    /// creation, or never; 30 days by default.
    pub batch_file_expiry: Option<Duration>,
    /// Shown in the header `openai-organization`; `overnight` by default.
    pub organization: HeaderValue,
    /// Shown in the header `openai-project`; the caller's project by default.
    pub project: Option<HeaderValue>,
    /// Shown as the creation of a model whose upstream tells none; the process's start.
    pub started_at: Timestamp,
    /// Whether requests that a browser sends for a foreign page are refused; off by default. The
    /// wiring switches it on when it serves without keys.
    pub browsers: Browsers,
}

impl ApiSettings {
    /// The defaults, for a process started at that time.
    #[must_use]
    pub fn new(started_at: Timestamp) -> Self {
        Self {
            upload_bytes_max: 512 * 1024 * 1024,
            multipart_bytes_max: 8 * 1024 * 1024 * 1024,
            part_bytes_max: 64 * 1024 * 1024,
            upload_expiry: Duration::from_hours(1),
            json_bytes_max: 1024 * 1024,
            body_idle_max: Duration::from_mins(1),
            head_bytes_max: 64 * 1024,
            headers_max: 100,
            gates: GateLimits::default(),
            drain_bytes_max: 64 * 1024 * 1024,
            drain_time_max: Duration::from_secs(5),
            windows: BTreeMap::from([("24h".to_owned(), Duration::from_hours(24))]),
            input_limits: InputLimits::default(),
            single_model: false,
            extra_endpoints: Vec::new(),
            batch_file_expiry: Some(Duration::from_hours(30 * 24)),
            organization: HeaderValue::from_static("overnight"),
            project: None,
            started_at,
            browsers: Browsers::Trusted,
        }
    }
}
