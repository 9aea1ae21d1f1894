//! Is what a cache holds older than something that happened since?
//!
//! A look-up takes its *stamp* before it begins. Whatever it finds holds as long as no change that
//! bears on it was seen with a greater number than the stamp's. Judged at every use, this closes
//! the race in which a change arrives while an answer from before it is on its way into the cache.
//!
//! Sessions and subjects are told apart by 2²² slots: two that share one cost each other a look-up
//! and never a wrong answer. Clients and tenants are few and each has its own place; should there
//! be more than there are places, the rest share one.
//!
//! One reader applies changes, any number of threads judge. Neither ever waits.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::hmac;

use crate::digest::leading;
use crate::epoch::Seq;
use crate::session::SessionId;

use places::Places;

mod places;

pub const SLOTS_DEFAULT: usize = 1 << 22;
pub const PLACES_DEFAULT: usize = 1 << 12;

/// What a published change bears on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    Session(&'a str),
    Subject(&'a str),
    Client(&'a str),
    Tenant(&'a str),
    Global,
}

/// Whom a cached entry is about. It is hashed once when it is filled; or, where there are so many that
/// this takes too much room, what many share is, and the ids of the rest are hashed at every use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    pub session: Mark,
    pub subject: Mark,
    pub client: Mark,
    pub tenant: Mark,
}

/// The hash of a name. It means nothing in another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

/// Where the reader stood when a look-up began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    seq: Seq,
    /// Counts the gaps: what began before one is void, whatever its number.
    floor: u64,
}

impl Stamp {
    #[must_use]
    pub const fn seq(self) -> Seq {
        self.seq
    }

    /// Whether nothing was missed between the two.
    #[must_use]
    pub const fn is_since_same_gap(self, other: Self) -> bool {
        self.floor == other.floor
    }

    /// The same in 64 bits: 40 for the number of a change, which are good for a thousand of them each
    /// second for thirty years, and 24 for gaps. None past that.
    #[must_use]
    pub fn pack(self) -> Option<u64> {
        let fits = self.seq.0 < 1 << PACKED_SEQ_BITS && self.floor < 1 << (64 - PACKED_SEQ_BITS);
        fits.then_some(self.floor << PACKED_SEQ_BITS | self.seq.0)
    }

    #[must_use]
    pub const fn unpack(packed: u64) -> Self {
        Self {
            seq: Seq(packed & ((1 << PACKED_SEQ_BITS) - 1)),
            floor: packed >> PACKED_SEQ_BITS,
        }
    }
}

const PACKED_SEQ_BITS: u32 = 40;

/// The tenant of what does not say its own, as a value token does not: it may be any, and hears of all.
pub const ANY: &str = "";

/// Between two changes that may bear on somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Era {
    epoch: u64,
    floor: u64,
}

impl Era {
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.epoch) << 64 | u128::from(self.floor)).to_be_bytes()
    }
}

/// The change up to which none was found that bears on an entry. It is about one stamp.
#[derive(Debug, Default)]
pub struct Seen(AtomicU64);

impl Seen {
    /// Whoever comes later with an earlier change takes nothing away but time.
    fn note(&self, cursor: u64) -> bool {
        self.0.store(cursor, Ordering::Relaxed);
        true
    }
}

/// How a change fits those that were applied before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    InOrder,
    /// It was applied before; nothing changes.
    Known,
    /// Changes between it and the one before are missing, so everything remembered is void.
    Gap,
}

pub struct Fence {
    key: hmac::Key,
    session_ids: IdKey,
    subject_ids: IdKey,
    slots: Box<[AtomicU64]>,
    clients: Places,
    tenants: Places,
    global: AtomicU64,
    cursor: AtomicU64,
    floor: AtomicU64,
}

