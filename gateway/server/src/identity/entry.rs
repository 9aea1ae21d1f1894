//! One token that was found good, as it is remembered.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use gateway_core::caller::Caller;
use gateway_core::verdict::Remembered;
use idp_token::digest::TokenDigest;
use idp_token::fence::{Fence, Marks, Seen, Stamp};
use idp_token::time::{BootTime, UnixSeconds};

/// What allocating an entry and its texts costs beyond their bytes.
const OVERHEAD_BYTES: usize = 64;

/// In this order: what every request reads lies together, and the value token behind it. Of ten thousand
/// callers no cache of a processor holds much, so that each line that is touched is waited for.
#[repr(C)]
pub(crate) struct Entry {
    pub(crate) digest: TokenDigest,
    /// Where the log stood when the look-up began that brought this.
    pub(crate) stamp: Stamp,
    seen: Seen,
    pub(crate) ends_at: UnixSeconds,
    /// The latest use that others may know of, in seconds by the clock that nobody sets.
    told_at: AtomicU64,
    pub(crate) idle: Option<Duration>,
    /// How long a use may be kept to oneself; none if nobody needs to know.
    pub(crate) report_after: Option<Duration>,
    is_being_renewed: AtomicBool,
    is_recent: AtomicBool,
    /// Before which tidying of the cache it was put there.
    generation: AtomicU8,
    pub(crate) caller: Caller,
    pub(crate) marks: Marks,
    /// What services are shown; none where the client's own token goes on.
    pub(crate) value: Option<Value>,
}

/// A value token, which is as good as the credential itself while it lives.
#[repr(C)]
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) renews_at: UnixSeconds,
    pub(crate) expires_at: UnixSeconds,
    pub(crate) text: Text,
}

/// So many bytes have nearly all value tokens.
const HERE_BYTES_MAX: usize = 512;

/// The text of a value token: beside the rest of its entry if it fits there.
#[expect(
    clippy::large_enum_variant,
    reason = "it is the one that nearly all are, and the point of it"
)]
#[derive(Clone)]
pub(crate) enum Text {
    Here(u16, [u8; HERE_BYTES_MAX]),
    Elsewhere(Box<str>),
}

impl Entry {
    /// Remembers what was told of a token that is being used, which others are told by whoever asked.
    /// `idle` is for how long it may go unused, and how long a use may be kept to oneself.
    pub(crate) fn new(
        (digest, caller): (TokenDigest, Caller),
        (stamp, marks): (Stamp, Marks),
        value: Option<Value>,
        (ends_at, idle): (UnixSeconds, Option<(Duration, Duration)>),
        used_at: BootTime,
    ) -> Self {
        Self {
            digest,
            stamp,
            seen: Seen::default(),
            ends_at,
            told_at: AtomicU64::new(used_at.0.as_secs()),
            idle: idle.map(|(idle, _)| idle),
            report_after: idle.map(|(_, report)| report),
            is_being_renewed: AtomicBool::new(false),
            is_recent: AtomicBool::new(false),
            generation: AtomicU8::new(0),
            caller,
            marks,
            value,
        }
    }

    /// The same in another place of memory, where it is to be used anew before it counts as recent.
    pub(super) fn moved(&self) -> Self {
        Self {
            digest: self.digest,
            stamp: self.stamp,
            seen: Seen::default(),
            ends_at: self.ends_at,
            told_at: AtomicU64::new(self.told_at.load(Ordering::Relaxed)),
            idle: self.idle,
            report_after: self.report_after,
            is_being_renewed: AtomicBool::new(self.is_being_renewed.load(Ordering::Relaxed)),
            is_recent: AtomicBool::new(false),
            generation: AtomicU8::new(0),
            caller: self.caller.clone(),
            marks: self.marks,
            value: self.value.clone(),
        }
    }

    /// Whether no change bears on it that came after it was learned.
    pub(crate) fn holds(&self, fence: &Fence) -> bool {
        fence.still_holds(self.stamp, &self.marks, &self.seen)
    }

