//! The dashboard's files, which lie in `web` and are part of the program.

/// A file of the dashboard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    /// Its path below `web`.
    pub(super) path: &'static str,
    /// Its bytes.
    pub(super) bytes: &'static [u8],
}

macro_rules! asset {
    ($path:literal) => {
        Asset {
            path: $path,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/", $path)),
        }
    };
}

/// All of them, in the order of their paths; a test compares them with the folder.
pub(super) const ASSETS: &[Asset] = &[
    asset!("css/base.css"),
    asset!("css/bulk.css"),
    asset!("css/charts.css"),
    asset!("css/controls.css"),
    asset!("css/panels.css"),
    asset!("css/screens.css"),
    asset!("css/shell.css"),
    asset!("css/tables.css"),
    asset!("css/tokens.css"),
    asset!("icon.svg"),
    asset!("index.html"),
    asset!("js/api/client.js"),
    asset!("js/api/download.js"),
    asset!("js/api/events.js"),
    asset!("js/api/names.js"),
    asset!("js/api/routes.js"),
    asset!("js/api/upload.js"),
    asset!("js/charts/causes.js"),
    asset!("js/charts/line.js"),
    asset!("js/charts/percentiles.js"),
    asset!("js/charts/scale.js"),
    asset!("js/dom.js"),
    asset!("js/early.js"),
    asset!("js/few.js"),
    asset!("js/format.js"),
    asset!("js/gate.js"),
    asset!("js/keyboard.js"),
    asset!("js/live.js"),
    asset!("js/main.js"),
    asset!("js/parts/bits.js"),
    asset!("js/parts/calls.js"),
    asset!("js/parts/icons.js"),
    asset!("js/parts/json.js"),
    asset!("js/parts/notes.js"),
    asset!("js/parts/progress.js"),
    asset!("js/parts/status.js"),
    asset!("js/router.js"),
    asset!("js/samples.js"),
    asset!("js/screens.js"),
    asset!("js/shell.js"),
    asset!("js/theme.js"),
    asset!("js/views/attention.js"),
    asset!("js/views/batch.js"),
    asset!("js/views/batch/actions.js"),
    asset!("js/views/batch/aside.js"),
    asset!("js/views/batch/errors.js"),
    asset!("js/views/batch/line.js"),
    asset!("js/views/batch/lines.js"),
    asset!("js/views/batch/progress.js"),
    asset!("js/views/batch/scroller.js"),
    asset!("js/views/batch/source.js"),
    asset!("js/views/batch/summary.js"),
    asset!("js/views/batches.js"),
    asset!("js/views/batches/ask.js"),
    asset!("js/views/batches/bar.js"),
    asset!("js/views/batches/gather.js"),
    asset!("js/views/batches/job.js"),
    asset!("js/views/batches/selection.js"),
    asset!("js/views/batches/table.js"),
    asset!("js/views/batches/verbs.js"),
    asset!("js/views/files.js"),
    asset!("js/views/new.js"),
    asset!("js/views/new/file.js"),
    asset!("js/views/new/form.js"),
    asset!("js/views/new/inspect.js"),
    asset!("js/views/new/lesson.js"),
    asset!("js/views/new/verdict.js"),
    asset!("js/views/overview.js"),
    asset!("js/views/sample.js"),
    asset!("js/views/scan.js"),
    asset!("js/views/settings.js"),
    asset!("js/views/summary.js"),
    asset!("js/views/upstreams.js"),
    asset!("js/views/welcome.js"),
];
