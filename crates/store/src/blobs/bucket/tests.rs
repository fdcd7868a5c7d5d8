use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use overnight_core::segment::BlobKey;
use overnight_testkit::fault::{Fault, FaultProxy};
use overnight_testkit::rogue::{Move, Rogue};
use overnight_testkit::s3;

use super::*;
use crate::blobs::BlobError;
use crate::conformance::block_on;

fn settings(url: &str) -> std::result::Result<BucketSettings, BadBucket> {
    let secret = ("AWS_SECRET_ACCESS_KEY".to_owned(), "hidden".to_owned());
    BucketSettings::from_url(url, [secret])
}

#[test]
fn a_place_has_a_kind_a_bucket_and_maybe_a_prefix() {
    for (url, place) in [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("gs://bucket/a", "gs://bucket/a"),
        ("az://container", "az://container"),
    ] {
        let settings = settings(url).unwrap();
        assert_eq!(settings.place(), place);
        assert!(!format!("{settings:?}").contains("hidden"));
    }
}

#[test]
fn what_is_no_place_is_refused_without_telling_secrets() {
    for (url, says) in [
        ("bucket", "s3://BUCKET/PREFIX"),
        ("http://bucket", "s3://BUCKET/PREFIX"),
        ("s3:///a", "names no bucket"),
        ("s3://id:secret@bucket/a", "AWS_ACCESS_KEY_ID"),
        ("s3://bucket/a//b", "prefix"),
    ] {
        let refusal = settings(url).unwrap_err().to_string();
        assert!(refusal.contains(says), "{refusal}");
        assert!(!refusal.contains("secret"), "{refusal}");
    }
}

