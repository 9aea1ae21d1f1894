//! One token that was found good, as it is remembered.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gateway_core::caller::Caller;
use gateway_core::verdict::Remembered;
use idp_token::digest::TokenDigest;
use idp_token::fence::{Marks, Stamp};
use idp_token::time::UnixSeconds;

/// What allocating an entry and its texts costs beyond their bytes.
const OVERHEAD_BYTES: usize = 96;

pub(crate) struct Entry {
    pub(crate) digest: TokenDigest,
    /// Where the log stood when the look-up began that brought this.
    pub(crate) stamp: Stamp,
    pub(crate) marks: Marks,
    pub(crate) caller: Caller,
    /// What services are shown; none where the client's own token goes on.
    pub(crate) value: Option<Value>,
    pub(crate) ends_at: UnixSeconds,
    pub(crate) idle: Option<Duration>,
    /// How long a use may be kept to oneself; none if nobody needs to know.
    pub(crate) report_after: Option<Duration>,
    /// The latest use that others may know of, in seconds since 1970.
    told_at: AtomicU64,
    is_being_renewed: AtomicBool,
    is_recent: AtomicBool,
}

/// A value token, which is as good as the credential itself while it lives.
pub(crate) struct Value {
    pub(crate) text: Box<str>,
    pub(crate) renews_at: UnixSeconds,
    pub(crate) expires_at: UnixSeconds,
}

impl Entry {
    /// Remembers what was told of a token that is being used, which others are told by whoever asked.
    /// `idle` is for how long it may go unused, and how long a use may be kept to oneself.
    pub(crate) fn new(
        (digest, caller): (TokenDigest, Caller),
        (stamp, marks): (Stamp, Marks),
        value: Option<Value>,
        (ends_at, idle): (UnixSeconds, Option<(Duration, Duration)>),
        used_at: UnixSeconds,
    ) -> Self {
        Self {
            digest,
            stamp,
            marks,
            caller,
            value,
            ends_at,
            idle: idle.map(|(idle, _)| idle),
            report_after: idle.map(|(_, report)| report),
            told_at: AtomicU64::new(used_at.0),
            is_being_renewed: AtomicBool::new(false),
            is_recent: AtomicBool::new(false),
        }
    }

    /// What decides about its use.
    pub(crate) fn remembered(&self) -> Remembered {
        let told_at = self.told_at();
        Remembered {
            ends_at: self.ends_at,
            idles_at: self.idle.map(|idle| told_at.after(idle)),
            value_expires_at: self.value.as_ref().map(|value| value.expires_at),
        }
    }

    /// What services are shown.
    pub(crate) fn value_token(&self) -> Option<&str> {
        self.value.as_ref().map(|value| &*value.text)
    }

    /// Whether others are to be told of a use that happens now.
    pub(super) fn is_use_due(&self, now: UnixSeconds) -> bool {
        let age = now.since(self.told_at());
        self.report_after.is_some_and(|after| age >= after)
    }

    pub(super) fn told_at(&self) -> UnixSeconds {
        UnixSeconds(self.told_at.load(Ordering::Relaxed))
    }

    pub(super) fn note_told(&self, now: UnixSeconds) {
        self.told_at.fetch_max(now.0, Ordering::Relaxed);
    }

    /// Whether its value token nears its end, so that somebody is to get the next one.
    pub(super) fn is_to_be_renewed(&self, now: UnixSeconds) -> bool {
        let value = self.value.as_ref();
        value.is_some_and(|value| now >= value.renews_at)
            && !self.is_being_renewed.load(Ordering::Relaxed)
    }

    /// True for the first who asks.
    pub(super) fn begin_renewal(&self) -> bool {
        !self.is_being_renewed.swap(true, Ordering::Relaxed)
    }

    pub(super) fn note_not_renewed(&self) {
        self.is_being_renewed.store(false, Ordering::Relaxed);
    }

    /// Marks it as used since the hand of the clock came by; before its second use it never was. Most
    /// uses find it marked and write nothing.
    pub(super) fn note_recent(&self) {
        if !self.is_recent.load(Ordering::Relaxed) {
            self.is_recent.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn take_recent(&self) -> bool {
        self.is_recent.swap(false, Ordering::Relaxed)
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> u64 {
        let value = self.value.as_ref().map_or(0, |value| value.text.len());
        let texts = self.caller.subject.len() + value;
        (size_of::<Self>() + texts + OVERHEAD_BYTES) as u64
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("digest", &self.digest)
            .field("caller", &self.caller)
            .field("stamp", &self.stamp)
            .field("ends_at", &self.ends_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
