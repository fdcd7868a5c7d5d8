//! Checks everything that a data folder or a backup holds.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use overnight_store::backup::{self, Label};
use overnight_store::folder::DataFolder;
use overnight_store::sqlite::inspect::Inspector;
use overnight_store::verify::{self, Finding, Severity, Summary};
use overnight_store::{Blobs, StoreError};
use serde_json::json;

use crate::failure::FAILED;
use crate::show::text::size;
use crate::show::{insist, print_json};

/// Prints what is wrong, one finding a line; the exit code is 1 when anything is.
pub(super) async fn verify(data: PathBuf, is_json: bool) -> anyhow::Result<ExitCode> {
    let is_backup = backup::is_backup(&data);
    let _still = if is_backup {
        backup::hold_still(&data).context("the backup cannot be verified")?
    } else {
        None
    };
    let (database, content) = if is_backup {
        let label = Label::read(&data).context("the backup cannot be verified")?;
        (label.snapshot(&data), backup::content(&data))
    } else {
        (data.join("overnight.db"), data.join("blobs"))
    };
    let _lock = DataFolder::visit(&data)
        .with_context(|| format!("{} cannot be verified", data.display()))?;
    require(&database)?;
    require(&content)?;
    let mut told = Ok(());
    let mut tell = |mut finding: Finding| {
        if is_backup && finding.severity() == Severity::Error {
            finding.advice =
                "run `overnight backup` again: it copies anew what is damaged in the backup alone";
        }
        if told.is_ok() {
            told = tell(&finding, is_json);
        }
    };
    let blobs = Blobs::folder(&content)?;
    let looked = match Inspector::open(&database) {
        Ok(rows) => verify::verify(&rows, &blobs, &mut tell).await,
        Err(error) => Err(error),
    };
    let summary = looked.map_err(|error| unfinished(error, &database))?;
    told?;
    conclude(&data.display().to_string(), &summary, is_json)
}

/// Why not everything was looked at.
fn unfinished(error: StoreError, database: &Path) -> anyhow::Error {
    let context = if matches!(error, StoreError::Corrupt(_)) {
        let shown = database.display();
        format!("{shown} is damaged; restore the folder from a backup")
    } else {
        "not everything could be looked at".to_owned()
    };
    anyhow::Error::new(error).context(context)
}

/// Prints what it comes to, and answers with the exit code.
pub(super) fn conclude(about: &str, summary: &Summary, is_json: bool) -> anyhow::Result<ExitCode> {
    if is_json {
        print_json(&json!({
            "summary": {
                "batches": summary.batches,
                "files": summary.files,
                "bytes": summary.bytes,
                "errors": summary.errors,
                "notes": summary.notes,
            },
        }))?;
    }
    let verdict = match summary.errors {
        0 => "is sound".to_owned(),
        1 => "is not sound: 1 thing is wrong".to_owned(),
        errors => format!("is not sound: {errors} things are wrong"),
    };
    insist(&format!(
        "{about} {verdict}; looked at {} batches, {} files, {}",
        summary.batches,
        summary.files,
        size(summary.bytes),
    ));
    Ok(if summary.errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

fn require(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    bail!(
        "there is no {}: name a data folder or a backup with `--data`",
        path.display()
    )
}

pub(super) fn tell(finding: &Finding, is_json: bool) -> anyhow::Result<()> {
    use std::io::Write as _;
    let severity = finding.severity();
    let Finding {
        check,
        about,
        problem,
        advice,
    } = finding;
    if is_json {
        return print_json(&json!({
            "severity": severity,
            "check": check,
            "about": about,
            "problem": problem,
            "advice": advice,
        }));
    }
    let word = match severity {
        Severity::Error => "error",
        Severity::Note => "note",
    };
    writeln!(
        std::io::stdout().lock(),
        "{word}: {about}: {problem} ({advice})"
    )?;
    Ok(())
}
