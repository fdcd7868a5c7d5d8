//! The machine: the data folder and its disk, descriptors, the clock.

use std::path::Path;

use overnight_store::folder::{DataFolder, FolderError};

use crate::commands::report::{Check, Finding};
use crate::config::settings::Settings;
use crate::show::text::{count, size};
use crate::wiring::descriptors::Descriptors;
use crate::wiring::system;

/// The first second of 2025: no clock that is right shows less.
const PAST: u64 = 1_735_689_600;

/// Connections that a server needs to serve more than a few people.
const CONNECTIONS_WANTED: usize = 256;

/// Looks at everything that is no upstream.
pub(super) fn look(settings: &Settings) -> Vec<Check> {
    let needs_folder = settings.store.is_none() || settings.blobs.is_none();
    let mut checks = Vec::new();
    if needs_folder {
        checks.extend(folder(settings));
    }
    checks.push(descriptors());
    checks.push(clock());
    checks
}

fn folder(settings: &Settings) -> Vec<Check> {
    let path = &settings.data;
    let about = format!("data folder {}", path.display());
    if !path.exists() {
        let there = path.ancestors().find(|folder| folder.is_dir());
        let there = there.unwrap_or_else(|| Path::new("."));
        let is_writable = tempfile::tempfile_in(there).is_ok();
        let check = if is_writable {
            Check::new(about, Finding::Ok, "is not there yet; it will be made")
        } else {
            let text = format!("cannot be made: {} cannot be written to", there.display());
            Check::new(about, Finding::Error, text)
        };
        return vec![check];
    }
    if tempfile::tempfile_in(path).is_err() {
        let text = "cannot be written to: give it to the user who runs the server";
        return vec![Check::new(about, Finding::Error, text)];
    }
    let visited = DataFolder::visit(path);
    match &visited {
        Ok(folder) => {
            let mut checks = vec![Check::new(about, Finding::Ok, "can be written to")];
            checks.extend(folder.free_bytes().ok().map(|free| disk(settings, free)));
            checks
        }
        Err(FolderError::AlreadyInUse { .. }) => {
            let text = "a server uses it at present";
            vec![Check::new(about, Finding::Note, text)]
        }
        Err(error) => vec![Check::new(about, Finding::Error, error.to_string())],
    }
}

fn disk(settings: &Settings, free: u64) -> Check {
    let reserve = settings.disk.reserve.0;
    let (finding, advice) = match free {
        free if free <= reserve => (
            Finding::Error,
            "; below disk.reserve nothing is taken or sent: make room",
        ),
        free if free < reserve.saturating_mul(8) => (Finding::Note, "; large batches need more"),
        _ => (Finding::Ok, ""),
    };
    let text = format!("{} free, {} in reserve{advice}", size(free), size(reserve));
    Check::new("disk", finding, text)
}

fn descriptors() -> Check {
    let connections = Descriptors::claim().connections_max();
    let text = format!(
        "enough for {} connections of clients",
        count(connections as u64)
    );
    if connections >= CONNECTIONS_WANTED {
        return Check::new("descriptors", Finding::Ok, text);
    }
    let text = format!("{text}; raise the limit of open files (`ulimit -n`) for more");
    Check::new("descriptors", Finding::Note, text)
}

fn clock() -> Check {
    let now = system::clock().now().seconds();
    if now < PAST {
        let text = "shows a time before 2025: deadlines would be wrong; set it";
        return Check::new("clock", Finding::Error, text);
    }
    Check::new("clock", Finding::Ok, "shows a time that can be")
}
