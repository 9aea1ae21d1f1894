//! What came of keys, and what it means for whoever makes an answer of it.

use std::sync::Arc;
use std::time::Instant;

use composer_core::cause::Cause;
use composer_core::compose;
use composer_core::freshness::Reuse;
use composer_core::status::Tally;

use super::Brought;
use crate::cache::{Age, Entry, Origin};

/// What came of a key.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// It was known.
    Known(Arc<Entry>),
    /// It was known, is old, and is asked for anew behind this request's back.
    Refreshing(Arc<Entry>),
    Fetched(Arc<Entry>),
    /// It is old, and could not be asked for anew.
    Stale(Arc<Entry>, Cause),
    Failed(Cause),
}

/// What came of all keys.
#[derive(Debug)]
pub(crate) struct Looked {
    /// In the order of the keys.
    pub(crate) found: Vec<compose::Found>,
    /// What it means for whoever keeps the whole.
    pub(crate) reuse: Reuse,
    pub(crate) tally: Tally,
}

/// The same while it is looked for, and what it cost so far.
#[derive(Debug, Default)]
pub(super) struct Looking {
    pub(super) found: Vec<Found>,
    pub(super) calls: usize,
}

impl Found {
    /// What it means for whoever keeps the whole.
    pub(crate) fn reuse(&self, now: Instant) -> Reuse {
        match self {
            Self::Known(entry) | Self::Fetched(entry) | Self::Refreshing(entry) => entry.reuse(now),
            Self::Stale(..) | Self::Failed(_) => Reuse::NEVER,
        }
    }

    pub(crate) fn count(&self, tally: &mut Tally) {
        let counter = match self {
            Self::Known(_) => &mut tally.hits,
            Self::Refreshing(_) | Self::Stale(..) => &mut tally.stale,
            Self::Fetched(entry) => match entry.origin {
                Origin::Fetched => &mut tally.fetched,
                Origin::Renewed => &mut tally.unchanged,
                Origin::SecondLevel => &mut tally.second_level,
            },
            Self::Failed(_) => &mut tally.failed,
        };
        *counter += 1;
    }

    /// Whether a single call was made for it.
    pub(crate) fn cost_a_call(&self) -> bool {
        match self {
            Self::Known(_) | Self::Refreshing(_) => false,
            Self::Fetched(_) => true,
            Self::Stale(_, cause) | Self::Failed(cause) => {
                !matches!(cause, Cause::Calls | Cause::Deadline | Cause::Unavailable)
            }
        }
    }

    pub(crate) fn into_record(self) -> compose::Found {
        match self {
            Self::Known(entry) | Self::Refreshing(entry) | Self::Fetched(entry) => {
                record_of(&entry)
            }
            Self::Stale(entry, cause) => match entry.record.clone() {
                Some(record) => compose::Found::Stale(record, cause),
                None => compose::Found::Absent,
            },
            Self::Failed(cause) => compose::Found::Failed(cause),
        }
    }
}

pub(super) fn record_of(entry: &Entry) -> compose::Found {
    match entry.record.clone() {
        Some(record) => compose::Found::Record(record),
        None => compose::Found::Absent,
    }
}

impl Looking {
    pub(super) fn end(self, now: Instant) -> Looked {
        let mut tally = Tally {
            calls: self.calls as u64,
            ..Tally::default()
        };
        let mut reuse = Reuse::default();
        for found in &self.found {
            found.count(&mut tally);
            reuse = reuse.with(found.reuse(now));
        }
        let found = self.found.into_iter().map(Found::into_record);
        Looked {
            found: found.collect(),
            reuse,
            tally,
        }
    }

    pub(super) fn put(
        &mut self,
        place: usize,
        brought: Brought,
        held: &[Option<Arc<Entry>>],
        now: Instant,
    ) {
        let held = held.get(place).and_then(Option::as_ref);
        if let Some(found) = self.found.get_mut(place) {
            *found = match brought {
                Ok(entry) => Found::Fetched(entry),
                Err(cause) => without(held, cause, now),
            };
        }
    }
}

/// What there is of a key that could not be asked for.
pub(crate) fn without(held: Option<&Arc<Entry>>, cause: Cause, now: Instant) -> Found {
    match held.map(|entry| (entry, entry.age(now))) {
        Some((entry, Age::Fresh | Age::Refreshable | Age::Stale)) => {
            Found::Stale(Arc::clone(entry), cause)
        }
        Some((_, Age::Dead)) | None => Found::Failed(cause),
    }
}
