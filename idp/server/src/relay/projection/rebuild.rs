//! Writes everything anew: what must be forgotten of whom, from the records of the database.

use idp_core::record::Record;
use idp_core::store::{Key, Kind, Range, Store as _};
use idp_token::epoch::Seq;
use idp_token::projection::{Epoch, FILL_MAX, clear, fill, finish};

use super::Trouble;
use super::server::Link;
use crate::relay::look;
use crate::relay::tail::spell_target;
use crate::store::EmbeddedStore;
use crate::{clock, random};

/// Returns the change as of which Redis is complete.
pub(super) async fn rebuild(store: &EmbeddedStore, link: &mut Link) -> Result<Seq, Trouble> {
    let by = u64::from_be_bytes(random::bytes()?);
    link.call(&clear(by)).await?;
    // Before any epoch is read: one that is newer is only too strict.
    let position = look::published(store).await?;
    let mut after: Option<Key> = None;
    loop {
        let range = Range::of(Kind::Epoch);
        let page = store.scan(&range, after.as_ref(), FILL_MAX).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.record.key());
        let epochs: Vec<_> = page
            .into_iter()
            .filter_map(|stored| epoch(stored.record))
            .collect();
        check(link.call(&fill(by, &epochs)).await?)?;
    }
    check(link.call(&finish(by, position)).await?)?;
    Ok(position)
}

/// Of a target without tokens nobody will ask.
fn epoch(record: Record) -> Option<Epoch> {
    let Record::Epoch(epoch) = record else {
        return None;
    };
    let is_over = epoch.ends_at.is_some_and(|at| at <= clock::now());
    (!is_over).then(|| Epoch {
        target: spell_target(&epoch.target),
        seq: epoch.seq,
        until: epoch.ends_at,
    })
}

const fn check(is_done: bool) -> Result<(), Trouble> {
    if is_done {
        Ok(())
    } else {
        Err(Trouble::Contested)
    }
}
