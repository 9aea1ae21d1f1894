use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use idp_core::store::Kind;
use idp_server::store::{BackupError, EmbeddedStore, KeySource, OpenError, SealingKey};
use tokio::task::JoinSet;

use crate::world::{
    OPTIONS, carry_out, contents, create_tenant, generation, key_in, new_user, open, outbox, raise,
    scan,
};

#[tokio::test]
async fn a_quiet_store_and_its_backup_hold_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    create_tenant(&store, "bank").await;
    for number in 0..20 {
        carry_out(&store, &new_user(number)).await.unwrap();
        raise(&store, "bank").await.unwrap();
    }
    let to = folder.path().join("backup");
    let moment = store.backup(&to).await.unwrap();
    assert_eq!(moment, store.moment().unwrap());

    let restored = EmbeddedStore::open(&to, &key_in(folder.path()), OPTIONS).unwrap();
    assert_eq!(restored.moment().unwrap(), moment);
    let held = contents(&restored).await;
    assert_eq!(held, contents(&store).await);
    assert_eq!(
        scan(&restored, Kind::User).await.len(),
        20,
        "and can be read"
    );

    raise(&restored, "bank").await.unwrap();
    assert_ne!(contents(&restored).await, held, "and goes on by itself");
}

/// Each raise is one version and one row, so the moment says what must be there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_of_the_moment_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    create_tenant(store.as_ref(), "bank").await;
    for number in 0..200 {
        carry_out(store.as_ref(), &new_user(number)).await.unwrap();
    }
    let before = store.moment().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut writing = JoinSet::new();
    writing.spawn({
        let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
        async move {
            while !is_over.load(Ordering::Relaxed) {
                raise(store.as_ref(), "bank").await.unwrap();
            }
        }
    });
    let at_start = generation(store.as_ref(), "bank").await;
    let mut moments = Vec::new();
    for number in 0..3 {
        while generation(store.as_ref(), "bank").await < at_start + 5 * (number + 1) {
            tokio::task::yield_now().await;
        }
        let to = folder.path().join(format!("backup-{number}"));
        moments.push((store.backup(&to).await.unwrap(), to));
    }
    is_over.store(true, Ordering::Relaxed);
    writing.join_all().await;

    let last = store.moment().unwrap();
    for (moment, to) in &moments {
        let restored = EmbeddedStore::open(to, &key_in(folder.path()), OPTIONS).unwrap();
        let raised = moment.version.0 - before.version.0;
        assert_eq!(generation(&restored, "bank").await, raised);
        let rows = outbox(&restored).await;
        assert_eq!(rows.last().map(|row| row.id), Some(moment.row));
        assert_eq!(rows.len() as u64, raised);
        assert_eq!(restored.moment().unwrap(), *moment);
        assert_eq!(scan(&restored, Kind::User).await.len(), 200);
    }
    let versions: Vec<_> = moments.iter().map(|(moment, _)| moment.version).collect();
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    assert!(versions[2] < last.version, "writing went on: {versions:?}");
}

#[tokio::test]
async fn a_backup_takes_nobodys_place_and_leaves_nothing_half_done() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    raise(&store, "bank").await.unwrap();
    let to = folder.path().join("backup");
    fs::write(&to, "mine").unwrap();
    let refused = store.backup(&to).await.unwrap_err();
    assert!(matches!(refused, BackupError::Exists), "{refused:?}");
    assert_eq!(fs::read(&to).unwrap(), b"mine");

    let nowhere = folder.path().join("no/such/folder");
    let refused = store.backup(&nowhere).await.unwrap_err();
    assert!(matches!(refused, BackupError::File(_)), "{refused:?}");

    // What a copy that was broken off left behind.
    fs::remove_file(&to).unwrap();
    fs::write(folder.path().join("backup.partial"), "half").unwrap();
    store.backup(&to).await.unwrap();
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["backup", "key", "store", "store.journal"]);
}

#[tokio::test]
async fn a_stolen_backup_opens_with_the_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let to = folder.path().join("backup");
    store.backup(&to).await.unwrap();
    let other = KeySource::Key(SealingKey::parse(&"00".repeat(32)).unwrap());
    let refused = EmbeddedStore::open(&to, &other, OPTIONS).unwrap_err();
    assert!(matches!(refused, OpenError::WrongKey), "{refused:?}");
}
