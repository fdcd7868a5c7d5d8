//! What the engine can be told. Every duration and bound has its default here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use overnight_core::attempt::AttemptRules;
use overnight_core::input::InputLimits;
use overnight_store::blocking::Blocking;

/// The engine's settings; the wiring fills them from flags, variables and the configuration file.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// What an input file may hold.
    pub limits: InputLimits,
    /// Whether all lines of a batch must name the same model. Default: no.
    pub single_model: bool,
    /// How a line's failures are counted.
    pub attempts: AttemptRules,
    /// How long what is in flight may go on after a cancel. Default 10 s.
    pub cancel_grace: Duration,
    /// How long what is in flight may go on after the deadline. Default 60 s.
    pub expiry_grace: Duration,
    /// How long what is in flight may go on after the process was told to stop. Default 25 s.
    pub shutdown_grace: Duration,
    /// The age of the oldest unrecorded outcome at which a flush begins. Default 500 ms.
    pub flush_age: Duration,
    /// How many batches are open in this process at once. Default 1,000.
    pub open_batches_max: usize,
    /// How long result files live when a batch does not say. Default 30 days; `None` for ever.
    pub results_expire_after: Option<Duration>,
    /// How long an ended batch is remembered once its result files are gone. Default 30 days.
    pub batch_retention: Duration,
    /// How often the store is asked for batches when no hint comes; less often where there are many
    /// workers. Default 500 ms.
    pub claim_interval: Duration,
    /// How often leases are renewed and cancels are looked for without a hint. Default 800 ms.
    pub renew_interval: Duration,
    /// How often ended things are swept. Default 30 s.
    pub sweep_interval: Duration,
    /// The most bytes that an answer may have, as the upstreams were told: for the message of a line
    /// whose answer had more. Default 64 MiB.
    pub answer_bytes_max: u64,
    /// The organization's name in messages. Default `overnight`.
    pub organization: String,
    /// Where work runs that takes the processor for long.
    pub blocking: Blocking,
    /// Whether the disk has room for results. While it has none, no more lines are fed.
    pub space: Space,
}

/// Tells whether there is room for results. Cloning shares the source.
#[derive(Clone)]
pub struct Space(Arc<dyn Fn() -> bool + Send + Sync>);

impl Space {
    /// Room as long as `has_space` says so; it is asked often and must not block for long.
    pub fn new(has_space: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(has_space))
    }

    /// Whether there is room.
    #[must_use]
    pub fn is_there(&self) -> bool {
        (self.0)()
    }
}

impl Default for Space {
    /// Room for ever.
    fn default() -> Self {
        Self::new(|| true)
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Space")
    }
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            limits: InputLimits::default(),
            single_model: false,
            attempts: AttemptRules::default(),
            cancel_grace: Duration::from_secs(10),
            expiry_grace: Duration::from_mins(1),
            shutdown_grace: Duration::from_secs(25),
            flush_age: Duration::from_millis(500),
            open_batches_max: 1000,
            results_expire_after: Some(Duration::from_hours(30 * 24)),
            batch_retention: Duration::from_hours(30 * 24),
            claim_interval: Duration::from_millis(500),
            renew_interval: Duration::from_millis(800),
            sweep_interval: Duration::from_secs(30),
            answer_bytes_max: 64 << 20,
            organization: "overnight".to_owned(),
            blocking: Blocking::default(),
            space: Space::default(),
        }
    }
}

/// How many requests an upstream may have in flight, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UpstreamLimits {
    /// A fixed number in flight; found out by moving it when `None`.
    pub limit: Option<u32>,
    /// The most that a moving limit may become; 512 when `None`.
    pub limit_max: Option<u32>,
    /// Requests a minute.
    pub rpm: Option<u32>,
    /// Tokens a minute, input and output together.
    pub tpm: Option<u64>,
}
