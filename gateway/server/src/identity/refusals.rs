//! How often was a client refused for its token?
//!
//! Whoever tries tokens, or goes on with a bad one, is told 429 after a while, so that its errors
//! cost it more than they cost us. It says nothing of good tokens: these are never counted and never
//! refused here. Clients are told apart by their addresses, behind trusted proxies by those that these
//! tell; in IPv6 by their network of 64 bits, since that is what one client has at least.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

    /// Counts a refusal. `Err` if there were too many, and tells when there may be more.
    pub(crate) fn count(&self, client: IpAddr, now: BootTime) -> Result<(), Duration> {
        let hash = self.hasher.hash_one(network(client));
        let name = hash >> 32;
        let span = now.0.as_secs() / SPAN.as_secs() % (1 << SPAN_BITS);
        let at = usize::try_from(hash % SETS as u64).unwrap_or_default();
        let Some(place) = self.sets.get(at).and_then(|set| choose(set, name, span)) else {
            return Ok(());
        };
        let counted = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |found| {
            let same = found >> COUNT_BITS == name << SPAN_BITS | span;
            let count = if same { found & COUNT_MASK } else { 0 };
            let count = (count + 1).min(REFUSALS_MAX + 1);
            Some((name << SPAN_BITS | span) << COUNT_BITS | count)
        });
        let before = counted.unwrap_or_default();
        let same = before >> COUNT_BITS == name << SPAN_BITS | span;
        if same && before & COUNT_MASK >= REFUSALS_MAX {
            let into = now.0.as_secs() % SPAN.as_secs();
            return Err(SPAN - Duration::from_secs(into));
        }
        Ok(())
    }
}

const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// The client's own place, or the one that may best be taken over.
fn choose(set: &[AtomicU64; PLACES], name: u64, span: u64) -> Option<&AtomicU64> {
    let load = |place: &&AtomicU64| place.load(Ordering::Relaxed);
    let own = set
        .iter()
        .find(|place| load(place) >> (COUNT_BITS + SPAN_BITS) == name);
    own.or_else(|| {
        set.iter().min_by_key(|place| {
            let found = load(place);
            let is_of_now = (found >> COUNT_BITS) % (1 << SPAN_BITS) == span;
            (is_of_now, found & COUNT_MASK)
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

    #[test]
    fn a_client_may_be_refused_so_often_within_a_span_and_not_once_more() {
        let refusals = Refusals::new();
        let client = ip("192.0.2.1");
        for count in 0..REFUSALS_MAX {
            assert_eq!(refusals.count(client, at(23)), Ok(()), "{count}");
        }
        assert_eq!(refusals.count(client, at(23)), Err(Duration::from_secs(7)));
        assert_eq!(refusals.count(client, at(29)), Err(Duration::from_secs(1)));
        assert_eq!(refusals.count(ip("192.0.2.2"), at(29)), Ok(()));
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
