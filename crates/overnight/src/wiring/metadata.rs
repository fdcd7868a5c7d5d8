//! Where everything is kept: in the data folder; or the metadata in a PostgreSQL database, and the blobs in
//! a folder or a bucket that belongs to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use overnight_core::id::WorkerId;
use overnight_store::backup::is_backup;
use overnight_store::blobs::BucketSettings;
use overnight_store::blocking::Blocking;
use overnight_store::folder::{DataFolder, FolderError};
use overnight_store::postgres::PostgresSettings;
use overnight_store::{Blobs, Postgres, Sqlite, Store, StoreError, Wake};

use crate::config::settings::Settings;

/// The metadata of a server.
pub(crate) enum Metadata {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// What a server keeps, and where.
pub(crate) struct Kept {
    pub(crate) metadata: Metadata,
    pub(crate) blobs: Blobs,
    /// The data folder, unless nothing is kept on a disk of this machine.
    pub(crate) folder: Option<Arc<DataFolder>>,
}

/// Opens the metadata and the blobs where the settings say; other processes on a database on a server have
/// both as well.
pub(crate) async fn open(
    settings: &Settings,
    environment: &BTreeMap<String, String>,
) -> anyhow::Result<Kept> {
    let path = &settings.data;
    let refused = |error: FolderError| no_folder(path, &error);
    let Some(url) = &settings.store else {
        refuse_backup(path)?;
        let folder = DataFolder::lock(path).map_err(refused)?;
        return Ok(Kept {
            metadata: Metadata::Sqlite(in_folder(&folder).await?),
            blobs: Blobs::folder(&folder.blobs()).with_context(|| unusable_blobs(&folder))?,
            folder: Some(Arc::new(folder)),
        });
    };
    let database = url.settings(&settings.postgres)?;
    if let Some(url) = &settings.blobs {
        let bucket = url.settings(environment)?;
        return in_bucket(database, &bucket).await;
    }
    refuse_backup(path)?;
    let folder = DataFolder::share(path).map_err(refused)?;
    Ok(Kept {
        metadata: Metadata::Postgres(on_server(&folder, database).await?),
        blobs: Blobs::shared_folder(&folder.blobs()).with_context(|| unusable_blobs(&folder))?,
        folder: Some(Arc::new(folder)),
    })
}

/// An installation whose database is on a server, for a command that copies or checks it.
pub(crate) struct OnServer {
    pub(crate) store: Postgres,
    pub(crate) blobs: Blobs,
    /// Where the database is, without credentials.
    pub(crate) place: String,
    /// Kept from those who would have it alone, when the blobs are in a folder.
    _folder: Option<Arc<DataFolder>>,
}

/// Opens the installation that the settings name when its database is on a server; `None` when everything is
/// in the data folder.
pub(crate) async fn on_a_server(
    settings: &Settings,
    environment: &BTreeMap<String, String>,
) -> anyhow::Result<Option<OnServer>> {
    let Some(url) = &settings.store else {
        return Ok(None);
    };
    let place = url.settings(&settings.postgres)?.place();
    let kept = open(settings, environment).await?;
    let Metadata::Postgres(store) = kept.metadata else {
        return Ok(None);
    };
    Ok(Some(OnServer {
        store,
        blobs: kept.blobs,
        place,
        _folder: kept.folder,
    }))
}

/// Refuses a backup: a server would begin an empty database beside it.
fn refuse_backup(folder: &Path) -> anyhow::Result<()> {
    if !is_backup(folder) {
        return Ok(());
    }
    let shown = folder.display();
    bail!(
        "{shown} is a backup. Bring it back with `overnight restore --from {shown} --data FOLDER`, \
         and serve that folder"
    )
}

fn unusable_blobs(folder: &DataFolder) -> String {
    format!("the folder {} cannot be used", folder.blobs().display())
}

/// Opens a database on a server, if the folder belongs to it: what a database does not name is swept
/// from its folder.
async fn on_server(data: &DataFolder, settings: PostgresSettings) -> anyhow::Result<Postgres> {
    let shown = data.path().display();
    if data.database().exists() {
        bail!(
            "{shown} has a database of its own, and would be used with another one: choose another \
             folder with `--data`, or leave `--store` out"
        );
    }
    let place = settings.place();
    let (postgres, installation) = named(settings).await?;
    let is_own = data.belongs_to(&installation);
    if is_own.with_context(|| format!("{shown} cannot be used"))? {
        return Ok(postgres);
    }
    bail!(
        "{shown} holds what another database than {place} names: a sweep would delete it. Name that \
         database with `--store`, or another folder with `--data`"
    )
}

/// The same with a bucket in the place of the folder.
async fn in_bucket(settings: PostgresSettings, bucket: &BucketSettings) -> anyhow::Result<Kept> {
    let (place, shown) = (settings.place(), bucket.place());
    let blobs = Blobs::bucket(bucket)?;
    let (postgres, installation) = named(settings).await?;
    let is_own = blobs.belongs_to(&installation).await;
    let unusable = || {
        format!(
            "{shown} cannot be used; look at its name, and at the variables of the environment that \
             tell where it is and who asks (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...)"
        )
    };
    if !is_own.with_context(unusable)? {
        bail!(
            "{shown} holds what another database than {place} names: a sweep would delete it. Name \
             that database with `--store`, or another bucket or prefix with `--blobs`"
        );
    }
    Ok(Kept {
        metadata: Metadata::Postgres(postgres),
        blobs,
        folder: None,
    })
}

/// A database on a server, and the name of its installation.
async fn named(settings: PostgresSettings) -> anyhow::Result<(Postgres, String)> {
    let place = settings.place();
    let unusable = || format!("the database {place} cannot be used");
    let postgres = Postgres::open(settings).await.with_context(unusable)?;
    let installation = postgres.installation().await.with_context(unusable)?;
    Ok((postgres, installation))
}

async fn in_folder(data: &DataFolder) -> anyhow::Result<Sqlite> {
    refuse_orphaned(data)?;
    let path = data.database();
    Blocking::Pool
        .run(move || Sqlite::open(&path, Blocking::Pool))
        .await?
        .map_err(|error| unusable(data, error))
}

impl Metadata {
    /// The metadata for the rooms.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::new(store.clone()),
            Self::Postgres(store) => Arc::new(store.clone()),
        }
    }

    /// Waits until the database turns out to be damaged so that the process should end. A database on
    /// a server is its server's to watch: verbs that find damage say so.
    pub(crate) async fn damaged(&self) -> Arc<str> {
        match self {
            Self::Sqlite(store) => store.damaged().await,
            Self::Postgres(_) => std::future::pending().await,
        }
    }

    /// Passes on what other processes hint at to that worker, until the caller stops waiting.
    pub(crate) async fn pass_on_hints(&self, worker: &WorkerId, wake: Wake) {
        match self {
            Self::Sqlite(_) => std::future::pending().await,
            Self::Postgres(store) => store.pass_on_hints(worker, wake).await,
        }
    }
}

