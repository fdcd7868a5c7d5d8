//! The command line. A flag that sets something becomes the strongest layer of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand};
use figment::value::{Dict, Value};
use overnight_sim::faults::FaultRates;

use crate::commands::cancel::CancelArgs;
use crate::commands::check::CheckArgs;
use crate::commands::completions::CompletionsArgs;
use crate::commands::config::ConfigArgs;
use crate::commands::convert::ConvertArgs;
use crate::commands::delete::DeleteArgs;
use crate::commands::doctor::DoctorArgs;
use crate::commands::errors::ErrorsArgs;
use crate::commands::files::FilesArgs;
use crate::commands::list::ListArgs;
use crate::commands::manual::ManualArgs;
use crate::commands::merge::MergeArgs;
use crate::commands::pause::PauseArgs;
use crate::commands::results::ResultsArgs;
use crate::commands::retry::RetryArgs;
use crate::commands::sample::SampleArgs;
use crate::commands::show::ShowArgs;
use crate::commands::split::SplitArgs;
use crate::commands::stats::StatsArgs;
use crate::commands::submit::SubmitArgs;
use crate::commands::upstreams::UpstreamsArgs;
use crate::commands::verify::VerifyArgs;
use crate::commands::watch::WatchArgs;
use crate::config::keys::RoleName;
use crate::config::load::{Flag, Sources};
use crate::config::settings::LogFormat;

/// A batch API for the models you run yourself.
#[derive(Debug, Parser)]
#[command(name = "overnight", version, propagate_version = true)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the Files and Batches API.
    Serve(ServeArgs),
    /// Run a file of requests without a server; the same command again goes on where it stopped.
    Run(RunArgs),
    /// What needs no settings of a server.
    #[command(flatten)]
    Tool(Tool),
    /// Serve a simulated inference server.
    Sim(SimArgs),
    /// Copy the data folder, also while a server works on it.
    Backup(BackupArgs),
    /// Make a data folder of a backup.
    Restore(RestoreArgs),
    /// Move what a data folder holds to a database on a server.
    Migrate(MigrateArgs),
    /// Make API keys.
    Key(KeyArgs),
}

/// What needs no settings of a server: asks one that runs, or works on files.
#[derive(Debug, Subcommand)]
pub(crate) enum Tool {
    /// Send an input file to a server and begin its batch; prints the batch's id.
    Submit(SubmitArgs),
    /// Show how batches get on until they have ended.
    Watch(WatchArgs),
    /// List the batches of a server.
    List(ListArgs),
    /// Show all there is to say about a batch.
    Show(ShowArgs),
    /// Write the results of a batch, also while it runs.
    Results(ResultsArgs),
    /// Say why lines of a batch failed, by cause.
    Errors(ErrorsArgs),
    /// Run the failed lines of a batch again, as a new one.
    RetryFailed(RetryArgs),
    /// Send no more lines of batches; what is in flight lands.
    Pause(PauseArgs),
    /// Go on with batches that are paused.
    Resume(PauseArgs),
    /// End batches early; what has ended is kept.
    Cancel(CancelArgs),
    /// Delete batches that have ended, with their results.
    Delete(DeleteArgs),
    /// List, send, show, fetch and delete the files of a server.
    Files(FilesArgs),
    /// Show the inference servers of a running server.
    Upstreams(UpstreamsArgs),
    /// Find everything that is wrong with input files, as a server would.
    Check(CheckArgs),
    /// Say what an input file holds: lines, models, tokens, what is there twice.
    Stats(StatsArgs),
    /// Make several input files of one.
    Split(SplitArgs),
    /// Make one file of several with results: one line an id, the last success wins.
    Merge(MergeArgs),
    /// Draw a few lines of a file.
    Sample(SampleArgs),
    /// Make requests of tables and folders, and tables of results.
    Convert(ConvertArgs),
    /// Prove that results are complete, or check what a data folder or a backup holds.
    Verify(VerifyArgs),
    /// Look whether a server would run well here.
    Doctor(DoctorArgs),
    /// Show and check the settings, or write a file of them.
    Config(ConfigArgs),
    /// Print what a shell needs to complete commands and flags.
    Completions(CompletionsArgs),
    /// Print the manual, or write pages for `man`.
    Manual(ManualArgs),
}

