//! A place for blobs that fails on purpose, for tests of crashes.
//!
//! A blob of more than one piece fails when it is begun; the pieces themselves do not.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, Extensions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result, UploadPart,
};
use overnight_core::segment::{BlobKey, Extent};
use tokio::time::Instant;

use super::mount::Mount;
use super::{BlobError, Blobs};
use crate::blocking::Blocking;
use crate::faulty::{Call, Fault, Plan, carry_out};

impl Blobs {
    /// The same blobs, reached through verbs of which a plan says how they go wrong: `put`,
    /// `begin`, `get`, `delete` and `list`, and of mounted files `append` and `truncate`.
    #[must_use]
    pub fn with_faults(mut self, plan: impl Plan) -> Self {
        let place = Arc::new(Place {
            inner: self.durable,
            plan: Box::new(plan),
            calls: AtomicU64::new(0),
            lies: Mutex::default(),
        });
        self.faults = Some(Faults(Arc::clone(&place)));
        self.durable = Arc::new(Faulty(place));
        // One counter and one plan for both; what is relaxed is the promise, not the place.
        self.relaxed = Arc::clone(&self.durable);
        self
    }
}

/// A blob of which its writer was told that it is there.
type Lie = (Instant, ObjectPath, PutPayload);

/// How verbs on mounted files go wrong.
#[derive(Clone)]
pub(super) struct Faults(Arc<Place>);

impl Faults {
    /// Appends to a mounted file, or not; half of the bytes when the process dies of it.
    pub(super) async fn append(
        &self,
        (mount, blocking): (&Arc<Mount>, Blocking),
        key: &BlobKey,
        parts: &[Bytes],
    ) -> super::Result<Extent> {
        let place = &*self.0;
        let call = place.number("append", key.as_str());
        let fault = place.plan.fault(&call);
        if fault == Fault::Tear {
            let whole = Bytes::from(parts.concat());
            let half = whole.slice(..whole.len() / 2);
            mount.append(blocking, key, vec![half]).await?;
        }
        let append = mount.append(blocking, key, parts.to_vec());
        carry_out(fault, &*place.plan, &call, (unavailable, append)).await
    }

    /// Does another verb on a mounted file, or not.
    pub(super) async fn other<T>(
        &self,
        (verb, key): (&'static str, &BlobKey),
        pass_on: impl Future<Output = super::Result<T>> + Send,
    ) -> super::Result<T> {
        let place = &*self.0;
        let call = place.number(verb, key.as_str());
        let fault = place.plan.fault(&call);
        carry_out(fault, &*place.plan, &call, (unavailable, pass_on)).await
    }
}

fn unavailable() -> BlobError {
    BlobError::Unavailable("it was made to fail".into())
}

/// Shared with the streams that it answers with.
struct Faulty(Arc<Place>);

/// A blob that comes in pieces. Nobody tidies up behind a process that is dead.
struct Upload {
    inner: Option<Box<dyn MultipartUpload>>,
    place: Arc<Place>,
}

impl Upload {
    fn inner(&mut self) -> Result<&mut Box<dyn MultipartUpload>> {
        self.inner.as_mut().ok_or_else(failed)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.inner().map(|inner| inner.put_part(data));
        async move { part?.await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.inner()?.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner()?.abort().await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.place.plan.is_dead() {
            std::mem::forget(self.inner.take());
        }
    }
}

struct Place {
    inner: Arc<dyn ObjectStore>,
    plan: Box<dyn Plan>,
    calls: AtomicU64,
    lies: Mutex<Vec<Lie>>,
}

impl Place {
    async fn call<T>(
        &self,
        verb: &'static str,
        blob: &str,
        pass_on: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.make_good().await?;
        let call = self.number(verb, blob);
        let fault = self.plan.fault(&call);
        carry_out(fault, &*self.plan, &call, (failed, pass_on)).await
    }

    fn number<'a>(&self, verb: &'static str, blob: &'a str) -> Call<'a> {
        Call {
            verb,
            number: self.calls.fetch_add(1, Ordering::Relaxed),
            blob: Some(blob),
            segment: None,
        }
    }

    /// Puts the blobs whose time has come.
    async fn make_good(&self) -> Result<()> {
        let now = Instant::now();
        let due: Vec<Lie> = {
            let mut lies = self.lies.lock().unwrap_or_else(PoisonError::into_inner);
            let (due, later) = lies.drain(..).partition(|(due, ..)| *due <= now);
            *lies = later;
            due
        };
        for (_, location, payload) in due {
            let options = PutOptions::default();
            self.inner.put_opts(&location, payload, options).await?;
        }
        Ok(())
    }

    /// Writes half of a blob beside its place, and leaves it there.
    async fn tear(&self, location: &ObjectPath, payload: PutPayload) -> Result<PutResult> {
        let options = PutMultipartOptions::default();
        let mut upload = self.inner.put_multipart_opts(location, options).await?;
        let whole = Bytes::from(payload);
        let half = PutPayload::from_bytes(whole.slice(..whole.len() / 2));
        upload.put_part(half).await?;
        std::mem::forget(upload);
        std::future::pending().await
    }

