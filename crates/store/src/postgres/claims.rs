//! Who runs a batch: claims, renewals, releases, and the fence that a verb of a run passes.
//!
//! A batch names its worker; until when the worker's leases last is said once, in its row of
//! `workers`, by the clock of the database. So a renewal writes one row, however many batches the
//! worker holds.
//!
//! ```text
//! claim  ──►  prolong the own lease, free what lapsed workers hold, take what is free
//! renew  ──►  prolong the own lease, then read what is still held
//! ```
//!
//! Whoever frees the batches of a lapsed worker holds the lock of its row, for which its renewal
//! waits. So either the renewal comes first, and nothing has lapsed; or it comes after, and tells the
//! worker what it has lost. What was recorded in the meantime is settled by the batch's own row, which
//! both lock.

use std::time::Duration;

use overnight_core::batch::{Lease, Status};
use overnight_core::id::WorkerId;

use super::db::{Db, Values};
use super::row::{self, get, number, text, word};
use super::{batches, hints};
use crate::rows::BatchRow;
use crate::rules::{int, rows};
use crate::store::{Claim, Held, Others, Outlook, Reach, Result, StoreError};

/// Only workers that will take batches count: one that ends, or whose lease is over, would leave its
/// share lying. The batches are counted only when there is somebody to share them with. An idle worker
/// shows itself once half of its lease is over.
pub(super) async fn outlook(db: &Db, worker: &WorkerId, lease: Duration) -> Result<Outlook> {
    let sql = "SELECT unsaid, proven, lost, reaches_blobs, CASE WHEN unsaid + proven + lost = 0 THEN 0 ELSE \
             (SELECT count(*) FROM batches WHERE worker IS NOT NULL) \
             + (SELECT count(*) FROM batches WHERE ended_at IS NULL AND worker IS NULL) END AS open, \
             EXISTS (SELECT 1 FROM batches WHERE ended_at IS NULL AND worker IS NULL) \
             OR EXISTS (SELECT 1 FROM workers WHERE until <= now() AND worker <> $1 AND EXISTS (\
                 SELECT 1 FROM batches WHERE batches.worker = workers.worker)) \
             OR NOT EXISTS (SELECT 1 FROM workers WHERE worker = $1 \
                 AND until > now() + make_interval(secs => $2)) AS is_worth_a_claim \
         FROM (SELECT count(*) FILTER (WHERE reaches_blobs IS NULL) AS unsaid, \
                 count(*) FILTER (WHERE reaches_blobs) AS proven, \
                 count(*) FILTER (WHERE NOT reaches_blobs) AS lost FROM workers \
             WHERE until > now() AND NOT leaving AND worker <> $1) there \
         LEFT JOIN workers own ON own.worker = $1";
    let values: Values<'_> = &[&worker.as_str(), &(lease / 2).as_secs_f64()];
    let Some(row) = db.one(sql, values).await? else {
        return Ok(Outlook::ALONE);
    };
    let others = Others {
        unsaid: number(&row, "unsaid")?,
        proven: number(&row, "proven")?,
        lost: number(&row, "lost")?,
    };
    let reach = match get(&row, "reaches_blobs")? {
        None => Reach::Unsaid,
        Some(true) => Reach::Proven,
        Some(false) => Reach::Lost,
    };
    Ok(Outlook {
        others: others.count(),
        others_lost_reach: others.lost > 0,
        share: others.share(reach, number(&row, "open")?),
        is_worth_a_claim: get(&row, "is_worth_a_claim")?,
    })
}

pub(super) async fn say_reach(db: &Db, worker: &WorkerId, reach: Reach) -> Result<()> {
    let reaches_blobs = match reach {
        Reach::Unsaid => None,
        Reach::Proven => Some(true),
        Reach::Lost => Some(false),
    };
    let sql = "UPDATE workers SET reaches_blobs = $2 WHERE worker = $1";
    db.change(sql, &[&worker.as_str(), &reaches_blobs]).await?;
    Ok(())
}

/// What it holds it gives back one by one, and hints at each.
pub(super) async fn leave(db: &Db, worker: &WorkerId) -> Result<()> {
    let sql = "UPDATE workers SET leaving = TRUE WHERE worker = $1 AND NOT leaving";
    db.change(sql, &[&worker.as_str()]).await?;
    Ok(())
}

pub(super) async fn claim(
    db: &Db,
    worker: &WorkerId,
    limit: usize,
    lease: Duration,
) -> Result<Vec<Claim>> {
    prolong(db, worker, lease).await?;
    free_lapsed(db, worker).await?;
    let found = free(db, limit).await?;
    let ids: Vec<&str> = found.iter().map(|row| row.batch.id.as_str()).collect();
    let sql = "UPDATE batches SET worker = $2, epoch = epoch + 1 WHERE id = ANY ($1)";
    db.change(sql, &[&ids, &worker.as_str()]).await?;
    let claimed = found.into_iter().map(|row| Claim {
        lease: Lease {
            batch: row.batch.id.clone(),
            worker: worker.clone(),
            epoch: row.epoch + 1,
        },
        batch: row.batch,
    });
    Ok(claimed.collect())
}

