//! What is counted of callers: who told of them, and why they were let through or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateway_core::verdict::Gap;
use prometheus::{Gauge, IntCounter, IntGauge};

use super::{House, Made};
use crate::stripe;

/// In the order of [`Layer`].
const LAYERS: [&str; 5] = ["cache", "grace", "redis", "provider", "signature"];
/// In the order of [`Gap`].
const GAPS: [&str; 5] = ["unknown", "void", "stale", "idle", "spent"];

/// Who told of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// The cache of this gateway, with fresh proof that it knows every change.
    Cache,
    /// The same without, on a route that tolerates it.
    Grace,
    Redis,
    Provider,
    /// The token itself, which was verified for the first time.
    Signature,
}

impl Layer {
    /// As logs have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Grace => "grace",
            Self::Redis => "redis",
            Self::Provider => "provider",
            Self::Signature => "signature",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct IdentityMetrics {
    layers: [IntCounter; LAYERS.len()],
    /// What `layers` does not know yet of the cache.
    cached: Arc<Stripes>,
    gaps: [IntCounter; GAPS.len()],
    renewals: [IntCounter; 2],
    pub(crate) unknown_with_valid_tag: IntCounter,
    lease_age_seconds: Gauge,
    cache_bytes: IntGauge,
}

impl IdentityMetrics {
    pub(super) fn new(house: &House<'_>) -> Made<Self> {
        let layers = house.counters(
            "identity_callers_total",
            "Requests with a good token, by who told so: cache, grace (the cache, past the lease), redis, \
             provider, signature (of a value token that was not seen before).",
            &["layer"],
        )?;
        let gaps = house.counters(
            "identity_refetches_total",
            "Look-ups of tokens by what was remembered: unknown (nothing), void (older than a change), \
             stale (the lease had run out), idle, spent (its value token was old).",
            &["gap"],
        )?;
        let renewals = house.counters(
            "identity_renewals_total",
            "Value tokens fetched before the last one expired, by result: done, failed.",
            &["result"],
        )?;
        Ok(Self {
            layers: LAYERS.map(|layer| layers.with_label_values(&[layer])),
            cached: Arc::default(),
            gaps: GAPS.map(|gap| gaps.with_label_values(&[gap])),
            renewals: ["done", "failed"].map(|result| renewals.with_label_values(&[result])),
            unknown_with_valid_tag: house.counter(
                "identity_valid_tag_unknown_token_total",
                "Tokens that are tagged as ours and that the identity provider did not know, or not any \
                 more. Many of them mean that the keys of the tags are known to somebody else.",
            )?,
            lease_age_seconds: house.gauge_f64(
                "identity_lease_age_seconds",
                "How old the proof is that every change is known; past the lease nothing strict is \
                 served from the cache. -1 without any.",
            )?,
            cache_bytes: house.gauge(
                "identity_cache_bytes",
                "What is remembered of tokens, in bytes.",
            )?,
        })
    }

    /// A request whose caller the cache knew writes to no line that other threads write to.
    pub(crate) fn count_caller(&self, layer: Layer) {
        if layer == Layer::Cache {
            self.cached.inc();
        } else if let Some(counter) = self.layers.get(layer as usize) {
            counter.inc();
        }
    }

    pub(crate) fn count_gap(&self, gap: Gap) {
        let at = match gap {
            Gap::Unknown => 0,
            Gap::Void => 1,
            Gap::Stale => 2,
            Gap::Idle => 3,
            Gap::Spent => 4,
        };
        if let Some(counter) = self.gaps.get(at) {
            counter.inc();
        }
    }

    pub(crate) fn count_renewal(&self, is_done: bool) {
        let [done, failed] = &self.renewals;
        if is_done { done.inc() } else { failed.inc() }
    }

    /// How things are now, for whoever looks.
    pub(crate) fn note(&self, lease_age: Option<Duration>, cache_bytes: u64) {
        let [cached, ..] = &self.layers;
        cached.inc_by(self.cached.take());
        let age = lease_age.map_or(-1.0, |age| age.as_secs_f64());
        self.lease_age_seconds.set(age);
        self.cache_bytes
            .set(i64::try_from(cache_bytes).unwrap_or(i64::MAX));
    }
}

const STRIPES: usize = 16;

/// A count that threads add to without getting into each other's way.
#[derive(Debug, Default)]
struct Stripes {
    stripes: [Stripe; STRIPES],
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

impl Stripes {
    fn inc(&self) {
        let own = stripe::of_this_thread() % STRIPES;
        if let Some(Stripe(count)) = self.stripes.get(own) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was added since the last time.
    fn take(&self) -> u64 {
        let stripes = self.stripes.iter();
        stripes
            .map(|Stripe(count)| count.swap(0, Ordering::Relaxed))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_many_threads_loses_nothing() {
        let stripes = Stripes::default();
        let taken = std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| (0..1000).for_each(|_| stripes.inc()));
            }
            (0..100).map(|_| stripes.take()).sum::<u64>()
        });
        assert_eq!(taken + stripes.take(), 40_000);
    }

    #[test]
    fn layers_and_gaps_are_named_in_their_order() {
        let all = [
            Layer::Cache,
            Layer::Grace,
            Layer::Redis,
            Layer::Provider,
            Layer::Signature,
        ];
        assert_eq!(all.map(Layer::as_str), LAYERS);
        assert_eq!(all.map(|layer| layer as usize), [0, 1, 2, 3, 4]);
    }
}
