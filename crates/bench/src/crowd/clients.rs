//! Clients of the crowd: they create batches at an even pace, whether or not the workers keep up, and look
//! at each now and then until it has ended.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use overnight_core::batch::{Batch, BatchSpec, CompletionWindow, Status};
use overnight_core::file::{File, Purpose};
use overnight_core::id::{BatchId, FileId, ProjectId};
use overnight_core::segment::BlobKey;
use overnight_store::Store as _;
use overnight_store::postgres::Postgres;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

use super::{CLIENT_CONNECTIONS, Ground};
use crate::figure::real;
use crate::input::Lines;

/// The pause between two looks of a client at its batch.
const LOOK: Duration = Duration::from_secs(10);

const LINE_BYTES: usize = 300;

/// Where clients ask, and what they bring.
#[derive(Clone)]
pub(super) struct Clients {
    ground: Ground,
    store: Postgres,
    lines: u64,
    input: Bytes,
}

/// The batches that were created, each with a client that looks at it.
pub(super) struct Course {
    looking: JoinSet<anyhow::Result<Batch>>,
    lines: u64,
    took: Duration,
}

impl Clients {
    pub(super) async fn new(ground: &Ground, lines: u64) -> anyhow::Result<Self> {
        let mut input = Vec::new();
        let (count, bytes) = (lines, LINE_BYTES);
        Lines { count, bytes }.write_to(&mut input)?;
        Ok(Self {
            ground: ground.clone(),
            store: ground.store(CLIENT_CONNECTIONS).await?,
            lines,
            input: input.into(),
        })
    }

    /// Creates a batch each time that the pause is over, for so long.
    pub(super) async fn create_for(
        &self,
        time: Duration,
        pause: Duration,
    ) -> anyhow::Result<Course> {
        let clients = Arc::new(self.clone());
        let mut looking = JoinSet::new();
        let (began, mut next) = (Instant::now(), interval(pause));
        // What a slow moment kept back is made up for.
        next.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while timeout_at(began + time, next.tick()).await.is_ok() {
            let clients = Arc::clone(&clients);
            looking.spawn(async move {
                let id = clients.create().await?;
                clients.look(&id).await
            });
        }
        Ok(Course {
            looking,
            lines: self.lines,
            took: began.elapsed(),
        })
    }

    /// As the surface does it: a file, then a batch of it.
    async fn create(&self) -> anyhow::Result<BatchId> {
        let (at, draw) = (self.ground.clock.now(), || self.ground.entropy.draw());
        let blob = BlobKey::upload(draw());
        self.store.announce(&blob, at).await?;
        let extent = self
            .ground
            .blobs
            .put(&blob, vec![self.input.clone()])
            .await?;
        let file = File {
            id: FileId::new(at, draw()),
            project: ProjectId::default_project(),
            purpose: Purpose::Batch,
            filename: "lines.jsonl".to_owned(),
            bytes: extent.length,
            created_at: at,
            expires_at: None,
        };
        self.store.insert_file(&file, &[extent]).await?;
        let spec = BatchSpec {
            input_file: file.id,
            endpoint: "/v1/chat/completions".into(),
            window: CompletionWindow {
                text: "24h".into(),
                length: Some(Duration::from_hours(24)),
            },
            metadata: None,
            output_expires_after: None,
        };
        let id = BatchId::new(at, draw());
        let batch = Batch::new(id.clone(), file.project, spec, at);
        self.store.insert_batch(&batch).await?;
        Ok(id)
    }

    async fn look(&self, id: &BatchId) -> anyhow::Result<Batch> {
        loop {
            tokio::time::sleep(LOOK).await;
            let batch = self.store.batch(&ProjectId::default_project(), id).await?;
            if batch.state.status().is_terminal() {
                return Ok(batch);
            }
        }
    }
}

impl Course {
    pub(super) fn created(&self) -> usize {
        self.looking.len()
    }

    /// Waits for the ends of all batches, for so long, and tells how they went.
    pub(super) async fn end(mut self, patience: Duration) -> anyhow::Result<Value> {
        let created = self.created();
        let mut seconds = Vec::new();
        let all = async {
            while let Some(looked) = self.looking.join_next().await {
                seconds.push(self.judge(&looked??)?);
            }
            anyhow::Ok(())
        };
        // What is open then is told by the counts.
        if let Ok(ended) = timeout(patience, all).await {
            ended?;
        }
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a place in a list"
            )]
            let place = (share * seconds.len().saturating_sub(1) as f64) as usize;
            seconds.get(place).copied()
        };
        let batches = created as u64;
        Ok(json!({
            "created": batches,
            "completed": seconds.len(),
            "batches_per_second": real(batches) / self.took.as_secs_f64(),
            "seconds_to_the_end": {"p50": at(0.5), "p99": at(0.99), "max": at(1.0)},
        }))
    }

    /// Seconds from the creation of a batch to its end.
    fn judge(&self, batch: &Batch) -> anyhow::Result<f64> {
        let is_whole =
            batch.state.status() == Status::Completed && batch.tally.completed == self.lines;
        anyhow::ensure!(
            is_whole,
            "{}: {:?}, {:?}",
            batch.id,
            batch.state,
            batch.tally
        );
        let ended = batch.history.completed_at.unwrap_or_default();
        Ok(ended.since(batch.created_at).as_secs_f64())
    }
}