    /// What decides about its use.
    pub(crate) fn remembered(&self, now: BootTime) -> Remembered {
        let unused = || now.since(self.told_at());
        Remembered {
            ends_at: self.ends_at,
            is_idle: self.idle.is_some_and(|idle| unused() >= idle),
            value_expires_at: self.value.as_ref().map(|value| value.expires_at),
        }
    }

    /// What services are shown.
    pub(crate) fn value_token(&self) -> Option<&[u8]> {
        self.value.as_ref().map(|value| value.text.as_bytes())
    }

    /// Whether others are to be told of a use that happens now.
    pub(super) fn is_use_due(&self, now: BootTime) -> bool {
        let age = now.since(self.told_at());
        self.report_after.is_some_and(|after| age >= after)
    }

    pub(super) fn told_at(&self) -> BootTime {
        BootTime(Duration::from_secs(self.told_at.load(Ordering::Relaxed)))
    }

    pub(super) fn note_told(&self, now: BootTime) {
        self.told_at.fetch_max(now.0.as_secs(), Ordering::Relaxed);
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

    pub(super) fn generation(&self) -> u8 {
        self.generation.load(Ordering::Relaxed)
    }

    pub(super) fn note_generation(&self, generation: u8) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    pub(super) fn take_recent(&self) -> bool {
        self.is_recent.swap(false, Ordering::Relaxed)
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> u64 {
        let elsewhere = self
            .value
            .as_ref()
            .map(|value| value.text.bytes_elsewhere());
        let texts = self.caller.subject.len() + elsewhere.unwrap_or(0);
        (size_of::<Self>() + texts + OVERHEAD_BYTES) as u64
    }
}

impl Text {
    /// As it goes to services, without being looked through.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Here(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Elsewhere(text) => text.as_bytes(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn bytes_elsewhere(&self) -> usize {
        match self {
            Self::Here(..) => 0,
            Self::Elsewhere(text) => text.len(),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut bytes = [0; HERE_BYTES_MAX];
        match (bytes.get_mut(..text.len()), u16::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Here(length, bytes)
            }
            _ => Self::Elsewhere(text.into()),
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use idp_token::digest::Tid;
    use idp_token::epoch::Seq;

    use super::*;

    /// Of a session that may lie idle for 900 s, and whose uses may be kept to oneself for 15.
    fn used_at(second: u64) -> Entry {
        let fence = Fence::new(&[1; 16], 16, 16, Seq::NONE);
        let digest = TokenDigest::of(b"x");
        let caller = Caller {
            tid: Tid::of(&digest),
            session: None,
            subject: "u".into(),
            rights: Arc::default(),
            auth_time: None,
        };
        let idle = (Duration::from_secs(900), Duration::from_secs(15));
        Entry::new(
            (digest, caller),
            (fence.stamp(), fence.marks("s", "u", "c", "t")),
            None,
            (UnixSeconds(u64::MAX), Some(idle)),
            at(second),
        )
    }

    fn at(second: u64) -> BootTime {
        BootTime(Duration::from_secs(second))
    }

    #[test]
    fn an_entry_is_idle_and_its_use_is_due_at_the_very_second() {
        let entry = used_at(1000);
        let stands = |second| {
            (
                entry.is_use_due(at(second)),
                entry.remembered(at(second)).is_idle,
            )
        };
        assert_eq!(stands(1014), (false, false));
        assert_eq!(stands(1015), (true, false));
        assert_eq!(stands(1899), (true, false));
        assert_eq!(stands(1900), (true, true));
        entry.note_told(at(1500));
        entry.note_told(at(1400));
        assert_eq!(stands(1514), (false, false));
        assert_eq!(stands(2400), (true, true));
    }

    #[test]
    fn a_text_is_what_it_was_wherever_it_lies() {
        for length in [0, 1, HERE_BYTES_MAX, HERE_BYTES_MAX + 1, 5000] {
            let text = "x".repeat(length);
            let kept = Text::from(text.as_str());
            assert_eq!(kept.as_str(), text);
            let is_here = length <= HERE_BYTES_MAX;
            assert_eq!(kept.bytes_elsewhere(), if is_here { 0 } else { length });
        }
    }
}
