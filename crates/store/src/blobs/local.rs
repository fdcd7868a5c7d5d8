//! Blobs as files of a folder: `object_store`'s driver, and what it leaves to its user.
//!
//! The driver stages a blob beside its place, keeps its bytes, renames it, and keeps its entry. Here
//! the folders above it are kept first ([`Folders`]), deleted blobs take empty folders with them, and
//! the work is done where the [`Blocking`] says: the driver by itself hops to the runtime's pool.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use futures_util::{FutureExt as _, TryFutureExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::folders::{Folders, Held};
use crate::blocking::Blocking;

#[derive(Clone)]
pub(super) struct Local {
    driver: Arc<LocalFileSystem>,
    folders: Arc<Folders>,
    blocking: Blocking,
}

impl Local {
    pub(super) fn new(driver: LocalFileSystem, folders: Arc<Folders>, blocking: Blocking) -> Self {
        Self {
            driver: Arc::new(driver),
            folders,
            blocking,
        }
    }

    fn file(&self, location: &ObjectPath) -> PathBuf {
        self.folders.root().join(location.as_ref())
    }

    /// Holds the folder of a blob, which is there for good then.
    async fn hold(&self, location: &ObjectPath) -> Result<Held> {
        let (held, is_kept) = self.folders.hold(&self.file(location));
        if is_kept {
            return Ok(held);
        }
        let keep = move || held.keep().map(|()| held);
        self.blocking.run(keep).await.flatten().map_err(generic)
    }

    /// Does what the driver would do on the runtime's pool.
    async fn drive<T: Send>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let done = self.blocking.drive(work).await;
        done.unwrap_or_else(|error| Err(generic(error)))
    }
}

fn generic(source: io::Error) -> Error {
    Error::Generic {
        store: "LocalFileSystem",
        source: Box::new(source),
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("driver", &self.driver)
            .field("blocking", &self.blocking)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.driver.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Local {
    async fn put_opts(
        &self,
        location: &ObjectPath,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let _held = self.hold(location).await?;
        self.drive(self.driver.put_opts(location, payload, opts))
            .await
    }

    async fn put_multipart_opts(
        &self,
        location: &ObjectPath,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let held = self.hold(location).await?;
        let begun = self.driver.put_multipart_opts(location, opts);
        Ok(Box::new(Upload {
            driver: Some(self.drive(begun).await?),
            blocking: self.blocking,
            _held: held,
        }))
    }

    async fn get_opts(&self, location: &ObjectPath, options: GetOptions) -> Result<GetResult> {
        self.drive(self.driver.get_opts(location, options)).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<ObjectPath>>,
    ) -> BoxStream<'static, Result<ObjectPath>> {
        let place = self.clone();
        let delete = move |location: Result<ObjectPath>| {
            let place = place.clone();
            async move {
                let location = location?;
                let (file, folders) = (place.file(&location), Arc::clone(&place.folders));
                let work = move || remove(&file).inspect(|()| folders.tidy(&file));
                let removed = place.blocking.run(work).await;
                removed.unwrap_or_else(|error| Err(generic(error)))?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.blocking == Blocking::Pool {
            return self.driver.list(prefix);
        }
        let (place, prefix) = (self.clone(), prefix.cloned());
        let all = async move {
            let listed = async { Ok(place.driver.list(prefix.as_ref()).collect().await) };
            let mut listed: Vec<Result<ObjectMeta>> = place.drive(listed).await?;
            // A folder tells its entries in an order of its own.
            listed.sort_by_key(|found| found.as_ref().ok().map(|found| found.location.clone()));
            Ok(stream::iter(listed))
        };
        all.try_flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> Result<ListResult> {
        self.drive(self.driver.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(
        &self,
        from: &ObjectPath,
        to: &ObjectPath,
        options: CopyOptions,
    ) -> Result<()> {
        let _held = self.hold(to).await?;
        self.drive(self.driver.copy_opts(from, to, options)).await
    }
}

fn remove(file: &PathBuf) -> Result<()> {
    fs::remove_file(file).map_err(|source| {
        if source.kind() != io::ErrorKind::NotFound {
            return generic(source);
        }
        Error::NotFound {
            path: file.display().to_string(),
            source: Box::new(source),
        }
    })
}

/// A blob whose bytes come one after another.
struct Upload {
    driver: Option<Box<dyn MultipartUpload>>,
    blocking: Blocking,
    _held: Held,
}

impl Upload {
    fn driver(&mut self) -> Result<&mut Box<dyn MultipartUpload>> {
        let gone = || generic(io::Error::other("the upload has ended"));
        self.driver.as_mut().ok_or_else(gone)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.driver.fmt(f)
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let blocking = self.blocking;
        let part = self.driver().map(|driver| driver.put_part(data));
        async move {
            let done = blocking.drive(part?).await;
            done.unwrap_or_else(|error| Err(generic(error)))
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let blocking = self.blocking;
        let completed = blocking.drive(self.driver()?.complete()).await;
        completed.unwrap_or_else(|error| Err(generic(error)))
    }

    async fn abort(&mut self) -> Result<()> {
        let blocking = self.blocking;
        let aborted = blocking.drive(self.driver()?.abort()).await;
        aborted.unwrap_or_else(|error| Err(generic(error)))
    }
}

impl Drop for Upload {
    /// An upload that is given up deletes its staging file.
    fn drop(&mut self) {
        let driver = self.driver.take();
        // The blob is lost either way; what stays behind is swept at the next start.
        let _ = self.blocking.apart(move || drop(driver));
    }
}