/// The flags of `overnight serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Where to listen [default: 127.0.0.1:8080]. Port 0 picks a free one.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The folder to keep everything in [default: ./overnight-data].
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The PostgreSQL database that takes the place of the one in the folder: postgres://...
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The bucket that takes the place of the folder for files and results, such as `s3://bucket/prefix`.
    #[arg(long, value_name = "URL")]
    blobs: Option<String>,
    /// An inference server, with or without `/v1`; several may be given. `sim` is a simulated one.
    #[arg(long, value_name = "URL")]
    upstream: Vec<String>,
    /// The configuration file [default: overnight.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve clients alone; other processes on the database run the batches.
    #[arg(long, conflicts_with = "worker_only")]
    api_only: bool,
    /// Run batches alone, and serve probes and metrics.
    #[arg(long)]
    worker_only: bool,
    /// Serve without API keys on an address that other machines reach.
    #[arg(long)]
    no_auth: bool,
    /// Where to serve /metrics alone, without a key.
    #[arg(long, value_name = "HOST:PORT")]
    metrics_listen: Option<String>,
    /// How log lines look [default: text].
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// The flags of `overnight run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The file of requests, one JSON object a line.
    #[arg(value_name = "IN.jsonl")]
    pub(crate) input: PathBuf,
    /// Where the results go; failed lines go to a file beside it, OUT.errors.jsonl.
    #[arg(short, long, value_name = "OUT.jsonl")]
    pub(crate) output: PathBuf,
    /// An inference server, with or without `/v1`; several may be given. `sim` is a simulated one.
    #[arg(long, value_name = "URL")]
    upstream: Vec<String>,
    /// The configuration file [default: overnight.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Requests in flight at each upstream: `auto` finds out.
    #[arg(short, long, value_name = "auto|N", default_value = "auto")]
    pub(crate) concurrency: Concurrency,
    /// How log lines look [default: text].
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// The flags of `overnight sim`.
#[derive(Debug, clap::Args)]
pub(crate) struct SimArgs {
    /// Where to listen. Port 0 picks a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8000")]
    pub(crate) listen: String,
    /// Requests that run at a time [default: 32].
    #[arg(long, value_name = "N")]
    slots: Option<u64>,
    /// Requests that wait for a slot; one more gets 429 [default: 256].
    #[arg(long, value_name = "N")]
    queue: Option<u64>,
    /// Milliseconds to the first token [default: 50].
    #[arg(long, value_name = "MS")]
    ttft_ms: Option<f64>,
    /// Milliseconds for each further token [default: 5].
    #[arg(long, value_name = "MS")]
    tpot_ms: Option<f64>,
    /// The share of attempts that fail, from 0 to 1: 500s, cut and garbled answers [default: 0].
    #[arg(long, value_name = "P")]
    fail_rate: Option<f64>,
    /// The models that it serves, with commas between them [default: sim].
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    models: Vec<String>,
    /// Decides, with a request's bytes, its durations, answer and faults [default: 0].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Show no gauges at `/metrics`.
    #[arg(long)]
    no_metrics: bool,
    /// Append a line for each request to this file.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The configuration file, of which `[sim]` is used [default: overnight.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Where everything is kept; the same settings as those of the server.
#[derive(Debug, clap::Args)]
pub(crate) struct DataArgs {
    /// The data folder [default: ./overnight-data].
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The PostgreSQL database, when it takes the place of the one in the folder.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The bucket, when it takes the place of the folder for files and results.
    #[arg(long, value_name = "URL")]
    blobs: Option<String>,
    /// The configuration file, of which the same settings are used [default: overnight.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The flags of `overnight backup`.
#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// The folder of the backup: empty, missing, or an earlier backup that becomes this one.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: PathBuf,
}

/// The flags of `overnight restore`.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// The folder of the backup.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) from: PathBuf,
}

/// The flags of `overnight migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct MigrateArgs {
    /// The data folder. It stays as it is.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) from: PathBuf,
    /// The PostgreSQL database, which must be empty, and the bucket (`s3://bucket/prefix`) or folder for files and
    /// results [default: those of the configuration].
    #[arg(long, num_args = 1..=2, value_names = ["URL", "PLACE"])]
    to: Vec<String>,
    /// The configuration file [default: overnight.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The subcommands of `overnight key`.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

/// What to do about keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key, show it once, and print what to add to the configuration file.
    New(NewKeyArgs),
}

/// The flags of `overnight key new`.
#[derive(Debug, clap::Args)]
pub(crate) struct NewKeyArgs {
    /// The project whose files and batches the key sees.
    #[arg(long, value_name = "PROJECT", default_value = "default")]
    pub(crate) project: String,
    /// What the key may do: `user`, `admin` or `metrics`.
    #[arg(long, value_name = "ROLE", default_value = "user")]
    pub(crate) role: RoleName,
    /// What the key is called in the log [default: from its hash].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// How many requests are in flight at each upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concurrency {
    /// As many as turn out to be good.
    Auto,
    /// So many.
    Fixed(u32),
}

impl FromStr for Concurrency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<u32>()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(number)) if number > 0 => Ok(Self::Fixed(number)),
            _ => Err("must be `auto` or a number from 1".to_owned()),
        }
    }
}