#[test]
fn each_kind_is_made_of_its_own_variables() {
    let made = |url, variables: &[(&str, &str)]| {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Blobs::bucket(&BucketSettings::from_url(url, variables).unwrap())
    };
    made(
        "s3://b/p",
        &[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")],
    )
    .unwrap();
    made("gs://b", &[("GOOGLE_SKIP_SIGNATURE", "true")]).unwrap();
    let key = ("AZURE_STORAGE_ACCOUNT_KEY", "a2V5");
    made("az://c", &[("AZURE_STORAGE_ACCOUNT_NAME", "a"), key]).unwrap();
    let refused = made("az://c", &[("AWS_ACCESS_KEY_ID", "a")]).unwrap_err();
    assert!(refused.to_string().contains("az://c"), "{refused}");
}

/// A store that answers everything with that status and those bytes.
async fn answering(status: &'static str, body: &'static str) -> Rogue {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
    let answer = Bytes::from(answer);
    let manners = move |_: &_| vec![Move::Send(answer.clone())];
    Rogue::start(manners).await.unwrap()
}

#[test]
fn what_ends_uploads_that_nobody_completed_is_looked_up() {
    const RULES: &str = "<LifecycleConfiguration><Rule><Status>Enabled</Status>\
         <AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation>\
         </AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>";
    let server = s3::Shared::find().unwrap();
    block_on(async {
        let at = |address| {
            let settings = BucketSettings::from_url("s3://overnight/a", s3::variables(address));
            settings.unwrap()
        };
        for (status, body, found) in [
            ("200 OK", RULES, LostUploads::Ended),
            ("200 OK", "<LifecycleConfiguration/>", LostUploads::Kept),
            ("404 Not Found", "<Error/>", LostUploads::Kept),
        ] {
            let store = answering(status, body).await;
            assert_eq!(at(store.address()).lost_uploads().await, found, "{body}");
        }
        let store = answering("403 Forbidden", "").await;
        let found = at(store.address()).lost_uploads().await;
        assert!(
            matches!(&found, LostUploads::Unknown(why) if why.contains("403")),
            "{found:?}"
        );
        // A real one believes the signature, and has no rules.
        let found = at(server.address()).lost_uploads().await;
        assert_eq!(found, LostUploads::Kept);
        let found = settings("az://container").unwrap().lost_uploads().await;
        assert_eq!(found, LostUploads::Ended);
    });
}

#[test]
fn a_probe_tells_whether_anything_can_be_kept_and_leaves_nothing() {
    let server = s3::Shared::find().unwrap();
    block_on(async {
        let proxy = FaultProxy::start(server.address()).await.unwrap();
        let blobs = blobs_at(proxy.address(), &server.url());
        blobs.probe().await.unwrap();
        let left: Vec<_> = blobs.list_all().try_collect().await.unwrap();
        assert_eq!(left, []);
        proxy.disturb(Fault::Reset);
        let probed = blobs.probe().await;
        assert!(
            matches!(probed, Err(BlobError::Unavailable(_))),
            "{probed:?}"
        );
    });
}

fn blobs_at(address: std::net::SocketAddr, url: &str) -> Blobs {
    let settings = BucketSettings::from_url(url, s3::variables(address)).unwrap();
    Blobs::bucket(&settings).unwrap()
}

#[test]
fn a_prefix_belongs_to_one_of_all_who_ask_and_to_nobody_once_it_has_blobs() {
    let server = s3::Shared::find().unwrap();
    block_on(async {
        let url = server.url();
        let blobs = blobs_at(server.address(), &url);
        let names: Vec<String> = (0..8)
            .map(|number| format!("installation-{number}"))
            .collect();
        let asked = join_all(names.iter().map(|name| blobs.belongs_to(name))).await;
        let got: Vec<bool> = asked.into_iter().map(Result::unwrap).collect();
        assert_eq!(got.iter().filter(|got| **got).count(), 1, "{got:?}");
        for (name, got) in names.iter().zip(got) {
            assert_eq!(
                blobs.belongs_to(name).await.unwrap(),
                got,
                "{name} asks again"
            );
        }

        let taken = blobs_at(server.address(), &server.url());
        let key = BlobKey::from("files/a");
        taken
            .put(&key, vec![Bytes::from_static(b"a")])
            .await
            .unwrap();
        assert!(!taken.belongs_to("anybody").await.unwrap());
        assert_eq!(taken.read(&key, 0..1).await.unwrap(), "a");
    });
}

#[test]
fn what_the_bucket_refuses_is_unavailable_with_its_reason() {
    let server = s3::Shared::find().unwrap();
    block_on(async {
        let key = BlobKey::from("files/a");
        let mut variables = s3::variables(server.address());
        for (name, value) in &mut variables {
            if name == "AWS_SECRET_ACCESS_KEY" {
                "another".clone_into(value);
            }
        }
        let stranger = BucketSettings::from_url(&server.url(), variables).unwrap();
        let stranger = Blobs::bucket(&stranger).unwrap();
        let put = stranger.put(&key, vec![Bytes::from_static(b"a")]);
        let refused = put.await.unwrap_err();
        assert!(matches!(refused, BlobError::Unavailable(_)), "{refused:?}");
        let why = std::error::Error::source(&refused).unwrap().to_string();
        assert!(why.contains("SignatureDoesNotMatch"), "{why}");
    });
}

#[test]
fn connections_that_are_lost_cost_no_blob() {
    let server = s3::Shared::find().unwrap();
    block_on(async {
        let proxy = FaultProxy::start(server.address()).await.unwrap();
        let blobs = blobs_at(proxy.address(), &server.url());
        let bytes = Bytes::from(vec![7; 20 << 20]);
        for fault in [Fault::Reset, Fault::HalfClose] {
            let mut upload = blobs.upload(&"files/a".into());
            upload.write(bytes.clone()).await.unwrap();
            proxy.disturb(fault);
            let well_again = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                proxy.disturb(Fault::None);
            };
            let other = BlobKey::from("files/b");
            let put = blobs.put(&other, vec![bytes.slice(..1000)]);
            let (finished, put, ()) = tokio::join!(upload.finish(), put, well_again);
            blobs.verify(&finished.unwrap()).await.unwrap();
            blobs.verify(&put.unwrap()).await.unwrap();
        }
    });
}

#[test]
fn a_part_whose_connection_is_lost_in_its_middle_is_sent_again() {
    let server = s3::Shared::find().unwrap();
    block_on(async {
        let proxy = FaultProxy::start(server.address()).await.unwrap();
        let blobs = blobs_at(proxy.address(), &server.url());
        let part = Bytes::from(vec![7; 8 << 20]);
        for fault in [Fault::Reset, Fault::HalfClose, Fault::Busy] {
            let mut upload = blobs.upload(&"files/a".into());
            upload.write(part.clone()).await.unwrap();
            let (before, connections) = (proxy.sent(), proxy.connections());
            let lost = async {
                while proxy.sent() < before + (1 << 20) {
                    tokio::task::yield_now().await;
                }
                proxy.disturb(fault);
                let sent = proxy.sent() - before;
                assert!(sent < part.len() as u64, "the part was there already");
                // Until it is tried again, which fails as well.
                while proxy.connections() == connections {
                    tokio::task::yield_now().await;
                }
                proxy.disturb(Fault::None);
            };
            let (second, ()) = tokio::join!(upload.write(part.clone()), lost);
            second.unwrap();
            upload.write(part.clone()).await.unwrap();
            let sent = proxy.sent() - before;
            assert!(sent > (2 * part.len() + (1 << 20)) as u64, "{sent} bytes");
            let whole = upload.finish().await.unwrap();
            assert_eq!(whole.length, 3 * part.len() as u64);
            blobs.verify(&whole).await.unwrap();
        }
    });
}
