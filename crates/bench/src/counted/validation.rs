//! The check of an input file alone: bytes go in, the plan comes out.

use overnight_core::endpoint::Endpoint;
use overnight_core::input::{Catalog, Checker, InputLimits, Rules};

use crate::input::Lines;

/// How many bytes are checked at a time, as the engine does.
const PIECE_BYTES: usize = 256 << 10;

/// Checks so many lines.
pub(super) fn run(lines: Lines) -> anyhow::Result<()> {
    let mut file = Vec::new();
    lines.write_to(&mut file)?;
    let rules = Rules {
        endpoint: Endpoint::from("/v1/chat/completions"),
        limits: InputLimits::default(),
        single_model: false,
        catalog: Catalog::Any,
    };
    let (mut checker, mut plan) = (Checker::new(rules, 1), Vec::new());
    for piece in file.chunks(PIECE_BYTES) {
        checker.push(piece, &mut plan);
    }
    let summary = checker.finish(&mut plan);
    let summary = summary.map_err(|refused| anyhow::anyhow!("refused: {:?}", refused.errors))?;
    anyhow::ensure!(summary.total == lines.count, "{summary:?}");
    Ok(())
}