impl Fence {
    /// The key spreads names over the slots so that nobody outside can choose whom to collide
    /// with; draw it anew for every process. There is at least one slot.
    #[must_use]
    pub fn new(key: &[u8; 16], slots: usize, places: usize, cursor: Seq) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Self {
            session_ids: IdKey::derive(&key, b"session ids"),
            subject_ids: IdKey::derive(&key, b"subject ids"),
            key,
            slots: (0..slots.max(1)).map(|_| AtomicU64::new(0)).collect(),
            clients: Places::new(places),
            tenants: Places::new(places),
            global: AtomicU64::new(0),
            cursor: AtomicU64::new(cursor.0),
            floor: AtomicU64::new(0),
        }
    }

    /// To be taken before a look-up begins, and stored with what it finds.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp {
            floor: self.floor.load(Ordering::Acquire),
            seq: Seq(self.cursor.load(Ordering::Acquire)),
        }
    }

    #[must_use]
    pub fn marks(&self, session: &str, subject: &str, client: &str, tenant: &str) -> Marks {
        Marks {
            session: self.mark(Scope::Session(session)),
            subject: self.mark(Scope::Subject(subject)),
            client: self.mark(Scope::Client(client)),
            tenant: self.mark(Scope::Tenant(tenant)),
        }
    }

    /// The mark of a session by its id, which is quick.
    #[must_use]
    pub const fn mark_session(&self, id: &SessionId) -> Mark {
        self.session_ids.mark(id.0)
    }

    /// The mark of a subject whose name spells these 16 bytes as that of a session would, which is
    /// quick too.
    #[must_use]
    pub const fn mark_subject(&self, id: [u8; 16]) -> Mark {
        self.subject_ids.mark(id)
    }

    /// Whether an entry may still be believed. If not, it is looked up again.
    #[must_use]
    pub fn holds(&self, filled: Stamp, marks: &Marks) -> bool {
        let Era { epoch, floor } = self.era(marks);
        filled.seq.0 >= epoch && filled.floor == floor
    }

    /// The same for an entry that is judged again and again. What bears on it need not be looked for
    /// anew before there is a later change than there was the last time, of whatever: two places in a
    /// large table, which no cache of a processor holds, cost more than all the rest of the judgement.
    #[must_use]
    pub fn still_holds(&self, filled: Stamp, marks: &Marks, seen: &Seen) -> bool {
        // Before the epochs, so that every change up to this one is in them.
        let cursor = self.cursor.load(Ordering::Acquire);
        if seen.0.load(Ordering::Relaxed).max(filled.seq.0) >= cursor {
            return filled.floor == self.floor.load(Ordering::Acquire);
        }
        self.holds(filled, marks) && seen.note(cursor)
    }

    /// What somebody's things are kept under that are not to outlive a change which may bear on them: it
    /// is another one after each.
    #[must_use]
    pub fn era(&self, marks: &Marks) -> Era {
        let epoch = self
            .slot(marks.session)
            .load(Ordering::Acquire)
            .max(self.slot(marks.subject).load(Ordering::Acquire))
            .max(self.clients.find(marks.client.0))
            .max(self.tenants.find(marks.tenant.0))
            .max(self.global.load(Ordering::Acquire));
        Era {
            epoch,
            floor: self.floor.load(Ordering::Acquire),
        }
    }

    /// Applies the next change of the log. The change is in force before the cursor shows it, so
    /// that a stamp never promises a change that is not.
    pub fn apply(&self, seq: Seq, scope: Scope<'_>) -> Applied {
        let cursor = Seq(self.cursor.load(Ordering::Acquire));
        if seq <= cursor {
            return Applied::Known;
        }
        self.set(scope, seq);
        self.cursor.store(seq.0, Ordering::Release);
        if seq == cursor.next() {
            return Applied::InOrder;
        }
        self.raise_floor();
        Applied::Gap
    }

    /// Voids everything that is remembered or on its way: the log had a gap, the store restarted
    /// or changed its role, or the process was stopped for longer than its lease.
    pub fn raise_floor(&self) {
        self.floor.fetch_add(1, Ordering::AcqRel);
    }

    /// As `raise_floor`, and the log goes on from here. The floor comes last: a stamp that does not
    /// know of the gap is void, and one that does asks no store that is older than the gap.
    pub fn restart(&self, cursor: Seq) {
        self.cursor.fetch_max(cursor.0, Ordering::AcqRel);
        self.raise_floor();
    }

    fn set(&self, scope: Scope<'_>, seq: Seq) {
        let mark = self.mark(scope);
        match scope {
            Scope::Session(_) | Scope::Subject(_) => raise(self.slot(mark), seq),
            Scope::Client(_) => self.clients.raise(mark.0, seq),
            Scope::Tenant(_) => {
                self.tenants.raise(mark.0, seq);
                self.tenants.raise(self.mark(Scope::Tenant(ANY)).0, seq);
            }
            Scope::Global => raise(&self.global, seq),
        }
    }

    fn slot(&self, Mark(mark): Mark) -> &AtomicU64 {
        let count = self.slots.len() as u64;
        let at = usize::try_from(mark % count).unwrap_or_default();
        &self.slots[at]
    }

    /// Ids of ours are random, so that a multiplication by something secret spreads them well enough.
    /// Names are chosen, by whomever.
    fn mark(&self, scope: Scope<'_>) -> Mark {
        let (kind, name) = match scope {
            Scope::Session(name) => (b's', name),
            Scope::Subject(name) => (b'u', name),
            Scope::Client(name) => (b'c', name),
            Scope::Tenant(name) => (b't', name),
            Scope::Global => return Mark(0),
        };
        match (kind, SessionId::parse(name)) {
            (b's', Some(id)) => return self.mark_session(&id),
            (b'u', Some(id)) => return self.mark_subject(id.0),
            _ => {}
        }
        let mut text = hmac::Context::with_key(&self.key);
        text.update(&[kind]);
        text.update(name.as_bytes());
        Mark(u64::from_be_bytes(leading(text.sign().as_ref())))
    }
}

/// What the ids of one kind are multiplied with.
struct IdKey(u64, u64);

impl IdKey {
    fn derive(key: &hmac::Key, kind: &[u8]) -> Self {
        let derived = hmac::sign(key, kind);
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = leading(derived.as_ref());
        Self(
            u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            u64::from_be_bytes([i, j, k, l, m, n, o, p]),
        )
    }

    const fn mark(&self, id: [u8; 16]) -> Mark {
        let id = u128::from_be_bytes(id);
        let (high, low) = ((id >> 64) as u64 ^ self.0, halved(id) ^ self.1);
        let product = high as u128 * low as u128;
        Mark((product >> 64) as u64 ^ halved(product))
    }
}

/// The lower half.
const fn halved(number: u128) -> u64 {
    let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h] = number.to_be_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fence")
            .field("cursor", &self.cursor)
            .field("floor", &self.floor)
            .field("global", &self.global)
            .finish_non_exhaustive()
    }
}

fn raise(epoch: &AtomicU64, seq: Seq) {
    epoch.fetch_max(seq.0, Ordering::AcqRel);
}

#[cfg(test)]
mod tests;
