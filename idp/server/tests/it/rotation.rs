//! Do keys take over from each other without being told to?

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use hyper::Method;
use idp_core::keyring::{self, KeySecret, Material, PrivateKey, rotate_filter};
use idp_core::record::PasswordHash;
use idp_server::store::{EmbeddedStore, KeySource};
use idp_token::time::UnixSeconds;
use idp_token::value::Algorithm;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::gateway::in_time;
use crate::server::{Server, Wishes};
use crate::world::{OPTIONS, decide};

/// As often as the schedule of a file without one.
const EVERY: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const MINUTE: Duration = Duration::from_secs(60);

fn private_key() -> PrivateKey {
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let der = Zeroizing::new(der.unwrap().as_ref().to_vec());
    PrivateKey::new(Algorithm::Es256, der).unwrap()
}

fn material() -> Material {
    Material {
        signing: private_key(),
        next: private_key(),
        filter: KeySecret::new([1; 32]),
        refresh: KeySecret::new([2; 32]),
        client_secrets: KeySecret::new([3; 32]),
        dummy_password: PasswordHash("of nobody".to_owned()),
        partition: 0,
    }
}

fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    u64::try_from(now.tv_sec).unwrap()
}

/// A provider whose keys were made at that time. Its next filter key was announced ten minutes
/// before it tags, which it does a month after that.
async fn start_with_keys_of(began: u64) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let key = KeySource::File(folder.path().join("idp.key"));
    let store = EmbeddedStore::open(&folder.path().join("idp.redb"), &key, OPTIONS).unwrap();
    let material = material();
    let made = |view: &_| keyring::begin(view, &material, UnixSeconds(began));
    decide(&store, made).await.unwrap();
    let announced = UnixSeconds(began + EVERY.as_secs() - 600);
    let fresh = KeySecret::new([4; 32]);
    let announce = |view: &_| rotate_filter(view, &fresh, None, announced);
    decide(&store, announce).await.unwrap().unwrap();
    drop(store);
    Server::start_in(folder, Wishes::default()).await
}

async fn shown(server: &Server) -> Value {
    server
        .admin(Method::GET, "/admin/keys", Value::Null)
        .await
        .json()
}

async fn until_rotated(server: &Server, before: &Value) -> Value {
    let rotating = async {
        loop {
            let now = shown(server).await;
            if now["signing"] != before["signing"] && now["filter_key"] != before["filter_key"] {
                return now;
            }
            tokio::task::yield_now().await;
        }
    };
    in_time("other keys", rotating).await
}

/// Nobody ordered it.
async fn rotated_by_themselves(server: &Server, count: usize) {
    for event in ["keys_signing_rotated", "keys_filter_rotated"] {
        let lines = server.audited(event, count).await;
        assert!(lines.iter().all(|line| line.get("actor").is_none()));
    }
}

/// The task looks when the process starts, and once a minute then. The minute is skipped: nothing
/// is under way meanwhile.
#[tokio::test]
async fn keys_take_over_on_schedule_at_the_first_look_after_they_are_due() {
    // Due in three seconds, so that the first look finds nothing to do.
    let server = start_with_keys_of(now() - EVERY.as_secs() + 3).await;
    let before = shown(&server).await;
    let due = before["next_is_due_at"].as_u64().unwrap();
    rotated_by_themselves(&server, 0).await;
    let becoming_due = async {
        while now() < due {
            shown(&server).await;
        }
    };
    in_time("the time", becoming_due).await;
    assert_eq!(shown(&server).await, before);

    tokio::time::pause();
    tokio::time::advance(MINUTE).await;
    tokio::time::resume();
    let after = until_rotated(&server, &before).await;
    assert!(after["signs_since"].as_u64().unwrap() >= due);
    assert_eq!(after["retired"], 1);
    assert_eq!(after["other_filter_key"], "still taken");
    rotated_by_themselves(&server, 1).await;
    // What signs now was published before.
    let published = server.get("/jwks", &[]).await.json();
    assert_eq!(published["keys"].as_array().unwrap().len(), 3);
    let token = server.token().await;
    assert_eq!(server.record(&token).await.client_id, "robot");
}

#[tokio::test]
async fn keys_that_fell_due_while_nothing_ran_take_over_at_the_start() {
    let server = start_with_keys_of(now() - EVERY.as_secs() - 5).await;
    rotated_by_themselves(&server, 1).await;
    assert_eq!(shown(&server).await["retired"], 1);
}
