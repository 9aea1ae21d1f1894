use std::fs;
use std::path::Path;

use aws_lc_rs::signature::Ed25519KeyPair;
use idp_core::keyring::{self, KeySecret, Material, PrivateKey};
use idp_core::record::PasswordHash;
use idp_core::store::{Key, Kind, Store as _};
use idp_token::time::UnixSeconds;
use idp_token::value::Algorithm;
use zeroize::Zeroizing;

use crate::world::{carry_out, create_tenant, new_user, open, scan, view_of};

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
    let journal = folder.path().join("store.journal");
    assert!(holds(&journal, b"user-1"), "it is not yet filed");
    assert!(!holds(&journal, b"password-hash-of-"));
    drop(store);

    for path in [folder.path().join("store"), backup] {
        assert!(holds(&path, b"user-1"), "names are keys, and lie open");
        assert!(!holds(&path, b"password-hash-of-"), "{}", path.display());
        let key = fs::read(folder.path().join("key")).unwrap();
        assert!(!holds(&path, key.trim_ascii()), "nor does the key");
    }
}

fn private_key(seed: [u8; 32]) -> PrivateKey {
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("as the test needs it");
    let der = pair
        .to_pkcs8()
        .expect("as the test needs it")
        .as_ref()
        .to_vec();
    PrivateKey::new(Algorithm::EdDsa, Zeroizing::new(der)).expect("as the test needs it")
}

#[tokio::test]
async fn no_key_of_the_keyring_lies_open_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let secrets = [
        *b"signing key of thirty-two bytes!",
        *b"another signing key of thirtytwo",
    ];
    let shared = *b"a secret of thirty-two bytes too";
    let material = Material {
        signing: private_key(secrets[0]),
        next: private_key(secrets[1]),
        filter: KeySecret::new(shared),
        refresh: KeySecret::new(shared),
        client_secrets: KeySecret::new(shared),
        dummy_password: PasswordHash("password-hash-of-nobody".to_owned()),
        partition: 0,
    };
    let view = view_of(&store, Key::Keyring).await;
    let begun = keyring::begin(&view, &material, UnixSeconds(1)).unwrap();
    store.commit(begun.transaction).await.unwrap();
    let found = scan(&store, Kind::Keyring).await;
    assert_eq!(found.len(), 1);
    let plain = found.into_iter().next().unwrap().record.encode();
    drop(store);

    for secret in [secrets[0], secrets[1], shared] {
        assert!(plain.windows(32).any(|window| window == secret));
        assert!(!holds(&folder.path().join("store"), &secret));
    }
    assert!(!holds(&folder.path().join("store"), b"password-hash-of-"));
}
