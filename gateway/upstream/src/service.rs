//! May a service be asked, and which of its endpoints?
//!
//! The less busy of two random choices: nearly as even as asking all of them, without the herd that
//! runs to whoever looked idle a moment ago. Endpoints that are neither ejected nor found unhealthy
//! come first; where none is left the others are tried all the same, since a wrong guess about all
//! of them would otherwise be an outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::breaker::{Breaker, BreakerState, Pass};
use crate::budget::Budget;
use crate::call::{Call, TimeLimit};
use crate::ejection::Ejection;
use crate::endpoint::{Endpoint, InFlight};
use crate::policy::Policy;

/// A service and the state of its endpoints. It outlives a reload that does not change its policy.
#[derive(Debug)]
pub struct Service {
    policy: Policy,
    endpoints: Vec<Arc<Endpoint>>,
    in_flight: AtomicUsize,
    breakers: Option<Breakers>,
    pub(crate) budget: Budget,
    pub(crate) ejection: Ejection,
}

/// What a call asks for. A service may be able to say one thing and not many at once, so each kind has a
/// breaker of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Single,
    /// Many records at once, or what changed in a table.
    Batch,
}

#[derive(Debug)]
struct Breakers {
    single: Arc<Breaker>,
    batch: Arc<Breaker>,
}

/// Why a service is not asked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It failed too often; worth another try after this time.
    BreakerOpen { retry_after: Duration },
    /// As many calls as it may have are under way.
    Saturated,
}

impl Service {
    #[must_use]
    pub fn new(policy: Policy, now: Instant) -> Arc<Self> {
        let addresses = policy.endpoints.iter();
        Arc::new(Self {
            endpoints: addresses.map(|at| Arc::new(Endpoint::new(*at))).collect(),
            in_flight: AtomicUsize::new(0),
            breakers: policy.has_breaker.then(|| Breakers {
                single: Breaker::new(now),
                batch: Breaker::new(now),
            }),
            budget: Budget::new(now),
            ejection: Ejection::new(policy.endpoints.len()),
            policy,
        })
    }

    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    #[must_use]
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// Whether the endpoint at this place is among those that are tried first.
    #[must_use]
    pub fn is_ready(&self, place: usize, now: Instant) -> bool {
        self.endpoints.get(place).is_some_and(|e| e.is_healthy())
            && !self.ejection.is_ejected(place, now)
    }

    /// How many times an endpoint was ejected.
    #[must_use]
    pub fn ejections(&self) -> u64 {
        self.ejection.total()
    }

    /// Of the kind of calls that fares worse. A service without a breaker has one that never opens.
    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        let state = |kind| {
            let breaker = self.breaker(kind);
            breaker.map_or(BreakerState::Closed, Breaker::state)
        };
        match (state(Kind::Single), state(Kind::Batch)) {
            (BreakerState::Closed, other) | (other, BreakerState::Closed) => other,
            (BreakerState::Open, _) | (_, BreakerState::Open) => BreakerState::Open,
            (BreakerState::HalfOpen, BreakerState::HalfOpen) => BreakerState::HalfOpen,
        }
    }

    /// Begins a call for one thing, or says why there can be none.
    pub fn admit(self: &Arc<Self>, limit: TimeLimit, now: Instant) -> Result<Call, Refusal> {
        self.admit_kind(Kind::Single, limit, now)
    }

    /// Begins a call, or says why there can be none.
    pub fn admit_kind(
        self: &Arc<Self>,
        kind: Kind,
        limit: TimeLimit,
        now: Instant,
    ) -> Result<Call, Refusal> {
        let pass = self.pass(kind, now)?;
        if !self.take_place() {
            return Err(Refusal::Saturated);
        }
        self.budget.earn(now);
        Ok(Call::new(Arc::clone(self), (kind, pass), limit))
    }

    /// Takes from the budget what a call costs that nobody waits for, such as a refresh ahead of need.
    #[must_use]
    pub fn may_refresh(&self, now: Instant) -> bool {
        self.budget.spend(now)
    }

    fn pass(&self, kind: Kind, now: Instant) -> Result<Option<Pass>, Refusal> {
        let Some(breaker) = self.breakers.as_ref().map(|breakers| breakers.of(kind)) else {
            return Ok(None);
        };
        let pass = breaker.admit(now);
        pass.map(Some)
            .map_err(|retry_after| Refusal::BreakerOpen { retry_after })
    }

    pub(crate) fn breaker(&self, kind: Kind) -> Option<&Breaker> {
        self.breakers.as_ref().map(|breakers| &**breakers.of(kind))
    }

    fn take_place(&self) -> bool {
        let most = self.policy.in_flight_max;
        self.in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < most).then_some(taken + 1)
            })
            .is_ok()
    }

    pub(crate) fn give_place_back(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Picks an endpoint that is not among `tried` and begins an attempt there.
    pub(crate) fn pick(&self, tried: &[usize], now: Instant, random: u64) -> Option<InFlight> {
        let is_untried = |place: &usize| !tried.contains(place);
        let is_ready = |place: &usize| is_untried(place) && self.is_ready(*place, now);
        let place = self
            .less_busy(is_ready, random)
            .or_else(|| self.less_busy(is_untried, random))?;
        let endpoint = self.endpoints.get(place)?;
        Some(InFlight::begin(endpoint, place))
    }

    fn less_busy(&self, is_open: impl Fn(&usize) -> bool, random: u64) -> Option<usize> {
        let open = || (0..self.endpoints.len()).filter(&is_open);
        let count = open().count();
        let first = open().nth(bounded(random & 0xffff_ffff, count))?;
        let second = open().nth(bounded(random >> 32, count))?;
        let in_flight = |place: usize| self.endpoints.get(place).map(|e| e.in_flight());
        if in_flight(second) < in_flight(first) {
            return Some(second);
        }
        Some(first)
    }
}

impl Breakers {
    fn of(&self, kind: Kind) -> &Arc<Breaker> {
        match kind {
            Kind::Single => &self.single,
            Kind::Batch => &self.batch,
        }
    }
}

/// Spreads 32 random bits over `0..below`.
fn bounded(random: u64, below: usize) -> usize {
    usize::try_from((random * below as u64) >> 32).unwrap_or(0)
}

#[cfg(test)]
pub(crate) mod tests;
