//! How old is what this gateway knows? Told without a lock, at every request.
//!
//! Two tasks write here: the one that reads the log, and the one that reports to the identity
//! provider. Each number only grows. Whoever reads them while they change may see an older state,
//! which is the more cautious one, and never a mixture that allows more than either state did.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use idp_token::lease::{Tolerance, Trust};
use idp_token::membership::Membership;
use idp_token::time::BootTime;

#[derive(Debug)]
pub(super) struct Proof {
    lease: Duration,
    fresh_at: Moment,
    joined_at: Moment,
    member_until: Moment,
}

impl Proof {
    pub(super) fn new(lease: Duration) -> Self {
        Self {
            lease,
            fresh_at: Moment::default(),
            joined_at: Moment::default(),
            member_until: Moment::default(),
        }
    }

    /// Every change before this moment is known.
    pub(super) fn note_fresh(&self, at: BootTime) {
        self.fresh_at.raise(at);
    }

    /// The order matters: whoever sees a membership that goes on sees when it began.
    pub(super) fn note_membership(&self, membership: &Membership) {
        if let Some((joined_at, until)) = membership.span() {
            self.joined_at.raise(joined_at);
            self.member_until.raise(until);
        }
    }

    /// Decides at the moment of use. `now` is read before this is called, so that what is proved
    /// in between may be of a later moment: then nothing is lost by asking.
    pub(super) fn trust(&self, tolerance: Tolerance, now: BootTime) -> Trust {
        let fresh_at = self.fresh_at.load();
        let age = fresh_at.and_then(|at| now.0.checked_sub(at.0));
        let trust = Trust::of(age, self.lease, tolerance);
        if trust != Trust::Fresh || fresh_at.is_some_and(|at| self.covers(at, now)) {
            return trust;
        }
        // Somebody may rely on it that nothing is served on the lease. A route that tolerates more
        // than the lease is not relied on.
        match tolerance {
            Tolerance::Tolerant { grace } if age.is_some_and(|age| age <= grace) => Trust::Grace,
            Tolerance::Tolerant { .. } | Tolerance::Strict => Trust::Ask,
        }
    }

    pub(super) fn age(&self, now: BootTime) -> Option<Duration> {
        now.0.checked_sub(self.fresh_at.load()?.0)
    }

    fn covers(&self, fresh_at: BootTime, now: BootTime) -> bool {
        let lasts = self.member_until.load().is_some_and(|until| now <= until);
        lasts
            && self
                .joined_at
                .load()
                .is_some_and(|joined| joined <= fresh_at)
    }
}

/// A moment that only moves on; none to begin with. Nanoseconds since the machine started are good
/// for five centuries.
#[derive(Debug, Default)]
struct Moment(AtomicU64);

impl Moment {
    fn raise(&self, to: BootTime) {
        let nanos = u64::try_from(to.0.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_max(nanos, Ordering::AcqRel);
    }

    fn load(&self) -> Option<BootTime> {
        let nanos = self.0.load(Ordering::Acquire);
        (nanos > 0).then(|| BootTime(Duration::from_nanos(nanos)))
    }
}

#[cfg(test)]
mod tests;