/// The worker's leases last from now on.
async fn prolong(db: &Db, worker: &WorkerId, lease: Duration) -> Result<()> {
    let sql = "INSERT INTO workers (worker, until) VALUES ($1, now() + make_interval(secs => $2)) \
         ON CONFLICT (worker) DO UPDATE SET until = excluded.until";
    db.change(sql, &[&worker.as_str(), &lease.as_secs_f64()])
        .await?;
    Ok(())
}

/// Frees what workers hold whose leases are over. What is locked is left for the next time: a worker
/// that is just then renewing, and a batch of which something is just being recorded. A worker's own
/// batches are not taken from it: it renews, or gives them back.
async fn free_lapsed(db: &Db, worker: &WorkerId) -> Result<()> {
    let sql = "WITH lapsed AS MATERIALIZED (\
             SELECT worker FROM workers WHERE until <= now() AND worker <> $1 AND EXISTS (\
                 SELECT 1 FROM batches WHERE batches.worker = workers.worker) \
             FOR NO KEY UPDATE SKIP LOCKED) \
         UPDATE batches SET worker = NULL WHERE id IN (\
             SELECT id FROM batches JOIN lapsed USING (worker) \
             FOR NO KEY UPDATE OF batches SKIP LOCKED)";
    db.change(sql, &[&worker.as_str()]).await?;
    Ok(())
}

/// Up to `limit` batches that nobody holds and nobody else is taking, the soonest deadlines first.
async fn free(db: &Db, limit: usize) -> Result<Vec<BatchRow>> {
    let sql = format!(
        "SELECT {} FROM batches \
         WHERE ended_at IS NULL AND worker IS NULL AND (expires_at, id) > ($1, $2) \
         ORDER BY expires_at, id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
        BatchRow::COLUMNS
    );
    let mut found = Vec::new();
    let mut behind = (-1, String::new());
    while found.len() < limit {
        let wanted = rows(limit - found.len());
        let page = db.rows(&sql, &[&behind.0, &behind.1, &wanted]).await?;
        let Some(last) = page.last() else { break };
        behind = (int(number(last, "expires_at")?), text(last, "id")?);
        // One that cannot be read is passed by: it must not keep the others from being run.
        found.extend(page.iter().filter_map(|row| row::batch(row).ok()));
    }
    Ok(found)
}

/// Two statements: the second sees what a take-over did for whose end the first one waited.
pub(super) async fn renew(db: &Db, worker: &WorkerId, lease: Duration) -> Result<Vec<Held>> {
    let sql = "UPDATE workers SET until = now() + make_interval(secs => $2) WHERE worker = $1";
    let prolonged = db
        .change(sql, &[&worker.as_str(), &lease.as_secs_f64()])
        .await?;
    if prolonged == 0 {
        return Ok(Vec::new());
    }
    let sql = "SELECT id, epoch, status, paused_at IS NOT NULL AS is_paused FROM batches \
         WHERE worker = $1 ORDER BY id";
    db.all(sql, &[&worker.as_str()], |row| {
        Ok(Held {
            batch: text(row, "id")?,
            epoch: number(row, "epoch")?,
            status: word(row, "status", Status::parse)?,
            is_paused: get(row, "is_paused")?,
        })
    })
    .await
}

pub(super) async fn release(db: &Db, lease: &Lease, channel: &str) -> Result<()> {
    let row = under_epoch(db, lease).await?;
    if row.worker.as_ref() == Some(&lease.worker) {
        let sql = "UPDATE batches SET worker = NULL WHERE id = $1";
        db.change(sql, &[&lease.batch.as_str()]).await?;
        hints::notify_others(db, channel, Some(&lease.worker)).await?;
    }
    Ok(())
}

/// The row of the batch, if no newer lease was given than this one. Nobody else changes it until the
/// transaction ends.
pub(super) async fn under_epoch(db: &Db, lease: &Lease) -> Result<BatchRow> {
    let row = batches::locked(db, &lease.batch).await?;
    let row = row.ok_or(StoreError::NotFound)?;
    if row.epoch == lease.epoch {
        Ok(row)
    } else {
        Err(StoreError::Fenced)
    }
}

/// The row of the batch, locked, if this lease holds it, or held it when it ended.
///
/// A lease that is over but was not taken over is as good as new: nobody else has begun to run the
/// batch.
pub(super) async fn fenced(db: &Db, lease: &Lease) -> Result<BatchRow> {
    let row = under_epoch(db, lease).await?;
    let ended = row.batch.state.status().is_terminal();
    if ended || row.worker.as_ref() == Some(&lease.worker) {
        Ok(row)
    } else {
        Err(StoreError::Fenced)
    }
}
