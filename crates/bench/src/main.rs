//! Measures the real binary from outside, against yardsticks that run in turn with it on the same
//! machine: ratios hold where seconds do not.
//!
//! ```text
//! overnight-bench run [NAME...]      measures, prints a table, and notes it in a history
//! overnight-bench upstream           an instant inference server
//! overnight-bench bare               the yardstick of a whole batch
//! ```

#![expect(
    clippy::disallowed_methods,
    reason = "what is measured here is real time and real processes"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "answers are read by name; what is not there is null"
)]

mod bare;
mod figure;
mod input;
mod process;
mod server;
mod throughput;
mod upstream;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use serde_json::json;
use tokio::runtime::Builder;

use self::figure::Figure;

/// The product's allocator, so that the yardstick is no worse off.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures.
    Run {
        /// What to measure; everything, if nothing is named.
        names: Vec<String>,
        /// The binary.
        #[arg(long, default_value = "target/release/overnight")]
        overnight: PathBuf,
        /// How many pairs of runs a figure is the median of.
        #[arg(long, default_value_t = 7)]
        pairs: usize,
        /// A part of the work, for a first look: 0.1 is a tenth.
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        /// A file that each run adds a line of JSON to.
        #[arg(long)]
        history: Option<PathBuf>,
    },
    /// Serves instant answers.
    Upstream {
        /// The time before each answer.
        #[arg(long, default_value_t = 0)]
        latency_ms: u64,
        /// The bytes of each answer's body.
        #[arg(long, default_value_t = 400)]
        answer_bytes: usize,
    },
    /// Runs a file as barely as can be.
    Bare {
        /// The upstream.
        #[arg(long)]
        url: String,
        /// The lines.
        #[arg(long)]
        input: PathBuf,
        /// Where the answers go.
        #[arg(long)]
        output: PathBuf,
        /// Requests at a time.
        #[arg(long)]
        in_flight: usize,
    },
}

/// What every measurement needs.
pub(crate) struct Bench {
    /// The product.
    pub(crate) overnight: PathBuf,
    /// This binary.
    pub(crate) own: PathBuf,
    /// How many pairs of runs.
    pub(crate) pairs: usize,
    scale: f64,
}

impl Bench {
    /// A count, as large as this run wants it.
    pub(crate) fn scaled(&self, count: u32) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count times a small positive number"
        )]
        let scaled = (f64::from(count) * self.scale) as usize;
        scaled.max(1)
    }

    /// Tells how it is going.
    #[expect(
        clippy::print_stderr,
        reason = "this is a command that somebody watches"
    )]
    pub(crate) fn say(text: &str) {
        eprintln!("{text}");
    }
}

type Measure = fn(&Bench) -> anyhow::Result<Vec<Figure>>;

/// Everything that can be measured.
const MEASURES: [(&str, Measure); 1] = [("throughput", throughput::measure)];

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Run {
            names,
            overnight,
            pairs,
            scale,
            history,
        } => {
            let bench = Bench {
                overnight: overnight.canonicalize()?,
                own: std::env::current_exe()?,
                pairs,
                scale,
            };
            run(&bench, &names, history.as_deref())
        }
        Command::Upstream {
            latency_ms,
            answer_bytes,
        } => {
            let latency = Duration::from_millis(latency_ms);
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?;
            runtime.block_on(upstream::serve(latency, answer_bytes))
        }
        Command::Bare {
            url,
            input,
            output,
            in_flight,
        } => {
            let runtime = Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(bare::run(&url, &input, &output, in_flight))
        }
    }
}

fn run(bench: &Bench, names: &[String], history: Option<&Path>) -> anyhow::Result<()> {
    let chosen = MEASURES
        .iter()
        .filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name));
    for (name, measure) in chosen {
        Bench::say(name);
        let figures = measure(bench)?;
        #[expect(clippy::print_stdout, reason = "the table is what the command is for")]
        for figure in &figures {
            println!("{figure}");
        }
        let Some(history) = history else { continue };
        let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let entry = json!({ "at": at, "name": name, "scale": bench.scale, "figures": figures });
        let mut file = OpenOptions::new().append(true).create(true).open(history)?;
        writeln!(file, "{entry}")?;
    }
    Ok(())
}