/// Refuses a folder with blobs and without the database that names them: to an empty database they
/// would be leftovers, which a sweep deletes.
fn refuse_orphaned(data: &DataFolder) -> anyhow::Result<()> {
    if data.database().exists() || !data.has_blobs() {
        return Ok(());
    }
    bail!(
        "{} is gone, and {} still holds what it named. Restore the folder from a backup with \
         `overnight restore`, or move it away to begin anew",
        data.database().display(),
        data.blobs().display(),
    )
}

/// Why the database cannot be opened, and what to do.
fn unusable(data: &DataFolder, error: StoreError) -> anyhow::Error {
    let (database, folder) = (data.database(), data.path().display());
    let shown = database.display();
    let advice = match &error {
        StoreError::Corrupt(_) | StoreError::Contradicts(_) => format!(
            "the database {shown} is damaged. Nothing was changed. `overnight verify --data {folder}` \
             says what is wrong; restore the folder from a backup with `overnight restore`"
        ),
        StoreError::NotFound
        | StoreError::Fenced
        | StoreError::Illegal(_)
        | StoreError::Refused(_)
        | StoreError::Unavailable(_) => format!("the database {shown} cannot be used"),
    };
    anyhow::Error::new(error).context(advice)
}

/// Why the data folder cannot be used, and what to do.
fn no_folder(path: &Path, error: &FolderError) -> anyhow::Error {
    let shown = path.display();
    let advice = match error {
        FolderError::AlreadyInUse { .. } => {
            format!("{shown}: {error}; stop that one first, or choose another folder with `--data`")
        }
        FolderError::Network { .. } => {
            format!("{shown}: {error}; choose a folder on a disk of this machine with `--data`")
        }
        FolderError::Unavailable(cause) => {
            format!(
                "the data folder {shown} cannot be written: {cause}; choose another with `--data`"
            )
        }
    };
    anyhow::anyhow!(advice)
}
