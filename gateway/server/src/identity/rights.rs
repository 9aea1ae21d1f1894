//! What many sessions have in common is kept once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use gateway_core::caller::Rights;

/// Different ones that are shared. Whatever comes beyond that is kept by each for itself.
const SHARED_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct SharedRights {
    known: Mutex<HashSet<Arc<Rights>>>,
}

impl SharedRights {
    /// The one that is like this.
    pub(super) fn share(&self, rights: Rights) -> Arc<Rights> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.get(&rights) {
            return Arc::clone(same);
        }
        let rights = Arc::new(rights);
        if known.len() >= SHARED_MAX {
            known.retain(|rights| Arc::strong_count(rights) > 1);
        }
        if known.len() < SHARED_MAX {
            known.insert(Arc::clone(&rights));
        }
        rights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(client: &str) -> Rights {
        Rights::new(client, "t", "a b", &[])
    }

    #[test]
    fn the_same_rights_are_kept_once() {
        let shared = SharedRights::default();
        let one = shared.share(rights("shop"));
        assert!(Arc::ptr_eq(&one, &shared.share(rights("shop"))));
        assert_ne!(one, shared.share(rights("app")));
    }

    #[test]
    fn what_nobody_has_any_more_makes_room_and_what_finds_none_is_not_shared() {
        let shared = SharedRights::default();
        let share = |number: usize| shared.share(rights(&number.to_string()));
        drop(share(0));
        let held: Vec<_> = (1..=SHARED_MAX).map(share).collect();
        assert!(Arc::ptr_eq(&held[SHARED_MAX - 1], &share(SHARED_MAX)));
        assert!(!Arc::ptr_eq(&share(0), &share(0)));
        assert_eq!(shared.known.lock().unwrap().len(), SHARED_MAX);
    }
}
