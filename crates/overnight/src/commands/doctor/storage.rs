//! What is kept on servers: the database, and the bucket.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use overnight_store::blobs::{BucketSettings, LostUploads};
use overnight_store::postgres::{PostgresSettings, SchemaFound, Visit};
use overnight_store::{Blobs, Postgres};
use tokio::time::Instant;

use crate::commands::report::{Check, Finding};
use crate::config::settings::Settings;
use crate::show::text::count;

/// Nobody waits longer for a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Each flush and each look at a batch takes a few round trips: one that takes longer is felt.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(20);

/// What to look at when a bucket keeps nothing.
const ADVICE: &str = "look at its name, and at the variables of the environment that tell where it is \
                      and who asks (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...)";

/// Looks at the database and the bucket that the settings name, if they do.
pub(super) async fn look(
    settings: &Settings,
    environment: &BTreeMap<String, String>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(url) = &settings.store {
        checks.push(match url.settings(&settings.postgres) {
            Ok(database) => look_at_database(database).await,
            Err(error) => Check::new("database", Finding::Error, error.to_string()),
        });
    }
    if let Some(url) = &settings.blobs {
        match url.settings(environment) {
            Ok(bucket) => checks.extend(look_at_bucket(&bucket).await),
            Err(error) => checks.push(Check::new("bucket", Finding::Error, error.to_string())),
        }
    }
    checks
}

async fn look_at_database(mut settings: PostgresSettings) -> Check {
    let about = format!("database {}", settings.place());
    settings.patience = settings.patience.min(PATIENCE);
    let (schema, wanted) = (settings.schema.clone(), settings.connections_most());
    match Postgres::visit(settings).await {
        Ok(visit) => {
            let (finding, text) = describe(&visit, &schema, wanted);
            Check::new(about, finding, text)
        }
        Err(error) => Check::new(about, Finding::Error, root_cause(error)),
    }
}

fn describe(visit: &Visit, schema: &str, wanted: usize) -> (Finding, String) {
    let (version, took) = (&visit.version, milliseconds(visit.round_trip));
    let answers = format!("PostgreSQL {version} answers in {took}");
    let found = match visit.schema {
        SchemaFound::Missing => format!("the first start makes the schema `{schema}`"),
        SchemaFound::Older => format!("the next start brings the schema `{schema}` up to date"),
        SchemaFound::Current => format!("the schema `{schema}` is up to date"),
        SchemaFound::Forbidden => {
            let text = format!(
                "{answers}; this user may not make the schema `{schema}`: make it for them (CREATE \
                 SCHEMA {schema} AUTHORIZATION ...), or grant CREATE on the database"
            );
            return (Finding::Error, text);
        }
    };
    if visit.round_trip > ROUND_TRIP_MAX {
        let text =
            format!("{answers}, and {found}; it is far away: each flush takes a few of those");
        return (Finding::Note, text);
    }
    let most = visit.connections_max;
    if wanted as u64 * 2 > most {
        let (wanted, most) = (count(wanted as u64), count(most));
        let text = format!(
            "{answers}, and {found}; each process has up to {wanted} connections of the server's \
             {most}: lower `postgres.connections_max`, or raise `max_connections` there"
        );
        return (Finding::Note, text);
    }
    (Finding::Ok, format!("{answers}, and {found}"))
}

async fn look_at_bucket(settings: &BucketSettings) -> Vec<Check> {
    let about = format!("bucket {}", settings.place());
    let blobs = match Blobs::bucket(settings) {
        Ok(blobs) => blobs,
        Err(error) => return vec![Check::new(about, Finding::Error, error.to_string())],
    };
    let began = Instant::now();
    let probed = tokio::time::timeout(PATIENCE, blobs.probe()).await;
    let took = milliseconds(began.elapsed());
    let kept = match probed {
        Ok(Ok(())) => format!("an object was written and deleted in {took}"),
        Ok(Err(error)) => {
            let text = format!("{}; {ADVICE}", root_cause(error));
            return vec![Check::new(about, Finding::Error, text)];
        }
        Err(_) => {
            let text = format!("kept no object within {took}; {ADVICE}");
            return vec![Check::new(about, Finding::Error, text)];
        }
    };
    let (finding, text) = match settings.lost_uploads().await {
        LostUploads::Ended => (Finding::Ok, "it ends what nobody completed".to_owned()),
        LostUploads::Kept => (
            Finding::Note,
            "no rule ends uploads that nobody completed, whose parts no listing shows: give it one \
             with AbortIncompleteMultipartUpload"
                .to_owned(),
        ),
        LostUploads::Unknown(why) => (
            Finding::Note,
            format!(
                "whether a rule ends uploads that nobody completed cannot be seen ({why}); it should \
                 have one with AbortIncompleteMultipartUpload"
            ),
        ),
    };
    vec![
        Check::new(about.clone(), Finding::Ok, kept),
        Check::new(about, finding, text).at("uploads"),
    ]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// What is behind an error, in a line: the errors before it repeat it, or say what is known anyway.
fn root_cause(error: impl Error + Send + Sync + 'static) -> String {
    let error = anyhow::Error::new(error);
    let text = error.root_cause().to_string();
    text.lines().collect::<Vec<_>>().join(" ")
}
