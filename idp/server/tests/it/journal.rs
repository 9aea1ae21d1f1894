//! What was acknowledged before a crash is in the journal, and the store is not opened without it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use idp_core::store::Store as _;
use idp_core::upkeep::sweep;
use idp_server::store::{EmbeddedStore, JournalError, OpenError, Options};
use idp_token::time::UnixSeconds;
use tempfile::TempDir;

use crate::world::{
    OPTIONS, carry_out, contents, create_tenant, generation, key_in, new_user, open, raise,
};

/// So that everything stays where it was written.
const UNFILED: Options = Options {
    journal_half_bytes: 16 * 1024 * 1024,
    file_after: Duration::from_secs(3600),
    ..OPTIONS
};

pub(crate) fn open_unfiled(folder: &Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(&folder.join("store"), &key_in(folder), UNFILED)
}

/// What a crash at this moment would leave.
pub(crate) fn left_by(store_in: &Path) -> TempDir {
    let left = tempfile::tempdir().unwrap();
    copy(store_in, left.path(), &["store", "store.journal", "key"]);
    left
}

fn copy(from: &Path, to: &Path, names: &[&str]) {
    for name in names {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

async fn written() -> (TempDir, EmbeddedStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = open_unfiled(folder.path()).unwrap();
    create_tenant(&store, "bank").await;
    for number in 0..5 {
        carry_out(&store, &new_user(number)).await.unwrap();
        raise(&store, "bank").await.unwrap();
    }
    (folder, store)
}

fn journal_error(folder: &Path) -> JournalError {
    match open_unfiled(folder) {
        Err(OpenError::Journal(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_store_that_was_left_open_is_as_it_was_and_goes_on() {
    let (folder, store) = written().await;
    let left = left_by(folder.path());
    let again = open(left.path());
    assert_eq!(again.moment().unwrap(), store.moment().unwrap());
    assert_eq!(contents(&again).await, contents(&store).await);
    raise(&again, "bank").await.unwrap();
    let twice = left_by(left.path());
    drop(again);
    for folder in [left.path(), twice.path()] {
        assert_eq!(generation(&open(folder), "bank").await, 6);
    }
}

/// The process was killed again and again before anything could be filed.
#[tokio::test]
async fn a_half_that_holds_what_is_not_filed_is_not_written_over() {
    let (folder, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let small = Options {
        journal_half_bytes: 0,
        ..UNFILED
    };
    let open_small =
        |folder: &Path| EmbeddedStore::open(&folder.join("store"), &key_in(folder), small).unwrap();
    let store = open_small(folder.path());
    create_tenant(&store, "bank").await;
    copy(folder.path(), left.path(), &["store", "key"]);
    // There is room for no second frame in a half.
    let raised = raise(&store, "bank").await.unwrap();
    copy(folder.path(), left.path(), &["store.journal"]);

    let again = open_small(left.path());
    assert_eq!(raise(&again, "bank").await.unwrap(), raised + 1);
    let once_more = left_by(left.path());
    assert_eq!(
        generation(&open(once_more.path()), "bank").await,
        raised + 1
    );
}

/// As that of a use that is older than what is known.
#[tokio::test]
async fn a_transaction_that_comes_to_nothing_leaves_no_gap() {
    let (folder, store) = written().await;
    let before = store.moment().unwrap();
    store.commit(sweep(&[], UnixSeconds(0))).await.unwrap();
    assert_eq!(store.moment().unwrap(), before);
    raise(&store, "bank").await.unwrap();
    let left = left_by(folder.path());
    assert_eq!(generation(&open(left.path()), "bank").await, 6);
}

#[tokio::test]
async fn an_orderly_end_leaves_one_file() {
    let (folder, store) = written().await;
    let held = contents(&store).await;
    drop(store);
    assert!(!folder.path().join("store.journal").exists());
    assert_eq!(contents(&open_unfiled(folder.path()).unwrap()).await, held);
}

#[tokio::test]
async fn a_store_is_not_opened_without_the_journal_that_it_was_left_with() {
    let (folder, _store) = written().await;
    let left = left_by(folder.path());
    fs::remove_file(left.path().join("store.journal")).unwrap();
    let refused = journal_error(left.path());
    assert!(matches!(refused, JournalError::Missing), "{refused:?}");

    let (other, _other_store) = written().await;
    fs::copy(
        other.path().join("store.journal"),
        left.path().join("store.journal"),
    )
    .unwrap();
    let refused = journal_error(left.path());
    assert!(matches!(refused, JournalError::Foreign), "{refused:?}");
}

#[tokio::test]
async fn a_backup_cares_for_no_journal_that_lies_beside_it() {
    let (folder, store) = written().await;
    let backup = tempfile::tempdir().unwrap();
    let moment = store.backup(&backup.path().join("store")).await.unwrap();
    raise(&store, "bank").await.unwrap();
    for name in ["store.journal", "key"] {
        fs::copy(folder.path().join(name), backup.path().join(name)).unwrap();
    }
    let restored = open_unfiled(backup.path()).unwrap();
    assert_eq!(restored.moment().unwrap(), moment);
    raise(&restored, "bank").await.unwrap();
    let left = left_by(backup.path());
    assert_eq!(generation(&open(left.path()), "bank").await, 6);
}
