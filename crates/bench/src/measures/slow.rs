//! Against slow upstreams whose limits nobody said: how near to the time that the upstreams need.
//!
//! An upstream answers so many requests at a time, each in 100 ms, and lets the others wait. The
//! ideal is the time that all lines take when every place is always filled. Each run begins with a
//! new server, which knows nothing of its upstreams; with gauges the upstream shows who waits. The
//! bare loop, which is told the number of places, shows how near the upstream itself lets one come.

use std::path::Path;

use super::{each, throughput};
use crate::bench::Bench;
use crate::figure::{Figure, Target, real};
use crate::input::Lines;
use crate::server::Server;
use crate::upstream::{Shape, Upstream};

/// The places of the one upstream.
const ONE: [usize; 1] = [256];

/// The places of upstreams of unequal speed.
const UNEQUAL: [usize; 4] = [32, 64, 128, 256];

const LATENCY_MS: u64 = 100;

/// What came near the ideal, as a part of it, in one round.
struct Round {
    one: f64,
    one_with_gauges: f64,
    unequal: f64,
    unequal_with_gauges: f64,
    bare: f64,
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let lines = Lines {
        count: bench.scaled(50_000),
        bytes: 300,
    };
    let folder = bench.scratch()?;
    let file = folder.path().join("in.jsonl");
    lines.write(&file)?;
    let mut rounds = Vec::new();
    for _ in 0..bench.pairs {
        let product = |places: &[usize], has_gauges| product(bench, places, has_gauges, lines);
        let round = Round {
            one: product(&ONE, false)?,
            one_with_gauges: product(&ONE, true)?,
            unequal: product(&UNEQUAL, false)?,
            unequal_with_gauges: product(&UNEQUAL, true)?,
            bare: bare(bench, &file, lines)?,
        };
        Bench::say(format_args!(
            "of the ideal: {:.3}, with gauges {:.3}; four {:.3}, with gauges {:.3}; bare {:.3}",
            round.one, round.one_with_gauges, round.unequal, round.unequal_with_gauges, round.bare
        ));
        rounds.push(round);
    }
    Ok(vec![
        Figure::new(
            "one upstream, of the ideal",
            each(&rounds, |round| round.one),
            Target::AtLeast(0.95),
        ),
        Figure::new(
            "one upstream with gauges, of the ideal",
            each(&rounds, |round| round.one_with_gauges),
            Target::AtLeast(0.95),
        ),
        Figure::new(
            "four unequal upstreams, of the sum of their ideals",
            each(&rounds, |round| round.unequal),
            Target::AtLeast(0.9),
        ),
        Figure::new(
            "four unequal upstreams with gauges, of the sum of their ideals",
            each(&rounds, |round| round.unequal_with_gauges),
            Target::AtLeast(0.9),
        ),
        Figure::new(
            "the bare loop with 256 in flight at one upstream, of the ideal",
            each(&rounds, |round| round.bare),
            Target::None,
        ),
    ])
}

const fn shape(places: usize, has_gauges: bool) -> Shape {
    Shape {
        latency_ms: LATENCY_MS,
        places,
        has_gauges,
        ..Shape::INSTANT
    }
}

/// The seconds that the lines take when no place is ever empty.
fn ideal(places: &[usize], lines: Lines) -> f64 {
    let places: usize = places.iter().sum();
    real(lines.count) / real(places as u64) * real(LATENCY_MS) / 1e3
}

fn product(bench: &Bench, places: &[usize], has_gauges: bool, lines: Lines) -> anyhow::Result<f64> {
    let upstreams: Vec<Upstream> = places
        .iter()
        .map(|places| Upstream::start(bench, shape(*places, has_gauges)))
        .collect::<anyhow::Result<_>>()?;
    let sections = upstreams.iter().map(|upstream| upstream.section(None));
    let server = Server::start(bench, &sections.collect::<String>())?;
    let file = server.upload_lines(lines)?;
    Ok(ideal(places, lines) / server.run(&file)?.as_secs_f64())
}

fn bare(bench: &Bench, file: &Path, lines: Lines) -> anyhow::Result<f64> {
    let upstream = Upstream::start(bench, shape(256, false))?;
    let (took, _) = throughput::bare(bench, &upstream.url, file)?;
    Ok(ideal(&ONE, lines) / took.as_secs_f64())
}
