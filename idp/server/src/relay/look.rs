//! One look at the outbox: what is there, and which numbers does it get?

use std::sync::Arc;
use std::time::Duration;

use idp_core::decision::Decision;
use idp_core::record::{Published, Record};
use idp_core::relay::{ROWS_MAX, publish};
use idp_core::store::{CommitError, Key, Kind, Range, Store as _, StoreError, Stored};
use idp_token::epoch::Seq;

use crate::clock;
use crate::desk::{Unanswerable, run};
use crate::store::{EmbeddedStore, Snapshot};

/// What a look has led to.
#[derive(Debug)]
pub(super) struct Looked {
    /// Changes after the one that was known, in order.
    pub(super) published: Vec<Published>,
    /// Whether nothing was left in the outbox.
    pub(super) saw_all: bool,
    /// How long the oldest of them had waited.
    pub(super) age: Duration,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error(transparent)]
    Unanswerable(#[from] Unanswerable),
    /// There is one relay to a store, so that nobody else should be there.
    #[error("somebody else numbered what was in the outbox")]
    Overtaken,
}

struct Glance {
    missed: Vec<Published>,
    numbered: Decision<Vec<Published>>,
    saw_all: bool,
    age: Duration,
}

/// Numbers what is in the outbox. `known` is the last change in the log: what was numbered after
/// it, by a commit that seemed to fail, is found again.
pub(super) async fn look(store: &EmbeddedStore, known: Seq) -> Result<Looked, LookError> {
    let glance = store.ask(move |snapshot| glance(snapshot, known));
    let glance = glance.await.map_err(Unanswerable::from)?;
    let glance = glance.ok_or(Unanswerable::Endless)?;
    if !glance.numbered.transaction.is_empty() {
        match store.commit(glance.numbered.transaction).await {
            Ok(()) => {}
            Err(CommitError::Conflict) => return Err(LookError::Overtaken),
            Err(CommitError::Store(error)) => return Err(Unanswerable::from(error).into()),
        }
    }
    let mut published = glance.missed;
    published.extend(glance.numbered.answer);
    Ok(Looked {
        published,
        saw_all: glance.saw_all,
        age: glance.age,
    })
}

fn glance(snapshot: &Arc<Snapshot>, known: Seq) -> Result<Option<Glance>, StoreError> {
    let rows = snapshot.outbox(ROWS_MAX)?;
    let now = clock::now();
    let numbered = run(snapshot, |view| publish(view, &rows, now))?;
    let missed = missed(snapshot, known)?;
    let oldest = rows.first().map_or(now, |row| row.change.at);
    Ok(numbered.map(|numbered| Glance {
        missed,
        numbered,
        saw_all: rows.len() < ROWS_MAX,
        age: now.since(oldest),
    }))
}

/// At most what one commit numbers, since only the last one can have seemed to fail.
fn missed(snapshot: &Snapshot, known: Seq) -> Result<Vec<Published>, StoreError> {
    let last = last_published(snapshot)?;
    let keys: Vec<_> = (known.next().0..=last.0)
        .map(|seq| Key::Published(Seq(seq)))
        .collect();
    let found = snapshot.read(&keys)?;
    let found = found.into_iter().flatten().map(Arc::unwrap_or_clone);
    Ok(found.filter_map(|it| as_published(it.record)).collect())
}

pub(super) fn as_published(record: Record) -> Option<Published> {
    if let Record::Published(published) = record {
        Some(published)
    } else {
        None
    }
}

/// The last change that has a number.
pub(super) async fn published(store: &EmbeddedStore) -> Result<Seq, StoreError> {
    store.ask(|snapshot| last_published(snapshot)).await
}

/// The number that the newest of all changes has, or will have once it is numbered: numbers are
/// given in the order of the outbox.
pub(crate) async fn promised(store: &EmbeddedStore) -> Result<Seq, StoreError> {
    let asked = store.ask(|snapshot| {
        let rows = snapshot.outbox_rows()?;
        Ok(Seq(last_published(snapshot)?.0.saturating_add(rows)))
    });
    asked.await
}

/// The first change that is kept, the next one if none is, and the last one.
pub(super) async fn kept(store: &EmbeddedStore) -> Result<(Seq, Seq), StoreError> {
    let asked = store.ask(|snapshot| {
        let last = last_published(snapshot)?;
        let oldest = snapshot.scan(&Range::of(Kind::Published), None, 1)?.pop();
        let oldest = oldest.and_then(|stored| as_published(stored.record));
        Ok((oldest.map_or(last.next(), |oldest| oldest.seq), last))
    });
    asked.await
}

fn last_published(snapshot: &Snapshot) -> Result<Seq, StoreError> {
    let found = snapshot.read(&[Key::Relay])?.pop().flatten();
    Ok(match found.as_deref() {
        Some(Stored {
            record: Record::Relay(relay),
            ..
        }) => relay.seq,
        _ => Seq::NONE,
    })
}

#[cfg(test)]
mod tests {
    use idp_core::id::TenantId;
    use idp_core::store::contract::write_tenant;
    use idp_core::view::View;

    use super::*;
    use crate::store::{KeySource, Options};

    /// Sets a tenant to these generations, each of which but the first is a change.
    async fn change(store: &EmbeddedStore, generations: impl IntoIterator<Item = u64>) {
        for generation in generations {
            let keys = vec![Key::Tenant(TenantId::parse("bank").unwrap())];
            let stored = store.read(&keys).await.unwrap();
            let mut view = View::default();
            view.add(keys, stored);
            let written = write_tenant(&view, "bank", generation);
            store.commit(written).await.unwrap();
        }
    }

    fn seqs(looked: &Looked) -> Vec<u64> {
        looked.published.iter().map(|it| it.seq.0).collect()
    }

    #[tokio::test]
    async fn rows_get_the_numbers_that_were_promised_and_what_was_missed_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            disk_free_bytes_min: 0,
            ..Options::default()
        };
        let key = KeySource::File(folder.path().join("key"));
        let store = EmbeddedStore::open(&folder.path().join("store"), &key, options).unwrap();
        change(&store, 1..=4).await;
        assert_eq!(published(&store).await.unwrap(), Seq(0));
        assert_eq!(promised(&store).await.unwrap(), Seq(3));

        let looked = look(&store, Seq(0)).await.unwrap();
        assert_eq!(seqs(&looked), [1, 2, 3]);
        assert!(looked.saw_all);
        assert_eq!(published(&store).await.unwrap(), Seq(3));
        assert_eq!(promised(&store).await.unwrap(), Seq(3));
        assert_eq!(kept(&store).await.unwrap(), (Seq(1), Seq(3)));

        // As if nobody had been told that the last commit was done.
        change(&store, [5]).await;
        assert_eq!(promised(&store).await.unwrap(), Seq(4));
        assert_eq!(seqs(&look(&store, Seq(1)).await.unwrap()), [2, 3, 4]);
        assert_eq!(seqs(&look(&store, Seq(4)).await.unwrap()), [0; 0]);
    }
}
