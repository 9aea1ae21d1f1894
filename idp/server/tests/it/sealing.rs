use std::fs;
use std::path::Path;

use idp_core::store::Kind;

use crate::world::{carry_out, create_tenant, new_user, open, scan};

fn holds(path: &Path, text: &[u8]) -> bool {
    let bytes = fs::read(path).expect("a file");
    bytes.windows(text.len()).any(|window| window == text)
}

#[tokio::test]
async fn no_password_hash_lies_open_in_the_file_or_in_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    create_tenant(&store, "bank").await;
    carry_out(&store, &new_user(1)).await.unwrap();
    let backup = folder.path().join("backup");
    store.backup(&backup).await.unwrap();
    assert_eq!(scan(&store, Kind::User).await.len(), 1);
    drop(store);

    for path in [folder.path().join("store"), backup] {
        assert!(holds(&path, b"user-1"), "names are keys, and lie open");
        assert!(!holds(&path, b"password-hash-of-"), "{}", path.display());
        let key = fs::read(folder.path().join("key")).unwrap();
        assert!(!holds(&path, key.trim_ascii()), "nor does the key");
    }
}
