//! `overnight sample`: a few lines of a file, each as likely as any other, in their order.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::Surroundings;
use crate::lines::output::Output;
use crate::lines::source::each_line;
use crate::show::text::{count, counted};
use crate::show::{VoiceArgs, print_json};

/// The flags of `overnight sample`.
#[derive(Debug, clap::Args)]
pub(crate) struct SampleArgs {
    /// The file; `-` is stdin.
    #[arg(value_name = "IN.jsonl")]
    file: PathBuf,
    /// How many lines.
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    lines: usize,
    /// The same seed draws the same lines of the same file.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where the lines go [default: stdout].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    voice: VoiceArgs,
}

/// Draws numbers that depend on the seed alone (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `bound`, which is not 0. That the bound seldom divides 2^64 favours none by more
    /// than a billionth.
    fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }
}

/// Writes the lines that were drawn.
pub(super) fn sample(args: &SampleArgs, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let voice = args.voice.voice(&around.environment);
    let mut dice = Dice(args.seed);
    let mut drawn: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut seen = 0_u64;
    each_line(&args.file, |line| {
        seen += 1;
        // The line takes the place of a drawn one with the probability that it would have been drawn by now.
        let place = match usize::try_from(dice.below(seen)) {
            _ if drawn.len() < args.lines => {
                drawn.push((line.no, line.bytes.to_vec()));
                return Ok(());
            }
            Ok(place) => place,
            Err(_) => return Ok(()),
        };
        if let Some(slot) = drawn.get_mut(place) {
            *slot = (line.no, line.bytes.to_vec());
        }
        Ok(())
    })?;
    drawn.sort_unstable_by_key(|(no, _)| *no);
    let mut output = Output::create(args.output.as_deref())?;
    for (_, line) in &drawn {
        output.put_line(line)?;
    }
    output.finish()?;
    let written = drawn.len() as u64;
    voice.say(&format!("{} of {}", counted(written, "line"), count(seen)));
    if voice.is_json && args.output.is_some() {
        print_json(&json!({ "lines": written, "of": seen }))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_drawn_about_as_often() {
        let mut dice = Dice(7);
        let mut counts = [0_u32; 10];
        for _ in 0..10_000 {
            counts[usize::try_from(dice.below(10)).unwrap()] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1_150).contains(count)),
            "{counts:?}"
        );
    }
}
