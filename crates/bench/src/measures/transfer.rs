//! A file up and down again.
//!
//! The upload is compared with writing the same bytes to the same disk with an fsync, the download
//! with a server that does nothing but `sendfile`, over loopback and with the same client, in turn.

use std::path::Path;
use std::time::{Duration, Instant};

use super::each;
use crate::bench::Bench;
use crate::client::Client;
use crate::figure::{Figure, Target, real};
use crate::input::Lines;
use crate::process::Process;
use crate::server::Server;
use crate::upstream::held::Held;
use crate::upstream::section;
use crate::yardstick::disk;

struct Round {
    upload: Duration,
    copy: Duration,
    download: Duration,
    sendfile: Duration,
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let lines = Lines {
        count: bench.scaled(250_000),
        bytes: 4096,
    };
    let folder = bench.scratch()?;
    let path = folder.path().join("in.jsonl");
    lines.write(&path)?;
    let mut command = bench.command("sendfile");
    let (_yardstick, url) = Process::start(command.arg("--path").arg(&path))?;
    let address = url.trim_start_matches("http://");
    let mut rounds = Vec::new();
    for pair in 0..=bench.pairs {
        let round = round(bench, &path, address)?;
        Bench::say(format_args!(
            "up in {:?}, copied in {:?}; down in {:?}, sendfile in {:?}",
            round.upload, round.copy, round.download, round.sendfile
        ));
        // The first pair warms everything up.
        if pair > 0 {
            rounds.push(round);
        }
    }
    let speed = |took: Duration| real(lines.total_bytes()) / 1e6 / took.as_secs_f64();
    let ratio = |yardstick: Duration, own: Duration| yardstick.as_secs_f64() / own.as_secs_f64();
    Ok(vec![
        Figure::new(
            "upload, of writing with fsync",
            each(&rounds, |round| ratio(round.copy, round.upload)),
            Target::AtLeast(0.5),
        ),
        Figure::new(
            "upload, MB a second",
            each(&rounds, |round| speed(round.upload)),
            Target::None,
        ),
        Figure::new(
            "writing with fsync, MB a second",
            each(&rounds, |round| speed(round.copy)),
            Target::None,
        ),
        Figure::new(
            "download, of `sendfile`",
            each(&rounds, |round| ratio(round.sendfile, round.download)),
            Target::AtLeast(0.8),
        ),
        Figure::new(
            "download, MB a second",
            each(&rounds, |round| speed(round.download)),
            Target::None,
        ),
        Figure::new(
            "`sendfile`, MB a second",
            each(&rounds, |round| speed(round.sendfile)),
            Target::None,
        ),
    ])
}

/// Everything once, with a server of its own: the bytes of a deleted file stay for a while.
fn round(bench: &Bench, path: &Path, yardstick: &str) -> anyhow::Result<Round> {
    let held = Held::start()?;
    let server = Server::start(bench, &section(&held.url, Some(1)))?;
    let began = Instant::now();
    let file = server.upload(path)?;
    let upload = began.elapsed();
    let copy = disk::copy(path, &server.folder().join("copy"))?;
    let download = download(&server.address, &format!("/v1/files/{file}/content"))?;
    let sendfile = self::download(yardstick, "/")?;
    Ok(Round {
        upload,
        copy,
        download,
        sendfile,
    })
}

fn download(address: &str, path: &str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    Client::connect(address)?.download(path)?;
    Ok(began.elapsed())
}
