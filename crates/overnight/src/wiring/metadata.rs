//! Where the metadata is kept: in the data folder, or in a PostgreSQL database that the folder belongs
//! to.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
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

/// Takes the data folder, and opens the metadata in it or in the database that is set: then other
/// processes on that database have the folder as well.
pub(crate) async fn open(settings: &Settings) -> anyhow::Result<(DataFolder, Metadata)> {
    let path = &settings.data;
    let refused = |error: FolderError| no_folder(path, &error);
    match &settings.store {
        None => {
            let folder = DataFolder::lock(path).map_err(refused)?;
            let metadata = Metadata::Sqlite(in_folder(&folder).await?);
            Ok((folder, metadata))
        }
        Some(url) => {
            let folder = DataFolder::share(path).map_err(refused)?;
            let postgres = on_server(&folder, url.settings(&settings.postgres)?).await?;
            Ok((folder, Metadata::Postgres(postgres)))
        }
    }
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
    let unusable = || format!("the database {place} cannot be used");
    let postgres = Postgres::open(settings).await.with_context(unusable)?;
    let wanted = postgres.installation().await.with_context(unusable)?;
    let is_own = data.belongs_to(&wanted);
    if is_own.with_context(|| format!("{shown} cannot be used"))? {
        return Ok(postgres);
    }
    bail!(
        "{shown} holds what another database than {place} names: a sweep would delete it. Name that \
         database with `--store`, or another folder with `--data`"
    )
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
    /// The blobs that the metadata names, in the data folder.
    pub(crate) fn blobs(&self, data: &DataFolder) -> anyhow::Result<Blobs> {
        let folder = data.blobs();
        let blobs = match self {
            Self::Sqlite(_) => Blobs::folder(&folder),
            Self::Postgres(_) => Blobs::shared_folder(&folder),
        };
        blobs.with_context(|| format!("the folder {} cannot be used", folder.display()))
    }

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

    /// Passes on what other processes hint at, until the caller stops waiting.
    pub(crate) async fn pass_on_hints(&self, wake: Wake) {
        match self {
            Self::Sqlite(_) => std::future::pending().await,
            Self::Postgres(store) => store.pass_on_hints(wake).await,
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
