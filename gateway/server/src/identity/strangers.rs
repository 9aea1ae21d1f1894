//! Tokens of which the identity provider has just said that they are not good, or not meant for here.
//!
//! A client that goes on with such a token would cost a look-up each time. What was ended, or never
//! was, becomes good no more, so the answer may be repeated for a while. Nothing else is remembered
//! here: not that nobody could be asked, and not that a caller lacks a scope. Digests are kept whole,
//! since a mistake would refuse somebody honest.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use idp_token::digest::TokenDigest;
use idp_token::time::BootTime;

const SHARDS: usize = 16;
const COUNT_MAX: usize = 1024;
/// Short all the same: a database that is put back may hold what was not there before.
const KEPT_FOR: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Strangers {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    told_at: HashMap<TokenDigest, BootTime>,
    oldest_first: VecDeque<TokenDigest>,
}

impl Strangers {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Remembers one, in place of the oldest if there are too many.
    pub(super) fn add(&self, digest: &TokenDigest, now: BootTime) {
        let mut shard = self.shard(digest);
        if shard.told_at.insert(*digest, now).is_some() {
            return;
        }
        shard.oldest_first.push_back(*digest);
        if shard.oldest_first.len() > COUNT_MAX
            && let Some(oldest) = shard.oldest_first.pop_front()
        {
            shard.told_at.remove(&oldest);
        }
    }

    pub(super) fn has(&self, digest: &TokenDigest, now: BootTime) -> bool {
        let told_at = self.shard(digest).told_at.get(digest).copied();
        let age = told_at.and_then(|told_at| now.0.checked_sub(told_at.0));
        age.is_some_and(|age| age < KEPT_FOR)
    }

    fn shard(&self, digest: &TokenDigest) -> MutexGuard<'_, Shard> {
        let [first, ..] = *digest.as_bytes();
        let [shard, ..] = &self.shards;
        let shard = self
            .shards
            .get(usize::from(first) % SHARDS)
            .unwrap_or(shard);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of one shard.
    fn digest(number: u64) -> TokenDigest {
        TokenDigest::from_bytes(u128::from(number).to_be_bytes())
    }

    fn at(millis: u64) -> BootTime {
        BootTime(Duration::from_millis(millis))
    }

    #[test]
    fn an_answer_is_repeated_for_a_while_and_for_that_token_alone() {
        let strangers = Strangers::new();
        assert!(!strangers.has(&digest(1), at(0)));
        strangers.add(&digest(1), at(5_000));
        assert!(strangers.has(&digest(1), at(5_000)));
        assert!(strangers.has(&digest(1), at(14_999)));
        assert!(!strangers.has(&digest(1), at(15_000)));
        assert!(
            !strangers.has(&digest(1), at(4_999)),
            "told later than that"
        );
        assert!(!strangers.has(&digest(2), at(5_000)));
        strangers.add(&digest(1), at(16_000));
        assert!(strangers.has(&digest(1), at(20_000)));
    }

    #[test]
    fn the_oldest_make_room_for_one_too_many() {
        let strangers = Strangers::new();
        let count = COUNT_MAX as u64;
        (0..count).for_each(|number| strangers.add(&digest(number), at(1)));
        assert!(strangers.has(&digest(0), at(1)));
        strangers.add(&digest(count), at(1));
        assert!(!strangers.has(&digest(0), at(1)));
        assert!(strangers.has(&digest(1), at(1)) && strangers.has(&digest(count), at(1)));
        let shard = strangers.shard(&digest(0));
        assert_eq!(
            (shard.told_at.len(), shard.oldest_first.len()),
            (COUNT_MAX, COUNT_MAX)
        );
    }
}
