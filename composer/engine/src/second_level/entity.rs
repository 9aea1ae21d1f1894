//! What lies in Redis under which name, and what a reply says of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use composer_core::Key;
use composer_core::freshness::Freshness;
use composer_core::plan::{Cache, Lookup};
use composer_core::stored::{Fingerprint, Stored, Wrong};
use http::HeaderMap;

use crate::cache::{Entry, Origin};
use crate::random;
use crate::scope::SharedKey;

/// The kind, the generation of the lookup, and what makes a place like no other.
pub(super) const HEAD_BYTES: usize = 1 + 32 + 16;
const VALUE: u8 = b'V';

/// Where the entities of one lookup lie.
#[derive(Debug, Clone)]
pub(super) struct Names {
    of: Fingerprint,
    /// Of the generation: what bears another one is void.
    pub(super) generation: String,
}

/// One question after entities, as Redis answered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// The clock of Redis, in milliseconds.
    pub(super) at: u64,
    /// In the order of the keys.
    pub(super) held: Vec<Held>,
}

/// What lies under a name, its milliseconds left, and whether something else had to go.
pub(super) type Held = (Vec<u8>, i64, bool);

/// When a question was sent and answered, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) sent: Instant,
    pub(super) answered: Instant,
    pub(super) at: u64,
}

/// What lay there before the service was asked. An entity is stored only in its place.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(super) bytes: Vec<u8>,
    moment: Moment,
}

/// An entity on its way to Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Writing {
    pub(super) name: String,
    pub(super) seen: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// By the clock of Redis, in milliseconds.
    pub(super) until: u64,
}

/// What is known of a key.
#[derive(Debug)]
pub(super) enum Sighted {
    Known(Arc<Entry>),
    /// Nothing that can be used. Without a place nothing is stored either.
    Unknown(Option<Seen>),
    /// Something that should not be there.
    Wrong(Option<Seen>, Option<Wrong>),
}

impl Names {
    pub(super) fn new(of: Fingerprint) -> Self {
        Self {
            of,
            generation: format!("tollgate:composer:{of}"),
        }
    }

    pub(super) fn entity(&self, key: &SharedKey) -> String {
        format!("{}:{}", self.generation, key.as_str())
    }

    /// What was held of a key: an entity only where it is sound, of this key, within its time by the
    /// terms of both who stored it and who reads it, and newer than what is `held` here.
    pub(super) fn read(
        &self,
        (lookup, terms): (&Lookup, &Cache),
        (key, held): (&SharedKey, Option<Instant>),
        (bytes, left, is_foreign): Held,
        moment: Moment,
    ) -> Sighted {
        let payload = match bytes.split_at_checked(HEAD_BYTES) {
            Some((head, payload)) if head.first() == Some(&VALUE) => Some(payload),
            Some(_) | None => None,
        };
        let stored = payload.map(|payload| match Key::parse(key.as_str()) {
            Ok(key) => Stored::read(payload, self.of, &key, lookup),
            Err(_) => Err(Wrong::Key),
        });
        let entry = match stored {
            Some(Ok(stored)) => Ok(entry(stored, terms, left, moment)),
            Some(Err(wrong)) => Err(Some(wrong)),
            None if is_foreign => Err(None),
            None => Ok(None),
        };
        let seen = (bytes.len() >= HEAD_BYTES).then_some(Seen { bytes, moment });
        match entry {
            Ok(Some(entry)) if held.is_none_or(|held| held < entry.known) => {
                Sighted::Known(Arc::new(entry))
            }
            Ok(_) => Sighted::Unknown(seen),
            Err(wrong) => Sighted::Wrong(seen, wrong),
        }
    }

    /// What is to be stored of an entity, if it is small enough and fresh for a while yet.
    pub(super) fn write(&self, key: &SharedKey, seen: Seen, entry: &Entry) -> Option<Writing> {
        let freshness = entry.freshness?;
        let stored = Stored {
            record: entry.record.clone(),
            version: None,
            freshness,
            control: entry.control,
        };
        let mut head = seen.bytes;
        let seen_bytes = head.clone();
        head.truncate(HEAD_BYTES);
        *head.first_mut()? = VALUE;
        // The clock of Redis was not behind `at` when the reply was there, so that this is not late.
        let end = entry.known.checked_add(freshness.fresh)?;
        let left = end.checked_duration_since(seen.moment.answered)?;
        let left = u64::try_from(left.as_millis())
            .ok()
            .filter(|left| *left > 0)?;
        Some(Writing {
            name: self.entity(key),
            seen: seen_bytes,
            value: stored.write(self.of, &Key::parse(key.as_str()).ok()?, head)?,
            until: seen.moment.at.checked_add(left)?,
        })
    }
}

/// An entity with its age, which counts from the answer of its service. Nothing where its time is over.
fn entry(stored: Stored, terms: &Cache, left: i64, moment: Moment) -> Option<Entry> {
    let whole = stored.freshness.fresh;
    let left = Duration::from_millis(u64::try_from(left).ok()?).min(whole);
    let age = whole - left;
    let own = match stored.record {
        Some(_) => terms.ttl,
        None => terms.missing,
    };
    let left = whole.min(own).saturating_sub(age);
    if left.is_zero() {
        return None;
    }
    // What was stored together does not end together everywhere.
    let left = random::about(left).min(left);
    let stale = |own: Duration, of_service: Duration| own.min(of_service);
    Some(Entry {
        record: stored.record.map(|json| json.value().to_record()),
        version: stored.version,
        validators: Vec::new(),
        headers: HeaderMap::new(),
        control: stored.control,
        freshness: Some(Freshness {
            fresh: age + left,
            stale_while_revalidate: stale(
                terms.stale_while_revalidate,
                stored.freshness.stale_while_revalidate,
            ),
            stale_if_error: stale(terms.stale_if_error, stored.freshness.stale_if_error),
            said: stored.freshness.said,
        }),
        origin: Origin::SecondLevel,
        // As if nothing of the reply's way had been after Redis answered: rather too old than too young.
        known: moment.sent.checked_sub(age)?,
    })
}
