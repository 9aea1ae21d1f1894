use std::sync::Arc;

use idp_core::store::contract::{write_tenant, write_tenants};
use idp_core::store::{CommitError, Key, Store as _, StoreError, Transaction, Write};
use idp_core::view::View;
use idp_server::store::{EmbeddedStore, Options, Refused};
use tokio::task::JoinSet;

use crate::journal::{left_by, open_unfiled};
use crate::world::{OPTIONS, generation, key_in, open, raise, tenant, view_of};

/// Of the memory that holds what is not filed.
const PIECE_BYTES: usize = 64 * 1024;
/// Of the largest transaction.
const TRANSACTION_BYTES_MAX: usize = 256 * 1024;

fn refused(outcome: Result<(), CommitError>) -> Option<Refused> {
    match outcome {
        Err(CommitError::Store(StoreError::Unavailable(why))) => {
            why.downcast_ref::<Refused>().cloned()
        }
        _ => None,
    }
}

#[tokio::test]
async fn in_a_group_a_conflict_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    raise(&store, "raced").await.unwrap();
    let raced = view_of(&store, Key::Tenant(tenant("raced"))).await;
    let mut running = JoinSet::new();
    let store = Arc::new(store);
    for number in 0..64_u64 {
        let store = Arc::clone(&store);
        let own = format!("own-{number}");
        let transaction = if number % 2 == 0 {
            write_tenant(&raced, "raced", 100 + number)
        } else {
            let view = view_of(store.as_ref(), Key::Tenant(tenant(&own))).await;
            write_tenant(&view, &own, 7)
        };
        running.spawn(async move { (number, store.commit(transaction).await) });
    }
    let outcomes = running.join_all().await;
    let winners: Vec<_> = outcomes
        .iter()
        .filter(|(number, outcome)| number % 2 == 0 && outcome.is_ok())
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert_eq!(generation(store.as_ref(), "raced").await, 100 + winners[0]);
    for number in (1..64).step_by(2) {
        assert_eq!(
            generation(store.as_ref(), &format!("own-{number}")).await,
            7
        );
    }
}

/// On one thread the futures are all made before the writer is waited for, so that the queue fills.
#[tokio::test]
async fn who_finds_the_queue_full_is_told_at_once_and_has_written_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    let mut running = JoinSet::new();
    for number in 0..5000_u64 {
        let store = Arc::clone(&store);
        running.spawn(async move {
            let name = format!("t{number}");
            let transaction = write_tenant(&View::default(), &name, 1);
            (name, store.commit(transaction).await)
        });
    }
    let mut busy = 0;
    for (name, outcome) in running.join_all().await {
        let is_done = outcome.is_ok();
        if !is_done {
            assert!(matches!(refused(outcome), Some(Refused::Busy)));
            busy += 1;
        }
        assert_eq!(generation(store.as_ref(), &name).await, u64::from(is_done));
    }
    assert!(busy > 0, "the queue has an end");
}

#[tokio::test]
async fn with_the_disk_nearly_full_nothing_is_written_and_reading_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    raise(&store, "bank").await.unwrap();
    drop(store);

    let options = Options {
        disk_free_bytes_min: u64::MAX,
        ..OPTIONS
    };
    let path = folder.path().join("store");
    let store = EmbeddedStore::open(&path, &key_in(folder.path()), options).unwrap();
    let view = view_of(&store, Key::Tenant(tenant("bank"))).await;
    let outcome = store.commit(write_tenant(&view, "bank", 2)).await;
    assert!(matches!(refused(outcome), Some(Refused::Full { .. })));
    assert_eq!(generation(&store, "bank").await, 1);
    drop(store);
    assert_eq!(generation(&open(folder.path()), "bank").await, 1);
}

/// Some leave more than a piece of the memory that holds what is not filed, and one too much.
#[tokio::test]
async fn a_transaction_is_kept_whole_up_to_the_largest_and_is_refused_past_it() {
    let own = bytes_of(&write_tenants(["0".repeat(60).as_str()], 7));
    let cases = [
        (PIECE_BYTES / own, true),
        (PIECE_BYTES / own + 1, true),
        (TRANSACTION_BYTES_MAX / own, true),
        (TRANSACTION_BYTES_MAX / own + 1, false),
    ];
    for (count, is_kept) in cases {
        let folder = tempfile::tempdir().unwrap();
        let store = open_unfiled(folder.path()).unwrap();
        raise(&store, "before").await.unwrap();
        let names: Vec<_> = (0..count).map(|it| format!("{it:0>60}")).collect();
        let many = write_tenants(names.iter().map(String::as_str), 7);
        let outcome = store.commit(many).await;
        assert_eq!(outcome.is_ok(), is_kept, "{count}");
        let is_told = matches!(refused(outcome), Some(Refused::Large));
        assert_eq!(is_told, !is_kept, "{count}");
        raise(&store, "after").await.unwrap();

        let left = left_by(folder.path());
        let after_a_crash = open_unfiled(left.path()).unwrap();
        check_many(&store, &names, is_kept).await;
        check_many(&after_a_crash, &names, is_kept).await;
        drop(store);
        check_many(&open(folder.path()), &names, is_kept).await;
    }
}

/// As they are spelled: each with its key and its version.
fn bytes_of(transaction: &Transaction) -> usize {
    let spelled = transaction.writes().iter().map(|write| match write {
        Write::Put(record) => record.key().encode().len() + 8 + record.encode().len(),
        Write::Remove(_) | Write::Raise(_) => panic!("it puts alone"),
    });
    spelled.sum()
}

async fn check_many(store: &EmbeddedStore, names: &[String], are_there: bool) {
    for name in names {
        assert_eq!(generation(store, name).await, if are_there { 7 } else { 0 });
    }
    for name in ["before", "after"] {
        assert_eq!(generation(store, name).await, 1, "{name}");
    }
}

#[tokio::test]
async fn what_waits_when_the_store_is_dropped_is_written_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for number in 0..50_u64 {
        let name = format!("t{number}");
        let commit = store.commit(write_tenant(&View::default(), &name, 1));
        // Sent, but not waited for.
        let mut commit = std::pin::pin!(commit);
        let sent = std::future::poll_fn(|context| {
            std::task::Poll::Ready(commit.as_mut().poll(context).is_pending())
        });
        let _ = sent.await;
    }
    drop(store);
    let store = open(folder.path());
    for number in 0..50_u64 {
        assert_eq!(generation(&store, &format!("t{number}")).await, 1);
    }
}
