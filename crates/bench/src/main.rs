//! Measures the real binary from outside, against yardsticks that run in turn with it on the same
//! machine: ratios hold where seconds do not.
//!
//! ```text
//! overnight-bench run [NAME...]      measures, prints a table, and notes it in a history
//! overnight-bench document           puts the newest figures into the document
//! overnight-bench instructions       counts those of the hot path (feature `counted`)
//! overnight-bench crowd              lets many workers work on one database (feature `crowd`)
//! overnight-bench upstream           an inference server that costs next to nothing
//! overnight-bench bare               the yardstick of a whole batch
//! overnight-bench sendfile           the yardstick of a download
//! ```
//!
//! Begin with `measures`; `yardstick` is what they compare with.

#![expect(
    clippy::disallowed_methods,
    reason = "what is measured here is real time and real processes"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "answers are read by name; what is not there is null"
)]

mod bench;
mod client;
#[cfg(feature = "counted")]
mod counted;
#[cfg(feature = "crowd")]
mod crowd;
mod figure;
mod history;
mod input;
#[cfg(feature = "counted")]
mod instructions;
mod measures;
mod process;
mod server;
mod trace;
mod upstream;
mod yardstick;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;

use self::bench::Bench;
use self::history::Entry;
use self::measures::MEASURES;
use self::upstream::Shape;
use self::yardstick::{bare, sendfile};

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
    Run(RunArgs),
    /// Puts the newest figures of a history into a document.
    Document {
        #[arg(long, default_value = "docs/benchmarks/history.jsonl")]
        history: PathBuf,
        #[arg(long, default_value = "docs/benchmarks.md")]
        into: PathBuf,
    },
    /// Counts the instructions of the hot path, and holds them against the budget.
    #[cfg(feature = "counted")]
    Instructions {
        #[arg(long, default_value = "docs/benchmarks/instructions.json")]
        budget: PathBuf,
        /// Writes what is counted as the new budget.
        #[arg(long)]
        record: bool,
    },
    /// Runs one case whose instructions are counted.
    #[cfg(feature = "counted")]
    Counted {
        /// Its name.
        name: String,
        /// How many lines.
        lines: u64,
    },
    /// Lets many workers work on one PostgreSQL, and tells what became of the batches.
    #[cfg(feature = "crowd")]
    Crowd(crowd::CrowdArgs),
    /// Serves the same answer again and again.
    Upstream {
        /// The time before each answer.
        #[arg(long)]
        latency_ms: u64,
        /// How many requests are worked on at a time; 0 for no bound.
        #[arg(long)]
        places: usize,
        /// The bytes of each answer's body.
        #[arg(long)]
        answer_bytes: usize,
        /// Shows who is worked on and who waits.
        #[arg(long)]
        has_gauges: bool,
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
    /// Serves one file with `sendfile`.
    Sendfile {
        /// The file.
        #[arg(long)]
        path: PathBuf,
    },
}

#[derive(clap::Args)]
struct RunArgs {
    /// What to measure; everything, if nothing is named.
    names: Vec<String>,
    /// The binary.
    #[arg(long, default_value = "target/release/overnight")]
    overnight: PathBuf,
    /// Where files are kept meanwhile.
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// A folder: each server is sampled by `perf`, and its profile goes there.
    #[arg(long)]
    profiles: Option<PathBuf>,
    /// How many pairs of runs a figure is the median of.
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// A part of the work, for a first look: 0.1 is a tenth.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// A file that each measure adds a line of JSON to.
    #[arg(long)]
    history: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Run(arguments) => run(&arguments),
        Command::Document { history, into } => history::document(&history, &into),
        #[cfg(feature = "counted")]
        Command::Instructions { budget, record } => {
            instructions::run(&std::env::current_exe()?, &budget, record)
        }
        #[cfg(feature = "counted")]
        Command::Counted { name, lines } => counted::run(&name, lines),
        #[cfg(feature = "crowd")]
        Command::Crowd(arguments) => crowd::run(&arguments),
        Command::Upstream {
            latency_ms,
            places,
            answer_bytes,
            has_gauges,
        } => {
            let shape = Shape {
                latency_ms,
                places,
                answer_bytes,
                has_gauges,
            };
            let mut runtime = Builder::new_multi_thread();
            let runtime = runtime.worker_threads(1).enable_all().build()?;
            runtime.block_on(upstream::quick::announce_and_serve(shape))
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
        Command::Sendfile { path } => sendfile::serve(&path),
    }
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
fn run(arguments: &RunArgs) -> anyhow::Result<()> {
    let names = &arguments.names;
    if let Some(unknown) = names
        .iter()
        .find(|name| !MEASURES.iter().any(|(known, _)| known == *name))
    {
        let known = MEASURES.map(|(name, _)| name).join(", ");
        anyhow::bail!("there is no measure {unknown}; there are {known}");
    }
    let bench = Bench {
        overnight: arguments.overnight.canonicalize()?,
        own: std::env::current_exe()?,
        folder: arguments.folder.clone(),
        profiles: arguments.profiles.clone(),
        pairs: arguments.pairs.max(1),
        scale: arguments.scale,
    };
    print!("{}", history::HEAD);
    for (name, measure) in MEASURES {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        Bench::say(format_args!("{name} ..."));
        let entry = Entry::new(&bench, name, measure(&bench)?)?;
        print!("{}", entry.rows());
        if let Some(history) = &arguments.history {
            entry.append(history)?;
        }
    }
    Ok(())
}