/// A flag, when it was given.
fn flag(key: &'static str, name: &'static str, value: Option<Value>) -> Option<Flag> {
    value.map(|value| Flag { key, name, value })
}

fn path_value(path: Option<&PathBuf>) -> Option<Value> {
    path.map(|path| Value::from(path.to_string_lossy().into_owned()))
}

fn url_value(url: Option<&String>) -> Option<Value> {
    url.map(|url| Value::from(url.as_str()))
}

fn list_value(list: &[String]) -> Option<Value> {
    (!list.is_empty()).then(|| Value::from(list.to_vec()))
}

fn format_value(format: Option<LogFormat>) -> Option<Value> {
    format.map(|format| Value::from(format.as_str()))
}

impl ServeArgs {
    /// All that the settings of the server come from.
    pub(crate) fn sources(&self, environment: BTreeMap<String, String>) -> Sources {
        Sources {
            flags: self.flags(),
            environment,
            file: self.config.clone(),
        }
    }

    fn flags(&self) -> Vec<Flag> {
        let flags = [
            flag(
                "listen",
                "--listen",
                self.listen.as_deref().map(Value::from),
            ),
            flag("data", "--data", path_value(self.data.as_ref())),
            flag("store", "--store", url_value(self.store.as_ref())),
            flag("blobs", "--blobs", url_value(self.blobs.as_ref())),
            flag(
                "role",
                "--api-only",
                self.api_only.then(|| Value::from("api")),
            ),
            flag(
                "role",
                "--worker-only",
                self.worker_only.then(|| Value::from("worker")),
            ),
            flag("upstreams", "--upstream", list_value(&self.upstream)),
            flag(
                "no_auth",
                "--no-auth",
                self.no_auth.then(|| Value::from(true)),
            ),
            flag(
                "metrics_listen",
                "--metrics-listen",
                self.metrics_listen.as_deref().map(Value::from),
            ),
            flag("log.format", "--log-format", format_value(self.log_format)),
        ];
        flags.into_iter().flatten().collect()
    }
}

impl DataArgs {
    /// What the command line sets.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let flags = [
            flag("data", "--data", path_value(self.data.as_ref())),
            flag("store", "--store", url_value(self.store.as_ref())),
            flag("blobs", "--blobs", url_value(self.blobs.as_ref())),
        ];
        flags.into_iter().flatten().collect()
    }
}

impl MigrateArgs {
    /// What the command line sets.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let place = self.to.get(1);
        let is_bucket = place.is_some_and(|place| place.contains("://"));
        let blobs = place.filter(|_| is_bucket);
        let folder = place.filter(|_| !is_bucket).map(PathBuf::from);
        let flags = [
            flag("store", "--to", url_value(self.to.first())),
            flag("blobs", "--to", url_value(blobs)),
            flag("data", "--to", path_value(folder.as_ref())),
        ];
        flags.into_iter().flatten().collect()
    }
}

impl RunArgs {
    /// What the command line sets.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let flags = [
            flag("upstreams", "--upstream", list_value(&self.upstream)),
            flag("log.format", "--log-format", format_value(self.log_format)),
        ];
        flags.into_iter().flatten().collect()
    }
}

impl SimArgs {
    /// What the command line sets.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let log = path_value(self.log.as_ref())
            .map(|path| Value::from(Dict::from([("file".to_owned(), path)])));
        let flags = [
            flag("sim.slots", "--slots", self.slots.map(Value::from)),
            flag("sim.queue", "--queue", self.queue.map(Value::from)),
            flag("sim.ttft_ms", "--ttft-ms", self.ttft_ms.map(Value::from)),
            flag("sim.tpot_ms", "--tpot-ms", self.tpot_ms.map(Value::from)),
            flag(
                "sim.faults",
                "--fail-rate",
                self.fail_rate.and_then(faults_value),
            ),
            flag("sim.models", "--models", list_value(&self.models)),
            flag("sim.seed", "--seed", self.seed.map(Value::from)),
            flag(
                "sim.metrics",
                "--no-metrics",
                self.no_metrics.then(|| Value::from(false)),
            ),
            flag("sim.log", "--log", log),
        ];
        flags.into_iter().flatten().collect()
    }
}

fn faults_value(rate: f64) -> Option<Value> {
    Value::serialize(FaultRates::quick(rate)).ok()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn concurrency_is_auto_or_a_number() {
        assert_eq!("auto".parse(), Ok(Concurrency::Auto));
        assert_eq!("8".parse(), Ok(Concurrency::Fixed(8)));
        assert!("0".parse::<Concurrency>().is_err());
        assert!("many".parse::<Concurrency>().is_err());
    }
}
