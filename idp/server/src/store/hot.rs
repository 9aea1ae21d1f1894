//! Records that nearly every decision reads, kept as they are read.
//!
//! Clients, tenants and this provider as a whole: read with every request and written by
//! administrators alone. All of it holds for one snapshot and for those after it until one of these
//! records is written; then the next snapshot begins with nothing. So nothing here is ever older
//! than the snapshot it is asked of, and there is nothing to take back.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use idp_core::store::{Key, Kind, Transaction, Write};
use idp_core::view::Found;

/// As they are spelled; read they are a little larger.
const BYTES_MAX: usize = 1024 * 1024;
/// What a record costs beside its bytes.
const RECORD_BYTES: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Hot(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    records: HashMap<Key, Found>,
    bytes: usize,
}

pub(super) const fn is_hot(kind: Kind) -> bool {
    matches!(kind, Kind::Realm | Kind::Tenant | Kind::Client)
}

/// Whether a transaction writes a record of which one is kept here.
pub(super) fn is_written_by(transaction: &Transaction) -> bool {
    transaction.writes().iter().any(|write| match write {
        Write::Put(record) => is_hot(record.kind()),
        Write::Remove(key) => is_hot(key.kind()),
        Write::Raise(_) => false,
    })
}

impl Hot {
    pub(super) fn find(&self, key: &Key) -> Option<Found> {
        if !is_hot(key.kind()) {
            return None;
        }
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.records.get(key).cloned()
    }

    /// Keeps what was read. Of what is not there only the one record is kept that most stores lack:
    /// names that strangers make up are no end of others.
    pub(super) fn keep(&self, key: &Key, found: &Found, bytes: usize) {
        if !is_hot(key.kind()) || (found.is_none() && *key != Key::Realm) {
            return;
        }
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let bytes = bytes + RECORD_BYTES;
        if kept.bytes + bytes > BYTES_MAX {
            *kept = Kept::default();
        }
        if kept.records.insert(key.clone(), found.clone()).is_none() {
            kept.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use idp_core::id::TenantId;
    use idp_core::record::{Realm, Record};
    use idp_core::store::{Stored, Version};

    use super::*;

    fn found() -> Found {
        Some(Arc::new(Stored {
            record: Record::Realm(Realm::default()),
            version: Version(1),
        }))
    }

    fn tenant(name: &str) -> Key {
        Key::Tenant(TenantId::parse(name).unwrap())
    }

    #[test]
    fn what_is_kept_is_what_administrators_write_and_what_is_not_there_is_not() {
        let hot = Hot::default();
        for (key, found, is_kept) in [
            (Key::Realm, None, true),
            (tenant("a"), found(), true),
            (tenant("b"), None, false),
            (Key::Relay, found(), false),
        ] {
            hot.keep(&key, &found, 1);
            assert_eq!(hot.find(&key).is_some(), is_kept, "{key:?}");
        }
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let hot = Hot::default();
        let half = BYTES_MAX / 2 - RECORD_BYTES;
        hot.keep(&tenant("a"), &found(), half);
        hot.keep(&tenant("b"), &found(), half);
        assert!(hot.find(&tenant("a")).is_some());
        hot.keep(&tenant("b"), &found(), half);
        hot.keep(&tenant("c"), &found(), 1);
        assert!(hot.find(&tenant("a")).is_none());
        assert!(hot.find(&tenant("c")).is_some());
    }
}
