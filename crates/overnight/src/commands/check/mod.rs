//! `overnight check`: everything that is wrong with input files, found by the validation of the server.
//!
//! A server would say the same after an upload; here it takes a second, shows the place in the line, and
//! has no bound on how many errors it tells.

mod fix;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use overnight_core::endpoint::Endpoint;
use overnight_core::input::{Catalog, Checker, InputLimits, Rejection, Rules, Summary};

use self::report::Report;
use super::Surroundings;
use crate::config::settings::{LimitsSection, Settings};
use crate::failure::{INPUT_REFUSED, UsageError};
use crate::lines::endpoint::endpoint_of;
use crate::lines::source::{each_piece, is_stdin};
use crate::show::{Voice, VoiceArgs};
use crate::wiring::system;

/// How many errors are shown of a file that was to be sent.
const ERRORS_SHOWN: u64 = 20;

/// The flags of `overnight check`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The files to check; `-` is stdin.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The endpoint that every line has to name; `auto` takes that of the first line.
    #[arg(long, value_name = "PATH", default_value = "auto")]
    endpoint: String,
    /// How many errors are shown of each file; 0 shows all. They are counted in any case.
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_errors: u64,
    /// Hold the files to the limits that a server has by default: 50,000 lines, 200 MiB.
    #[arg(long)]
    strict: bool,
    /// Refuse files whose lines name different models.
    #[arg(long)]
    single_model: bool,
    /// The models that lines may name, with commas between them [default: any].
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    models: Vec<String>,
    /// First write the files anew without a byte order mark, carriage returns at line ends, and blank lines.
    /// Nothing else is changed.
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    voice: VoiceArgs,
}

/// Checks each file; the exit code is 6 when one would be refused.
pub(super) fn check(args: &CheckArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let voice = args.voice.voice(&around.environment);
    let stdin = args.files.iter().filter(|file| is_stdin(file)).count();
    if stdin > 0 && (args.fix || args.endpoint == "auto" || stdin > 1) {
        let text = "stdin is read once: with `-`, name the `--endpoint` and leave out `--fix`";
        return Err(UsageError(text.to_owned()).into());
    }
    let mut is_valid = true;
    for file in &args.files {
        if args.fix {
            fix::fix(file, voice)?;
        }
        let report = Report::new(file, args.max_errors, voice);
        is_valid &= check_file(args.rules(file)?, file, report)?;
    }
    Ok(if is_valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(INPUT_REFUSED)
    })
}

/// Whether a server would run every line of a file; tells what is wrong when not.
pub(super) fn passes(file: &Path, endpoint: &Endpoint, voice: Voice) -> anyhow::Result<bool> {
    let rules = Rules {
        endpoint: endpoint.clone(),
        limits: input_limits(&Settings::default().limits, false),
        single_model: false,
        catalog: Catalog::Any,
    };
    check_file(rules, file, Report::new(file, ERRORS_SHOWN, voice.aside()))
}

/// Checks a file, and tells; whether all of it may be run.
fn check_file(rules: Rules, file: &Path, mut report: Report<'_>) -> anyhow::Result<bool> {
    let seed = system::entropy()?.draw();
    let mut checker = Checker::new(rules, u64::try_from(seed >> 64)?);
    let mut plan = Vec::new();
    each_piece(file, |piece| {
        checker.push_watched(piece, &mut plan, &mut |line, error| {
            report.line(line, error);
        });
        // Nobody wants the plan.
        plan.clear();
        report.stdout_stands()
    })?;
    let checked: Result<Summary, Rejection> =
        checker.finish_watched(&mut plan, &mut |line, error| report.line(line, error));
    report.stdout_stands()?;
    report.conclude(&checked)?;
    Ok(checked.is_ok())
}

/// The endpoint that a flag names, or that of the file's first line.
pub(super) fn endpoint(flag: &str, file: &Path) -> anyhow::Result<Endpoint> {
    match flag {
        "auto" => {
            let line_bytes_max = Settings::default().limits.line_bytes_max.0;
            endpoint_of(file, line_bytes_max)
                .with_context(|| format!("{} cannot be read", file.display()))
        }
        path if path.starts_with('/') => Ok(Endpoint::from(path)),
        other => {
            let text = format!("--endpoint: `{other}` is no path: write it like /v1/embeddings");
            Err(UsageError(text).into())
        }
    }
}

impl CheckArgs {
    fn rules(&self, file: &Path) -> anyhow::Result<Rules> {
        let models = self.models.iter().map(|name| name.as_str().into());
        Ok(Rules {
            endpoint: endpoint(&self.endpoint, file)?,
            limits: input_limits(&Settings::default().limits, self.strict),
            single_model: self.single_model,
            catalog: if self.models.is_empty() {
                Catalog::Any
            } else {
                Catalog::Known(models.collect())
            },
        })
    }
}

/// Those of a server, or the one on the line alone: a file for `overnight run` may have any number of lines.
fn input_limits(limits: &LimitsSection, is_strict: bool) -> InputLimits {
    let line_bytes_max = usize::try_from(limits.line_bytes_max.0).unwrap_or(usize::MAX);
    if !is_strict {
        return InputLimits {
            line_bytes_max,
            ..InputLimits::default()
        };
    }
    InputLimits {
        lines_max: limits.lines_max,
        file_bytes_max: limits.file_bytes_max.0,
        embedding_inputs_max: limits.embedding_inputs_max,
        line_bytes_max,
        models_max: usize::try_from(limits.models_max).unwrap_or(usize::MAX),
    }
}
