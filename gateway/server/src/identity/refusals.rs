//! How often was a client refused for its token?
//!
//! Whoever tries tokens, or goes on with a bad one, is told 429 after a while, so that its errors
//! cost it more than they cost us. It says nothing of good tokens: these are never counted, and those that
//! are remembered are never refused here. Clients are told apart by their addresses, behind trusted proxies
//! by those that these tell; in IPv6 by their network of 64 bits, since that is what one client has at least.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateway_core::rejection::Rejection;
use idp_token::time::BootTime;

/// Refusals of one client within one span of time. Many people may share an address, and each of
/// them must hear that a token is over: it is far more than these need.
const REFUSALS_MAX: u64 = 300;
const SPAN: Duration = Duration::from_secs(10);

const SETS: usize = 4096;
const PLACES: usize = 4;
const COUNT_BITS: u32 = 16;
const SPAN_BITS: u32 = 16;

/// Clients that were refused lately: a place has a hash of the address, the number of the span and
/// how many refusals there were in it. In a full set the client takes over the place that is the
/// furthest behind; two clients that share a hash share what they may do wrong.
pub(crate) struct Refusals {
    sets: Box<[[AtomicU64; PLACES]]>,
    hasher: RandomState,
}

impl Refusals {
    pub(crate) fn new() -> Self {
        Self {
            sets: (0..SETS).map(|_| Default::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Counts a refusal. `Err` if there were too many before it, and tells when there may be more.
    pub(crate) fn count(&self, client: IpAddr, now: BootTime) -> Result<(), Rejection> {
        let (set, own) = self.place(client, now);
        let Some(place) = choose(set, own) else {
            return Ok(());
        };
        let counted = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |found| {
            let count = (count_of(found, own) + 1).min(REFUSALS_MAX + 1);
            Some(own << COUNT_BITS | count)
        });
        judge(count_of(counted.unwrap_or_default(), own), now)
    }

    /// Whether one more would be too many. Counts nothing.
    pub(super) fn check(&self, client: IpAddr, now: BootTime) -> Result<(), Rejection> {
        let (set, own) = self.place(client, now);
        let counts = set
            .iter()
            .map(|place| count_of(place.load(Ordering::Relaxed), own));
        judge(counts.max().unwrap_or_default(), now)
    }

    /// Where a client is counted, and what marks the counts of this span as its own.
    fn place(&self, client: IpAddr, now: BootTime) -> (&[AtomicU64], u64) {
        let hash = self.hasher.hash_one(network(client));
        let span = now.0.as_secs() / SPAN.as_secs() % (1 << SPAN_BITS);
        let at = usize::try_from(hash % SETS as u64).unwrap_or_default();
        let set = self.sets.get(at);
        let set = set.map(<[AtomicU64; PLACES]>::as_slice).unwrap_or_default();
        (set, hash >> 32 << SPAN_BITS | span)
    }
}

/// What a place has counted, if it is of this client and span.
const fn count_of(found: u64, own: u64) -> u64 {
    if found >> COUNT_BITS == own {
        found & COUNT_MASK
    } else {
        0
    }
}

fn judge(count: u64, now: BootTime) -> Result<(), Rejection> {
    if count < REFUSALS_MAX {
        return Ok(());
    }
    let left = SPAN.as_secs() - now.0.as_secs() % SPAN.as_secs();
    Err(Rejection::TooManyRefusals {
        retry_after_seconds: u32::try_from(left).unwrap_or(u32::MAX),
    })
}

const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// The client's own place, or the one that may best be taken over.
fn choose(set: &[AtomicU64], own: u64) -> Option<&AtomicU64> {
    let load = |place: &&AtomicU64| place.load(Ordering::Relaxed) >> COUNT_BITS;
    let same = set
        .iter()
        .find(|place| load(place) >> SPAN_BITS == own >> SPAN_BITS);
    same.or_else(|| {
        set.iter().min_by_key(|place| {
            let is_of_now = load(place) % (1 << SPAN_BITS) == own % (1 << SPAN_BITS);
            (is_of_now, place.load(Ordering::Relaxed) & COUNT_MASK)
        })
    })
}

/// What one client has of addresses.
fn network(client: IpAddr) -> u128 {
    match client.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn wait(retry_after_seconds: u32) -> Result<(), Rejection> {
        Err(Rejection::TooManyRefusals {
            retry_after_seconds,
        })
    }

    #[test]
    fn a_client_may_be_refused_so_often_within_a_span_and_not_once_more() {
        let refusals = Refusals::new();
        let client = ip("192.0.2.1");
        for count in 0..REFUSALS_MAX {
            assert_eq!(refusals.check(client, at(23)), Ok(()), "{count}");
            assert_eq!(refusals.count(client, at(23)), Ok(()), "{count}");
        }
        assert_eq!(refusals.count(client, at(23)), wait(7));
        assert_eq!(refusals.check(client, at(23)), wait(7));
        assert_eq!(refusals.count(client, at(29)), wait(1));
        assert_eq!(refusals.check(ip("192.0.2.2"), at(29)), Ok(()));
        assert_eq!(refusals.count(ip("192.0.2.2"), at(29)), Ok(()));
        assert_eq!(refusals.check(client, at(30)), Ok(()));
        assert_eq!(refusals.count(client, at(30)), Ok(()));
    }

    #[test]
    fn a_client_has_one_budget_however_it_spells_its_address() {
        let refusals = Refusals::new();
        for _ in 0..REFUSALS_MAX {
            refusals.count(ip("2001:db8::1"), at(1)).unwrap();
            refusals.count(ip("::ffff:192.0.2.1"), at(1)).unwrap();
        }
        assert!(refusals.count(ip("2001:db8::ffff:2"), at(1)).is_err());
        assert!(refusals.count(ip("192.0.2.1"), at(1)).is_err());
        assert!(refusals.count(ip("2001:db8:0:1::1"), at(1)).is_ok());
    }

    #[test]
    fn whoever_is_over_its_budget_stays_so_among_many_others() {
        let refusals = Refusals::new();
        let client = ip("192.0.2.1");
        for _ in 0..REFUSALS_MAX {
            refusals.count(client, at(1)).unwrap();
        }
        for other in 0..100_000_u32 {
            let _ = refusals.count(IpAddr::from(other.to_be_bytes()), at(1));
        }
        assert!(refusals.count(client, at(1)).is_err());
    }
}
