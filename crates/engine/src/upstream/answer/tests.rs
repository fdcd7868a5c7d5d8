use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use tempfile::TempDir;

use super::*;

/// A budget of `memory_bytes` and a folder for its spool files.
fn budget(memory_bytes: u64) -> (AnswerBudget, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let limits = AnswerLimits {
        memory_bytes,
        ..AnswerLimits::new(folder.path().to_owned())
    };
    (AnswerBudget::new(limits), folder)
}

/// Bytes that are different at every place for a long way.
fn noise(length: usize) -> Bytes {
    (0..length)
        .map(|at| u8::try_from(at * 31 % 251).unwrap())
        .collect()
}

async fn gather(budget: &AnswerBudget, body: &Bytes, step: usize) -> AnswerBody {
    let mut gathering = Gathering::new(budget.clone(), u64::MAX);
    for piece in body.chunks(step) {
        gathering.push(body.slice_ref(piece)).await.unwrap();
    }
    gathering.finish().await.unwrap()
}

async fn read(body: AnswerBody) -> Bytes {
    let length = body.len();
    let bytes: BytesMut = body
        .into_pieces()
        .try_collect::<Vec<_>>()
        .await
        .unwrap()
        .concat()[..]
        .into();
    assert_eq!(bytes.len() as u64, length);
    bytes.freeze()
}

#[tokio::test]
async fn one_small_piece_is_kept_without_a_copy() {
    let (budget, _folder) = budget(0);
    let sent = noise(FREE_BYTES);
    let body = gather(&budget, &sent, FREE_BYTES).await;
    assert_eq!(body.small().unwrap().as_ptr(), sent.as_ptr());
    assert_eq!(body.len(), FREE_BYTES as u64);
}

#[tokio::test]
async fn small_pieces_come_together_in_one() {
    let (budget, _folder) = budget(0);
    let sent = noise(FREE_BYTES);
    let body = gather(&budget, &sent, 1000).await;
    assert_eq!(body.small(), Some(&sent[..]));
    assert_eq!(read(body).await, sent);
}

#[tokio::test]
async fn a_large_answer_takes_from_the_budget_and_gives_back() {
    let (budget, _folder) = budget(1 << 20);
    let sent = noise(5 * FREE_BYTES + 1);
    for step in [777, FREE_BYTES, sent.len()] {
        let body = gather(&budget, &sent, step).await;
        assert_eq!(budget.left(), (1 << 20) - 5 * FREE_BYTES as u64);
        assert_eq!(body.small(), None);
        assert_eq!(read(body).await, sent);
        assert_eq!(budget.left(), 1 << 20);
    }
}

#[tokio::test]
async fn without_budget_an_answer_goes_on_in_a_file_and_holds_nothing() {
    let (budget, folder) = budget(2 * FREE_BYTES as u64);
    let sent = noise(9 * FREE_BYTES + 5);
    for step in [999, FREE_BYTES, sent.len()] {
        let body = gather(&budget, &sent, step).await;
        assert_eq!(budget.left(), 2 * FREE_BYTES as u64);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "it is unlinked"
        );
        assert_eq!(read(body).await, sent);
    }
}

#[tokio::test]
async fn an_answer_of_known_length_gets_its_budget_at_its_beginning_or_never() {
    let whole = 3 * FREE_BYTES as u64;
    let (budget, _folder) = budget(whole);
    let sent = noise(4 * FREE_BYTES);
    let expecting =
        || Gathering::new(budget.clone(), u64::MAX).expecting(Some(4 * FREE_BYTES as u64));
    let (mut first, mut second) = (expecting(), expecting());
    first.push(sent.slice(..=FREE_BYTES)).await.unwrap();
    assert_eq!(budget.left(), 0, "all that it is going to need");
    second.push(sent.slice(..=FREE_BYTES)).await.unwrap();
    for gathering in [&mut first, &mut second] {
        gathering.push(sent.slice(FREE_BYTES + 1..)).await.unwrap();
    }
    assert_eq!(read(first.finish().await.unwrap()).await, sent);
    assert_eq!(budget.left(), whole, "the second holds nothing");
    assert_eq!(read(second.finish().await.unwrap()).await, sent);
}

#[tokio::test]
async fn an_answer_may_be_as_large_as_the_bound_and_not_larger() {
    let (budget, _folder) = budget(0);
    let mut gathering = Gathering::new(budget.clone(), 10);
    gathering.push(noise(10)).await.unwrap();
    let refused = gathering.push(noise(1)).await;
    assert!(matches!(refused, Err(GatherError::TooLarge)));
}

#[tokio::test]
async fn a_missing_spool_folder_is_an_error() {
    let (budget, folder) = budget(0);
    folder.close().unwrap();
    let mut gathering = Gathering::new(budget, u64::MAX);
    let refused = gathering.push(noise(FREE_BYTES + 1)).await;
    assert!(matches!(refused, Err(GatherError::Spool(_))));
}

#[tokio::test]
async fn an_empty_body_has_no_pieces() {
    assert_eq!(AnswerBody::empty().piece(0).await.unwrap(), None);
    assert!(AnswerBody::empty().is_empty());
    assert_eq!(read(AnswerBody::from(noise(3))).await, noise(3));
}
