//! What is remembered of the tokens of one issuer that were found good.
//!
//! It is bounded in bytes, and each verdict in age: by this machine's own clock, which nobody sets, and
//! by the token's end. Those that nobody used for longest make room for new ones.

use std::sync::Arc;

use gateway_core::caller::Caller;
use idp_token::digest::TokenDigest;
use idp_token::external::Holder;
use idp_token::time::{BootTime, UnixSeconds};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::caller;

const BYTES_MAX: u32 = 16 * 1024 * 1024;
/// What one takes beside its texts.
const OVERHEAD_BYTES: usize = 384;
/// What a scope or a role takes beside its text.
const PIECE_BYTES: usize = 32;

#[derive(Debug)]
pub(super) struct Memory {
    verdicts: Cache<TokenDigest, Verdict>,
}

#[derive(Debug, Clone)]
pub(super) struct Verdict {
    caller: Arc<Caller>,
    bytes: u32,
    /// Whichever comes first.
    until: (BootTime, UnixSeconds),
    /// The keys that it was reached with, by their number.
    keys: u64,
}

impl Memory {
    pub(super) fn new() -> Self {
        let verdicts = Cache::builder()
            .max_capacity(u64::from(BYTES_MAX))
            .weigher(|_: &TokenDigest, verdict: &Verdict| verdict.bytes)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { verdicts }
    }

    /// The caller that a token stands for, if that still holds.
    pub(super) fn find(
        &self,
        digest: &TokenDigest,
        keys: u64,
        now: (BootTime, UnixSeconds),
    ) -> Option<Arc<Caller>> {
        let verdict = self.verdicts.get(digest)?;
        verdict.holds(keys, now).then_some(verdict.caller)
    }

    /// Remembers a verdict in place of the one before.
    pub(super) fn insert(&self, digest: TokenDigest, verdict: Verdict) {
        self.verdicts.insert(digest, verdict);
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
fn weight(holder: &Holder) -> u32 {
    let scopes = holder.scope.split(' ').count();
    let roles: usize = holder.roles.iter().map(String::len).sum();
    let texts = holder.subject.len() + holder.client_id.len() + holder.scope.len() * 2 + roles;
    let bytes = texts + (scopes + holder.roles.len()) * PIECE_BYTES + OVERHEAD_BYTES;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FOREVER: (BootTime, UnixSeconds) = (BootTime(Duration::MAX), UnixSeconds(u64::MAX));

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
    fn those_unused_for_longest_make_room_where_there_are_too_many_bytes() {
        let memory = Memory::new();
        let each = weight(&holder("ann"));
        let count = u64::from(BYTES_MAX / each);
        let has = |number| {
            memory.verdicts.run_pending_tasks();
            memory.find(&digest(number), 7, at(0, 0)).is_some()
        };
        for number in 0..count {
            memory.insert(digest(number), verdict("ann", FOREVER));
        }
        assert!(has(count - 1) && has(0));
        memory.insert(digest(count - 1), verdict("ann", FOREVER));
        assert!(has(0) && has(1), "the same again takes no more room");
        memory.insert(digest(count), verdict("ann", FOREVER));
        assert!(has(0) && has(1) && !has(2) && has(count));
        memory.verdicts.run_pending_tasks();
        assert_eq!(memory.verdicts.entry_count(), count);
        let bytes = memory.verdicts.weighted_size();
        assert_eq!(bytes, u64::from(each) * count);
    }
}
