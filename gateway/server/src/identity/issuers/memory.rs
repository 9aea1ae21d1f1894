//! What is remembered of the tokens of one issuer that were found good.
//!
//! It is bounded in bytes, and each verdict in age: by this machine's own clock, which nobody sets, and
//! by the token's end. The oldest make room for new ones. A shard is locked for as long as it takes to
//! look into it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_core::caller::Caller;
use idp_token::digest::TokenDigest;
use idp_token::external::Holder;
use idp_token::time::{BootTime, UnixSeconds};

use super::caller;

const SHARDS: usize = 16;
/// Of one shard.
const BYTES_MAX: usize = 1024 * 1024;
/// What one takes beside its texts.
const OVERHEAD_BYTES: usize = 384;
/// What a scope or a role takes beside its text.
const PIECE_BYTES: usize = 32;

#[derive(Debug)]
pub(super) struct Memory {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    verdicts: HashMap<TokenDigest, Verdict>,
    oldest_first: VecDeque<TokenDigest>,
    bytes: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Verdict {
    caller: Arc<Caller>,
    bytes: usize,
    /// Whichever comes first.
    until: (BootTime, UnixSeconds),
    /// The keys that it was reached with, by their number.
    keys: u64,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// The caller that a token stands for, if that still holds.
    pub(super) fn find(
        &self,
        digest: &TokenDigest,
        keys: u64,
        now: (BootTime, UnixSeconds),
    ) -> Option<Arc<Caller>> {
        let shard = self.shard(digest);
        let verdict = shard.verdicts.get(digest)?;
        verdict
            .holds(keys, now)
            .then(|| Arc::clone(&verdict.caller))
    }

    /// Remembers a verdict in place of the one before.
    pub(super) fn insert(&self, digest: TokenDigest, verdict: Verdict) {
        let mut shard = self.shard(&digest);
        shard.bytes += verdict.bytes;
        match shard.verdicts.insert(digest, verdict) {
            Some(before) => shard.bytes -= before.bytes,
            None => shard.oldest_first.push_back(digest),
        }
        while shard.bytes > BYTES_MAX {
            let Some(oldest) = shard.oldest_first.pop_front() else {
                return;
            };
            let gone = shard.verdicts.remove(&oldest);
            shard.bytes -= gone.map_or(0, |gone| gone.bytes);
        }
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

impl Verdict {
    pub(super) fn caller(&self) -> Arc<Caller> {
        Arc::clone(&self.caller)
    }

    pub(super) fn new(
        digest: &TokenDigest,
        holder: &Holder,
        until: (BootTime, UnixSeconds),
        keys: u64,
    ) -> Self {
        Self {
            caller: caller(digest, holder),
            bytes: weight(holder),
            until,
            keys,
        }
    }

    fn holds(&self, keys: u64, (boot, unix): (BootTime, UnixSeconds)) -> bool {
        let (until_boot, until_unix) = self.until;
        self.keys == keys && boot < until_boot && unix < until_unix
    }
}

/// About how much memory it takes to remember somebody.
fn weight(holder: &Holder) -> usize {
    let scopes = holder.scope.split(' ').count();
    let roles: usize = holder.roles.iter().map(String::len).sum();
    let texts = holder.subject.len() + holder.client_id.len() + holder.scope.len() * 2 + roles;
    texts + (scopes + holder.roles.len()) * PIECE_BYTES + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FOREVER: (BootTime, UnixSeconds) = (BootTime(Duration::MAX), UnixSeconds(u64::MAX));

    /// All of one shard.
    fn digest(number: u64) -> TokenDigest {
        TokenDigest::from_bytes(u128::from(number).to_be_bytes())
    }

    fn holder(subject: &str) -> Holder {
        Holder {
            subject: subject.to_owned(),
            client_id: String::new(),
            scope: "a b".to_owned(),
            roles: vec!["r".to_owned()],
            ends_at: None,
        }
    }

    fn verdict(subject: &str, until: (BootTime, UnixSeconds)) -> Verdict {
        Verdict::new(&digest(1), &holder(subject), until, 7)
    }

    fn at(boot: u64, unix: u64) -> (BootTime, UnixSeconds) {
        (BootTime(Duration::from_secs(boot)), UnixSeconds(unix))
    }

    #[test]
    fn a_verdict_holds_until_the_first_of_its_ends_and_for_its_keys_alone() {
        let memory = Memory::new();
        memory.insert(digest(1), verdict("ann", at(100, 1_000)));
        #[rustfmt::skip]
        let cases = [
            (digest(1), 7, at(0, 0),       true),
            (digest(1), 7, at(99, 999),    true),
            (digest(1), 7, at(100, 0),     false),
            (digest(1), 7, at(0, 1_000),   false),
            (digest(1), 8, at(0, 0),       false),
            (digest(2), 7, at(0, 0),       false),
        ];
        for (digest, keys, now, expected) in cases {
            let found = memory.find(&digest, keys, now).is_some();
            assert_eq!(found, expected, "{digest:?} {keys} {now:?}");
        }
        memory.insert(digest(1), verdict("bob", at(200, 2_000)));
        let found = memory.find(&digest(1), 7, at(150, 1_500)).unwrap();
        assert_eq!(&*found.subject, "bob");
    }

    #[test]
    fn the_oldest_make_room_where_there_are_too_many_bytes() {
        let memory = Memory::new();
        let each = weight(&holder("ann"));
        let count = u64::try_from(BYTES_MAX / each).unwrap();
        for number in 0..count {
            memory.insert(digest(number), verdict("ann", FOREVER));
        }
        let has = |number| memory.find(&digest(number), 7, at(0, 0)).is_some();
        assert!(has(0) && has(count - 1));
        memory.insert(digest(count - 1), verdict("ann", FOREVER));
        assert!(has(0), "the same again takes no more room");
        memory.insert(digest(count), verdict("ann", FOREVER));
        assert!(!has(0) && has(1) && has(count));
        let shard = memory.shard(&digest(0));
        assert_eq!(shard.bytes, each * usize::try_from(count).unwrap());
        assert_eq!(shard.verdicts.len(), shard.oldest_first.len());
    }
}
