//! What does this gateway know without asking anybody?
//!
//! Which changes it has read of the log and how old that knowledge is, who was logged out lately,
//! and the keys by which a token is known for ours. A few tasks write here, every request reads,
//! and none of them ever waits.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::proof::Proof;
use super::value_tokens::ValueTokens;
use arc_swap::{ArcSwapOption, Guard};
use idp_token::ask::keys::COPY_KEPT;
use idp_token::epoch::Seq;
use idp_token::fence::{Fence, PLACES_DEFAULT, SLOTS_DEFAULT, Stamp};
use idp_token::filter::FilterKeys;
use idp_token::kills::Kills;
use idp_token::lease::{Tolerance, Trust};
use idp_token::log::{Entry, Kind, Target};
use idp_token::membership::Membership;
use idp_token::session::SessionId;
use idp_token::time::BootTime;

/// About four megabytes. A session beyond that is looked up once more, and refused then.
const KILLS_MAX: usize = 1 << 16;

/// Without random bytes strangers could choose whose entries collide.
#[derive(Debug, thiserror::Error)]
#[error("the system has no random bytes to give")]
pub(crate) struct NoRandom(#[from] getrandom::Error);

#[derive(Debug)]
pub(crate) struct Knowledge {
    fence: Fence,
    proof: Proof,
    /// Asked only about what the fence does not let pass, so seldom.
    kills: RwLock<Kills>,
    filter_keys: ArcSwapOption<FilterCopy>,
    value_tokens: ArcSwapOption<ValueTokens>,
}

/// The filter keys as they were told, and when.
#[derive(Debug)]
pub(crate) struct FilterCopy {
    pub(crate) keys: FilterKeys,
    /// Before it was asked for.
    pub(super) asked_at: BootTime,
}

impl FilterCopy {
    /// Whether a key that is not in it is nobody's. If not, there may be a newer one.
    pub(crate) fn is_complete(&self, now: BootTime) -> bool {
        now.0
            .checked_sub(self.asked_at.0)
            .is_some_and(|age| age <= COPY_KEPT)
    }
}

impl Knowledge {
    pub(crate) fn new(lease: Duration) -> Result<Self, NoRandom> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        Ok(Self {
            fence: Fence::new(&key, SLOTS_DEFAULT, PLACES_DEFAULT, Seq::NONE),
            proof: Proof::new(lease),
            kills: RwLock::new(Kills::new(KILLS_MAX)),
            filter_keys: ArcSwapOption::empty(),
            value_tokens: ArcSwapOption::empty(),
        })
    }

    /// To be taken before a look-up, and stored with what it finds.
    pub(crate) fn stamp(&self) -> Stamp {
        self.fence.stamp()
    }

    /// Judges what is remembered, and says whom it is about.
    pub(crate) fn fence(&self) -> &Fence {
        &self.fence
    }

    /// What may be done with what is remembered, at this moment.
    pub(crate) fn trust(&self, tolerance: Tolerance, now: BootTime) -> Trust {
        self.proof.trust(tolerance, now)
    }

    /// How old the proof is that every change is known; none without any.
    pub(crate) fn age(&self, now: BootTime) -> Option<Duration> {
        self.proof.age(now)
    }

    /// Whether it was ended by itself, and lately. To be asked about what the fence does not let
    /// pass: it spares the look-up.
    pub(crate) fn was_ended(&self, session: &SessionId) -> bool {
        let kills = self.kills.read().unwrap_or_else(PoisonError::into_inner);
        kills.has(session)
    }

    /// By what our own tokens are told from forged ones; none until they were told.
    pub(crate) fn filter_keys(&self) -> Guard<Option<Arc<FilterCopy>>> {
        self.filter_keys.load()
    }

    /// By what our own value tokens are verified; none until the provider's keys were told.
    pub(crate) fn value_tokens(&self) -> Guard<Option<Arc<ValueTokens>>> {
        self.value_tokens.load()
    }

    pub(super) fn set_filter_keys(&self, copy: FilterCopy) {
        self.filter_keys.store(Some(Arc::new(copy)));
    }

    pub(super) fn set_value_tokens(&self, value_tokens: ValueTokens) {
        self.value_tokens.store(Some(Arc::new(value_tokens)));
    }

    /// Takes note of who is over, before the fence knows of it: then nobody looks them up in between.
    pub(super) fn note_ended(&self, entries: &[Entry]) {
        let ended = entries.iter().filter_map(ended);
        let mut ended = ended.peekable();
        if ended.peek().is_none() {
            return;
        }
        let mut kills = self.kills.write().unwrap_or_else(PoisonError::into_inner);
        for session in ended {
            kills.add(session);
        }
    }

    pub(super) fn note_fresh(&self, fresh_at: Option<BootTime>) {
        if let Some(at) = fresh_at {
            self.proof.note_fresh(at);
        }
    }

    pub(super) fn note_membership(&self, membership: &Membership) {
        self.proof.note_membership(membership);
    }
}

fn ended(entry: &Entry) -> Option<SessionId> {
    match entry {
        Entry::Change(change) => match (change.kind, &change.target) {
            (Kind::Ended, Target::Session(session)) => Some(*session),
            (Kind::Ended | Kind::Changed, _) => None,
        },
        Entry::Beat(_) => None,
    }
}
