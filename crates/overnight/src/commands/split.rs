//! `overnight split`: one input file into several, by lines, by bytes or by model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use serde::Deserialize;
use serde_json::json;

use super::Surroundings;
use crate::config::units::Size;
use crate::failure::UsageError;
use crate::lines::output::Output;
use crate::lines::source::{SourceLine, each_line, is_stdin};
use crate::show::text::{counted, size};
use crate::show::{VoiceArgs, print, print_json};

/// The most files that are written at a time: each is open, and holds some memory.
const MODELS_MAX: usize = 128;

/// The flags of `overnight split`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("how").required(true))]
pub(crate) struct SplitArgs {
    /// The file to split; `-` is stdin.
    #[arg(value_name = "IN.jsonl")]
    file: PathBuf,
    /// At most so many lines a file.
    #[arg(long, value_name = "N", group = "how", value_parser = clap::value_parser!(u64).range(1..))]
    lines: Option<u64>,
    /// At most so many bytes a file, such as `190MB`; a line that is longer has a file of its own.
    #[arg(long, value_name = "SIZE", group = "how", value_parser = parse_size)]
    bytes: Option<u64>,
    /// One file for each of them.
    #[arg(long, value_name = "WHAT", group = "how")]
    by: Option<By>,
    /// What the names of the files begin with [default: that of the input, without .jsonl].
    #[arg(short, long, value_name = "PREFIX")]
    output: Option<PathBuf>,
    #[command(flatten)]
    voice: VoiceArgs,
}

/// What lines of one file have in common.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum By {
    /// The model.
    Model,
}

fn parse_size(text: &str) -> Result<u64, String> {
    let spelled = text.strip_suffix("MB").map(|number| format!("{number}MiB"));
    match Size::parse(spelled.as_deref().unwrap_or(text)) {
        Some(size) if size.0 > 0 => Ok(size.0),
        _ => Err("must be a size like 190MB or 64KiB".to_owned()),
    }
}

/// A file that is being written.
struct Piece {
    output: Output,
    written: Written,
}

/// What a file holds.
struct Written {
    path: PathBuf,
    lines: u64,
    bytes: u64,
}

impl Piece {
    fn begin(path: PathBuf) -> anyhow::Result<Self> {
        Ok(Self {
            output: Output::create(Some(&path))?,
            written: Written {
                path,
                lines: 0,
                bytes: 0,
            },
        })
    }

    fn put(&mut self, line: SourceLine<'_>) -> anyhow::Result<()> {
        self.written.lines += 1;
        self.written.bytes += line.bytes.len() as u64 + 1;
        self.output.put_line(line.bytes)
    }

    fn finish(self) -> anyhow::Result<Written> {
        self.output.finish()?;
        Ok(self.written)
    }
}

/// Writes the files, and prints their names.
pub(super) fn split(args: &SplitArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let prefix = prefix(args)?;
    let voice = args.voice.voice(&around.environment);
    let written = match args.by {
        Some(By::Model) => by_model(&args.file, &prefix)?,
        None => by_size(args, &prefix)?,
    };
    for Written { path, lines, bytes } in &written {
        if voice.is_json {
            print_json(&json!({ "file": path, "lines": lines, "bytes": bytes }))?;
        } else {
            print(&path.display().to_string())?;
        }
        let (lines, bytes) = (counted(*lines, "line"), size(*bytes));
        voice.detail(&format!("{}: {lines}, {bytes}", path.display()));
    }
    voice.say(&format!("wrote {}", counted(written.len() as u64, "file")));
    Ok(ExitCode::SUCCESS)
}

fn prefix(args: &SplitArgs) -> anyhow::Result<String> {
    if let Some(prefix) = &args.output {
        return Ok(prefix.display().to_string());
    }
    if is_stdin(&args.file) {
        let text = "say with `-o PREFIX` what the files are called, since stdin has no name";
        return Err(UsageError(text.to_owned()).into());
    }
    Ok(args.file.with_extension("").display().to_string())
}

/// Every file is whole before the next begins.
fn by_size(args: &SplitArgs, prefix: &str) -> anyhow::Result<Vec<Written>> {
    let lines_max = args.lines.unwrap_or(u64::MAX);
    let bytes_max = args.bytes.unwrap_or(u64::MAX);
    let mut done = Vec::new();
    let mut current: Option<Piece> = None;
    each_line(&args.file, |line| {
        let length = line.bytes.len() as u64 + 1;
        let is_full = current.as_ref().is_some_and(|Piece { written, .. }| {
            written.lines >= lines_max || written.bytes + length > bytes_max
        });
        if is_full && let Some(full) = current.take() {
            done.push(full.finish()?);
        }
        let piece = if let Some(piece) = &mut current {
            piece
        } else {
            let path = format!("{prefix}-{:04}.jsonl", done.len() + 1);
            current.insert(Piece::begin(path.into())?)
        };
        piece.put(line)
    })?;
    done.extend(current.map(Piece::finish).transpose()?);
    Ok(done)
}

#[derive(Deserialize)]
struct Request {
    body: Body,
}

#[derive(Deserialize)]
struct Body {
    model: String,
}

fn by_model(file: &Path, prefix: &str) -> anyhow::Result<Vec<Written>> {
    let mut pieces: BTreeMap<String, Piece> = BTreeMap::new();
    each_line(file, |line| {
        let Ok(request) = serde_json::from_slice::<Request>(line.bytes) else {
            bail!("{}:{}: this line names no model", file.display(), line.no);
        };
        let name = name_of(&request.body.model);
        if !pieces.contains_key(&name) {
            if pieces.len() >= MODELS_MAX {
                bail!("there are more than {MODELS_MAX} models; split the file by lines first");
            }
            let path = format!("{prefix}-{name}.jsonl");
            pieces.insert(name.clone(), Piece::begin(path.into())?);
        }
        pieces
            .get_mut(&name)
            .map_or(Ok(()), |piece| piece.put(line))
    })?;
    pieces.into_values().map(Piece::finish).collect()
}

/// A model's name as a part of a file's name.
fn name_of(model: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    model
        .chars()
        .map(|letter| if plain(letter) { letter } else { '_' })
        .collect()
}
