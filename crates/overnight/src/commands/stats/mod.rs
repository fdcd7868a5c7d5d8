//! `overnight stats`: what an input file holds, before anybody pays for it.

mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use self::texts::characters;
use super::Surroundings;
use crate::lines::ids::{LineId, id_of};
use crate::lines::source::{SourceLine, each_line};
use crate::show::text::{count, counted, shortened, size, tokens};
use crate::show::{VoiceArgs, print, print_json};

/// How many of the longest lines are shown.
const LONGEST_SHOWN: usize = 3;

/// How many models and endpoints are told apart; the lines of further ones are counted together.
const NAMES_MAX: usize = 1_000;

/// What counts the lines of names beyond [`NAMES_MAX`].
const FURTHER: &str = "(further ones)";

/// Characters of a token, as a rule of thumb: English has four.
const TOKEN_CHARS: f64 = 4.0;

/// The flags of `overnight stats`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatsArgs {
    /// The input file; `-` is stdin.
    #[arg(value_name = "IN.jsonl")]
    file: PathBuf,
    #[command(flatten)]
    voice: VoiceArgs,
}

/// What is known of the lines so far.
#[derive(Debug, Default)]
struct Stats {
    lines: u64,
    bytes: u64,
    /// Lines that are no requests.
    unreadable: u64,
    models: BTreeMap<String, u64>,
    endpoints: BTreeMap<String, u64>,
    /// The characters of texts that go to a model.
    characters: u64,
    /// Bytes of images and sounds within the lines.
    media_bytes: u64,
    /// The most tokens that the lines ask for, as far as they say.
    output_tokens_max: u64,
    /// Lines that say how many tokens they want at most.
    bounded: u64,
    ids: BTreeSet<LineId>,
    doubled_ids: u64,
    bodies: BTreeSet<LineId>,
    doubled_bodies: u64,
    lengths: Vec<u32>,
    /// Length, number and id of the longest lines.
    longest: Vec<(u64, u64, String)>,
}

#[derive(Deserialize)]
struct Request<'a> {
    url: Option<String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Body {
    model: Option<String>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
}

/// Reads the file, and prints what it holds.
pub(super) fn stats(args: &StatsArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let voice = args.voice.voice(&around.environment);
    let mut stats = Stats::default();
    each_line(&args.file, |line| {
        stats.take(line);
        Ok(())
    })?;
    stats.lengths.sort_unstable();
    if voice.is_json {
        stats.print_json()?;
    } else {
        stats.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn count_name(names: &mut BTreeMap<String, u64>, name: String) {
    let is_known = names.len() < NAMES_MAX || names.contains_key(&name);
    let name = if is_known { name } else { FURTHER.to_owned() };
    *names.entry(name).or_default() += 1;
}

impl Stats {
    fn take(&mut self, line: SourceLine<'_>) {
        let length = line.bytes.len() as u64;
        self.lines += 1;
        self.bytes += length + 1;
        self.lengths.push(u32::try_from(length).unwrap_or(u32::MAX));
        let id = id_of(line.bytes);
        if let Some(id) = &id {
            self.doubled_ids += u64::from(!self.ids.insert(LineId::of(id)));
        }
        let is_long = self
            .longest
            .last()
            .is_none_or(|(shortest, ..)| length > *shortest);
        if is_long || self.longest.len() < LONGEST_SHOWN {
            let name = id.map(|id| shortened(&id, 40)).unwrap_or_default();
            self.longest.push((length, line.no, name));
            self.longest
                .sort_by_key(|(length, no, _)| (std::cmp::Reverse(*length), *no));
            self.longest.truncate(LONGEST_SHOWN);
        }
        let request = serde_json::from_slice::<Request<'_>>(line.bytes).ok();
        let Some((request, body)) = request.and_then(|request| {
            let body = request.body?;
            Some((request, body.get()))
        }) else {
            self.unreadable += 1;
            return;
        };
        count_name(&mut self.endpoints, request.url.unwrap_or_default());
        self.doubled_bodies += u64::from(!self.bodies.insert(LineId::of(body)));
        self.take_body(body);
    }

    fn take_body(&mut self, body: &str) {
        let texts = characters(body);
        self.characters += texts.characters;
        self.media_bytes += texts.media_bytes;
        let Ok(body) = serde_json::from_str::<Body>(body) else {
            return;
        };
        count_name(&mut self.models, body.model.unwrap_or_default());
        let bound = body
            .max_completion_tokens
            .or(body.max_tokens)
            .or(body.max_output_tokens);
        self.output_tokens_max += bound.unwrap_or(0);
        self.bounded += u64::from(bound.is_some());
    }

    /// The length below which a share of the lines lies, in percent.
    fn length_at(&self, percent: usize) -> u64 {
        let place = self.lengths.len().saturating_sub(1) * percent / 100;
        self.lengths.get(place).copied().unwrap_or(0).into()
    }

    #[expect(clippy::cast_precision_loss, reason = "it is an estimate")]
    fn input_tokens(&self) -> f64 {
        (self.characters as f64 / TOKEN_CHARS).ceil()
    }

    fn print_json(&self) -> anyhow::Result<()> {
        let longest = self.longest.iter();
        let longest: Vec<_> = longest
            .map(|(bytes, line, id)| json!({ "bytes": bytes, "line": line, "id": id }))
            .collect();
        print_json(&json!({
            "lines": self.lines,
            "bytes": self.bytes,
            "unreadable_lines": self.unreadable,
            "models": self.models,
            "endpoints": self.endpoints,
            "line_bytes": {
                "p50": self.length_at(50),
                "p95": self.length_at(95),
                "max": self.length_at(100),
            },
            "longest": longest,
            "estimated_input_tokens": self.input_tokens(),
            "output_tokens_max": self.output_tokens_max,
            "lines_with_a_bound": self.bounded,
            "media_bytes": self.media_bytes,
            "doubled_ids": self.doubled_ids,
            "doubled_bodies": self.doubled_bodies,
        }))
    }

    fn print(&self) -> anyhow::Result<()> {
        let names = |names: &BTreeMap<String, u64>| {
            let names = names
                .iter()
                .map(|(name, lines)| format!("{name} ({})", count(*lines)));
            names.collect::<Vec<_>>().join(", ")
        };
        let lengths = [50, 95, 100].map(|percent| size(self.length_at(percent)));
        let [half, most, all] = lengths;
        print(&format!("lines      {}", count(self.lines)))?;
        print(&format!("bytes      {}", size(self.bytes)))?;
        print(&format!("models     {}", names(&self.models)))?;
        print(&format!("endpoints  {}", names(&self.endpoints)))?;
        print(&format!("a line     p50 {half}, p95 {most}, max {all}"))?;
        for (bytes, line, id) in &self.longest {
            print(&format!("  longest  line {line} ({id}): {}", size(*bytes)))?;
        }
        print(&format!(
            "tokens     about {} in (by the number of characters), at most {} out by {}",
            tokens(self.input_tokens()),
            count(self.output_tokens_max),
            counted(self.bounded, "line"),
        ))?;
        if self.media_bytes > 0 {
            print(&format!(
                "media      {} within the lines",
                size(self.media_bytes)
            ))?;
        }
        for (number, what) in [
            (
                self.doubled_ids,
                "whose id an earlier line has: a server refuses them",
            ),
            (
                self.doubled_bodies,
                "whose body an earlier line has: the same is asked again",
            ),
            (
                self.unreadable,
                "that cannot be read: see `overnight check`",
            ),
        ] {
            if number > 0 {
                print(&format!("note       {} {what}", counted(number, "line")))?;
            }
        }
        Ok(())
    }
}
