//! Removes what nobody asks for any more, a page at a time.
//!
//! A sweep is a walk over all kinds that are ever forgotten. Each step reads one page and commits
//! what of it may go; between steps everybody else has their turn. Whoever runs it sets the pace.

use idp_core::record::Record;
use idp_core::store::{CommitError, Key, Kind, Range, Store, StoreError};
use idp_core::upkeep;
use idp_token::time::UnixSeconds;

const PAGE: usize = 256;

#[derive(Debug, Default)]
pub struct Sweep {
    kind: usize,
    after: Option<Key>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// So many were removed, and there is more to look at.
    Page(usize),
    /// All was looked at. The next step begins anew.
    All,
}

impl Sweep {
    /// Looks at one page.
    pub async fn step<S: Store>(
        &mut self,
        store: &S,
        now: UnixSeconds,
    ) -> Result<Swept, StoreError> {
        let Some(kind) = Kind::FORGOTTEN.get(self.kind) else {
            *self = Self::default();
            return Ok(Swept::All);
        };
        let page = store
            .scan(&Range::of(*kind), self.after.as_ref(), PAGE)
            .await?;
        let sweep = upkeep::sweep(&page, now);
        let count = sweep.writes().len();
        let removed = match commit(store, sweep).await {
            Ok(()) => count,
            // Somebody wrote one of these: the next sweep sees them again.
            Err(CommitError::Conflict) => 0,
            Err(CommitError::Store(error)) => return Err(error),
        };
        self.after = page.last().map(|last| Record::key(&last.record));
        if self.after.is_none() {
            self.kind += 1;
        }
        Ok(Swept::Page(removed))
    }
}

async fn commit<S: Store>(
    store: &S,
    sweep: idp_core::store::Transaction,
) -> Result<(), CommitError> {
    if sweep.is_empty() {
        return Ok(());
    }
    store.commit(sweep).await
}
