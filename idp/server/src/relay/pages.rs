//! The log as gateways ask for it: what comes after the place where they stand, however old it is.

use std::time::Duration;

use idp_core::record::Published;
use idp_core::store::{Key, Kind, Range, Store, StoreError};
use idp_token::epoch::Seq;
use idp_token::log::{After, LINES_MAX};
use tokio::time::timeout;

use super::look::as_published;
use super::tail::{Found, Tail};

/// How long somebody waits for an entry. There is a beat long before, unless the relay is silent.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What there is, or what there will be.
pub(crate) async fn read<S: Store>(
    tail: &Tail,
    store: &S,
    after: After,
) -> Result<String, StoreError> {
    match timeout(WAIT_MAX, wait(tail, after)).await {
        Ok(Found::Page(page)) => Ok(page),
        Ok(Found::Older) => read_old(tail, store, after).await,
        Ok(Found::Nothing) | Err(_) => Ok(tail.empty_page()),
    }
}

async fn wait(tail: &Tail, after: After) -> Found {
    let mut reached = tail.watch();
    loop {
        reached.mark_unchanged();
        let found = tail.page(after);
        let is_over = !matches!(found, Found::Nothing);
        if is_over || reached.changed().await.is_err() {
            return found;
        }
    }
}

async fn read_old<S: Store>(tail: &Tail, store: &S, after: After) -> Result<String, StoreError> {
    let kept = published(store, after.seq, LINES_MAX - 1).await?;
    match kept.first() {
        // What was swept meanwhile is missing, and the page says so.
        Some(first) if first.seq > after.seq.next() => tail.forget_before(first.seq),
        Some(_) => {}
        None => tail.forget_before(tail.seq().next()),
    }
    Ok(tail.old_page(&kept))
}

/// Changes after this one, as they are kept.
pub(super) async fn published<S: Store>(
    store: &S,
    after: Seq,
    limit: usize,
) -> Result<Vec<Published>, StoreError> {
    let from = Key::Published(after);
    let range = Range::of(Kind::Published);
    let kept = store.scan(&range, Some(&from), limit).await?;
    let records = kept.into_iter().map(|stored| stored.record);
    Ok(records.filter_map(as_published).collect())
}
