use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use idp_server::SecretFileError;
use idp_server::store::{EmbeddedStore, KeyError, KeySource, OpenError, SealingKey};

use crate::world::{OPTIONS, generation, key_in, open, raise};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

fn refusal(folder: &Path, key: &KeySource) -> OpenError {
    EmbeddedStore::open(&folder.join("store"), key, OPTIONS).expect_err("a refusal")
}

#[tokio::test]
async fn the_files_of_a_new_store_are_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("made/on/the/way");
    let key = KeySource::File(folder.path().join("key"));
    let store = EmbeddedStore::open(&inner.join("store"), &key, OPTIONS).unwrap();
    raise(&store, "bank").await.unwrap();
    assert_eq!(mode(&inner), 0o700);
    assert_eq!(mode(&inner.join("store")), 0o600);
    assert_eq!(mode(&inner.join("store.journal")), 0o600);
    assert_eq!(mode(&folder.path().join("key")), 0o600);
}

#[tokio::test]
async fn a_store_is_open_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let refused = refusal(folder.path(), &key_in(folder.path()));
    assert!(matches!(refused, OpenError::Locked), "{refused:?}");
    raise(&store, "bank").await.unwrap();
    drop(store);
    assert_eq!(generation(&open(folder.path()), "bank").await, 1);
}

#[tokio::test]
async fn another_key_is_refused_when_the_store_is_opened_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    raise(&store, "bank").await.unwrap();
    drop(store);

    let other = KeySource::Key(SealingKey::parse(&"5a".repeat(32)).unwrap());
    let refused = refusal(folder.path(), &other);
    assert!(matches!(refused, OpenError::WrongKey), "{refused:?}");

    let key_file = folder.path().join("key");
    let kept = folder.path().join("kept");
    fs::rename(&key_file, &kept).unwrap();
    let refused = refusal(folder.path(), &key_in(folder.path()));
    assert!(
        matches!(
            refused,
            OpenError::Key(KeyError::File(SecretFileError::Missing { .. }))
        ),
        "{refused:?}"
    );
    assert!(!key_file.exists(), "no new key for an old store");

    fs::rename(&kept, &key_file).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = refusal(folder.path(), &key_in(folder.path()));
    assert!(
        matches!(
            refused,
            OpenError::Key(KeyError::File(SecretFileError::Exposed { .. }))
        ),
        "{refused:?}"
    );

    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(generation(&open(folder.path()), "bank").await, 1);
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    for text in ["not a database", &"not a database".repeat(1000)] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("store"), text).unwrap();
        let refused = refusal(folder.path(), &key_in(folder.path()));
        assert!(matches!(refused, OpenError::Database(_)), "{refused:?}");
    }
}
