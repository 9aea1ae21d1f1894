use std::time::Duration;

use idp_core::client::Lifetimes;
use idp_core::store::Kind;
use idp_server::store::{EmbeddedStore, Sweep, Swept};
use idp_token::time::UnixSeconds;

use crate::machine::{ask, provider, set_up};
use crate::world::{KINDS, NOW, open, scan};

/// More than two pages.
const SESSIONS: usize = 600;

async fn sweep(store: &EmbeddedStore, now: UnixSeconds) -> Vec<usize> {
    let mut sweep = Sweep::default();
    let mut removed = Vec::new();
    loop {
        match sweep.step(store, now).await.expect("a step") {
            Swept::Page(count) => removed.push(count),
            Swept::All => return removed,
        }
    }
}

async fn count(store: &EmbeddedStore, kind: Kind) -> usize {
    scan(store, kind).await.len()
}

#[tokio::test]
async fn what_is_over_is_removed_page_by_page_and_what_lives_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let provider = provider();
    set_up(&store, &provider).await;
    for _ in 0..SESSIONS {
        ask(&store, &provider, NOW).await.unwrap();
    }
    let later = NOW
        .after(Lifetimes::MACHINE.absolute)
        .after(Duration::from_secs(60));
    for _ in 0..3 {
        ask(&store, &provider, later).await.unwrap();
    }
    assert_eq!(sweep(&store, NOW).await.iter().sum::<usize>(), 0);
    assert_eq!(count(&store, Kind::Session).await, SESSIONS + 3);

    let removed = sweep(&store, later).await;
    assert!(removed.iter().all(|count| *count <= 256), "{removed:?}");
    assert!(removed.iter().sum::<usize>() >= 2 * SESSIONS, "{removed:?}");
    for kind in [Kind::Session, Kind::SessionOf] {
        assert_eq!(count(&store, kind).await, 3, "{kind:?}");
    }
    for kind in KINDS {
        assert!(count(&store, kind).await <= 3, "{kind:?}");
    }
    assert_eq!(count(&store, Kind::Client).await, 1);
}
