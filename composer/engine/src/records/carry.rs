//! A batch is carried out: what another composer knows needs no call, the rest is fetched.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Brought, Records, failed};
use crate::queue::{Batch, Landed};
use crate::scope::{SharedKey, Slot};
use crate::second_level::{Seen, Share, Sighting};
use crate::spawn::spawn;
use composer_core::cause::Cause;

/// Counts the calls that are made, where there may be none.
pub(super) type Made = Option<Arc<AtomicUsize>>;

impl Records {
    /// Carries batches out, whoever waits for them or does not any more.
    pub(super) fn begin(self: &Arc<Self>, batches: Vec<Batch<Brought>>, made: &Made) {
        for batch in batches {
            let records = Arc::clone(self);
            let made = made.clone();
            spawn("composer batch", async move {
                records.carry_out(batch, made).await;
            });
        }
    }

    async fn carry_out(self: Arc<Self>, batch: Batch<Brought>, made: Made) {
        let slots: Vec<_> = batch.parts.iter().map(|part| &part.slot).collect();
        let (brought, seen) = match &self.share {
            Some(share) => self.fetch_behind(share, &slots, &batch, made).await,
            None => {
                let credential = batch.credential.as_ref();
                let brought = self.fetch(&slots, credential, batch.deadline).await;
                (brought, HashMap::new())
            }
        };
        let brought = brought.into_iter().map(Some).collect();
        let mut fetched = Vec::new();
        let next = self
            .queue
            .land(batch, brought, |slot, generation, brought| {
                if let (Ok(entry), Some(cache)) = (brought, self.cache()) {
                    cache.keep(slot, generation, entry);
                    if self.share.is_some()
                        && let Some(key) = slot.shared()
                    {
                        fetched.push((key, Arc::clone(entry)));
                    }
                }
            });
        if let Some(share) = &self.share {
            share.store(fetched, seen);
        }
        self.begin(next, &None);
    }

    /// Looks for all keys in the second level, and fetches those that are not there. What lay in
    /// their places comes back too.
    async fn fetch_behind(
        &self,
        share: &Share,
        slots: &[&Slot],
        batch: &Batch<Brought>,
        made: Made,
    ) -> (Vec<Landed<Brought>>, HashMap<SharedKey, Seen>) {
        let keys = slots.iter().map(|slot| {
            let held = self.held(slot).map(|entry| entry.known);
            Some((slot.shared()?, held))
        });
        let keys: Vec<_> = keys.collect::<Option<_>>().unwrap_or_default();
        let mut sightings = share.find(&keys, batch.deadline).await.into_iter();
        let mut seen = HashMap::new();
        let mut brought = Vec::with_capacity(slots.len());
        let mut missing = Vec::new();
        for (place, slot) in slots.iter().enumerate() {
            brought.push(match sightings.next() {
                Some(Sighting::Known(entry)) => Landed {
                    value: Ok(entry),
                    is_shareable: true,
                },
                unknown => {
                    if let Some(Sighting::Unknown(Some(found))) = unknown
                        && let Some((key, _)) = keys.get(place)
                    {
                        seen.insert(key.clone(), found);
                    }
                    missing.push((place, *slot));
                    failed(Cause::Internal)
                }
            });
        }
        if !missing.is_empty() {
            if let Some(made) = made {
                made.fetch_add(1, Ordering::Relaxed);
            }
            let asked: Vec<_> = missing.iter().map(|(_, slot)| *slot).collect();
            let credential = batch.credential.as_ref();
            let fetched = self.fetch(&asked, credential, batch.deadline).await;
            for ((place, _), fetched) in missing.into_iter().zip(fetched) {
                if let Some(slot) = brought.get_mut(place) {
                    *slot = fetched;
                }
            }
        }
        (brought, seen)
    }
}