    fn lie(&self, pause: Duration, location: &ObjectPath, payload: PutPayload) -> PutResult {
        let lie = (Instant::now() + pause, location.clone(), payload);
        let mut lies = self.lies.lock().unwrap_or_else(PoisonError::into_inner);
        lies.push(lie);
        PutResult {
            e_tag: None,
            version: None,
            extensions: Extensions::default(),
        }
    }
}

fn failed() -> object_store::Error {
    object_store::Error::Generic {
        store: "faulty",
        source: "it was made to fail".into(),
    }
}

/// As a disk has it that fails.
fn lost() -> object_store::Error {
    let device = rustix::io::Errno::IO.raw_os_error();
    object_store::Error::Generic {
        store: "faulty",
        source: std::io::Error::from_raw_os_error(device).into(),
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty")
            .field("inner", &self.0.inner)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.0.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &ObjectPath,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let place = &*self.0;
        place.make_good().await?;
        let call = place.number("put", location.as_ref());
        let fault = place.plan.fault(&call);
        if fault == Fault::Tear {
            return place.tear(location, payload).await;
        }
        let put = async {
            if let Fault::Lie(pause) = fault {
                return Ok(place.lie(pause, location, payload));
            }
            place.inner.put_opts(location, payload, opts).await
        };
        let error = if fault == Fault::Lose { lost } else { failed };
        carry_out(fault, &*place.plan, &call, (error, put)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &ObjectPath,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let begun = async {
            let inner = self.0.inner.put_multipart_opts(location, opts).await?;
            let (inner, place) = (Some(inner), Arc::clone(&self.0));
            Ok(Box::new(Upload { inner, place }) as Box<dyn MultipartUpload>)
        };
        self.0.call("begin", location.as_ref(), begun).await
    }

    async fn get_opts(&self, location: &ObjectPath, options: GetOptions) -> Result<GetResult> {
        let place = &*self.0;
        place.make_good().await?;
        let call = place.number("get", location.as_ref());
        let fault = place.plan.fault(&call);
        let got = place.inner.get_opts(location, options);
        let error = if fault == Fault::Lose { lost } else { failed };
        carry_out(fault, &*place.plan, &call, (error, got)).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<ObjectPath>>,
    ) -> BoxStream<'static, Result<ObjectPath>> {
        let place = Arc::clone(&self.0);
        let delete = move |location: Result<ObjectPath>| {
            let place = Arc::clone(&place);
            async move {
                let location = location?;
                let deleted = place.inner.delete(&location);
                place.call("delete", location.as_ref(), deleted).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (place, prefix) = (Arc::clone(&self.0), prefix.cloned());
        let listed = async move {
            let name = prefix.as_ref().map_or("", ObjectPath::as_ref);
            let pass_on = async { Ok(place.inner.list(prefix.as_ref())) };
            place.call("list", name, pass_on).await
        };
        stream::once(listed).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> Result<ListResult> {
        let name = prefix.map_or("", ObjectPath::as_ref);
        let listed = self.0.inner.list_with_delimiter(prefix);
        self.0.call("list", name, listed).await
    }

    async fn copy_opts(
        &self,
        from: &ObjectPath,
        to: &ObjectPath,
        options: CopyOptions,
    ) -> Result<()> {
        self.0.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::block_on;

    const KEY: &str = "segments/b/1/0";

    /// Puts a blob, its first call going wrong in that way; what the writer is told, and whether the
    /// blob is there.
    fn put(fault: Fault) -> (crate::blobs::Result<()>, bool) {
        let place = Blobs::memory();
        let plan = move |_: &str, number| if number == 0 { fault } else { Fault::None };
        let faulty = place.clone().with_faults(plan);
        block_on(async {
            let key = BlobKey::from(KEY);
            let put = faulty.put(&key, vec![Bytes::from_static(b"bytes")]);
            let told = put.await.map(drop);
            (told, place.length(&key).await.is_ok())
        })
    }

    #[test]
    fn a_put_goes_wrong_as_planned() {
        assert!(matches!(put(Fault::None), (Ok(()), true)));
        let unavailable = |told| matches!(told, Err(BlobError::Unavailable(_)));
        let (told, is_there) = put(Fault::Fail);
        assert!(unavailable(told) && !is_there);
        let (told, is_there) = put(Fault::DoThenFail);
        assert!(unavailable(told) && is_there);
        let lost = put(Fault::Lose);
        assert!(matches!(lost, (Err(BlobError::NotDurable(_)), false)));
    }

    #[test]
    fn a_lie_is_made_good_later() {
        assert!(matches!(
            put(Fault::Lie(Duration::from_mins(1))),
            (Ok(()), false)
        ));
        let place = Blobs::memory();
        let plan = |verb: &str, _| match verb {
            "put" => Fault::Lie(Duration::ZERO),
            _ => Fault::None,
        };
        let faulty = place.clone().with_faults(plan);
        block_on(async {
            let key = BlobKey::from(KEY);
            faulty
                .put(&key, vec![Bytes::from_static(b"bytes")])
                .await
                .unwrap();
            assert!(place.length(&key).await.is_err());
            assert_eq!(faulty.length(&key).await.unwrap(), 5);
        });
    }
}
