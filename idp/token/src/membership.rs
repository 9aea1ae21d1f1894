//! May a gateway trust what it remembers, as far as those are concerned who wait for it?
//!
//! Whoever revokes may wait until no gateway can serve what was revoked. For that the identity
//! provider must know whom to wait for, and a gateway that it cannot hear may still read the log
//! somewhere else and be as fresh as any. So there are two rules beside the lease:
//!
//! - Nothing is trusted later than [`MEMBER_FOR`] after a report was sent that was acknowledged.
//!   The identity provider forgets a gateway later than that.
//! - Who joins, or joins again, was not waited for before. So nothing is trusted until the log has
//!   proved it fresh as of a moment after the acknowledgement.
//!
//! Times are those of the gateway's own clock.

use std::time::Duration;

use crate::time::BootTime;

pub const MEMBER_FOR: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Default)]
pub struct Membership {
    joined_at: Option<BootTime>,
    /// When the last report was sent of those that were acknowledged.
    renewed_at: Option<BootTime>,
}

impl Membership {
    /// A report that was sent then is acknowledged.
    pub fn acknowledge(&mut self, sent: BootTime, now: BootTime) {
        if !self.lasts(now) {
            self.joined_at = Some(now);
        }
        self.renewed_at = self.renewed_at.max(Some(sent));
    }

    /// Whether what the log proved fresh as of that moment may be trusted now.
    #[must_use]
    pub fn covers(&self, fresh_at: BootTime, now: BootTime) -> bool {
        self.lasts(now) && self.joined_at.is_some_and(|joined| joined <= fresh_at)
    }

    /// The same for those who read it while it changes: what is fresh as of the first of these moments
    /// or later is covered until the second. None before the first acknowledgement.
    #[must_use]
    pub fn span(&self) -> Option<(BootTime, BootTime)> {
        let renewed = self.renewed_at?.0;
        Some((
            self.joined_at?,
            BootTime(renewed.saturating_add(MEMBER_FOR)),
        ))
    }

    fn lasts(&self, now: BootTime) -> bool {
        let age = self.renewed_at.and_then(|sent| now.0.checked_sub(sent.0));
        age.is_some_and(|age| age <= MEMBER_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    #[test]
    fn nothing_is_trusted_before_the_first_acknowledgement_or_from_before_it() {
        let mut membership = Membership::default();
        assert!(!membership.covers(at(10), at(10)));
        membership.acknowledge(at(8), at(10));
        assert!(!membership.covers(at(9), at(11)));
        assert!(membership.covers(at(10), at(11)));
    }

    #[test]
    fn a_membership_lasts_from_the_sending_of_a_report() {
        let mut membership = Membership::default();
        membership.acknowledge(at(8), at(10));
        assert!(membership.covers(at(128), at(128)));
        assert!(!membership.covers(at(128), at(129)));
        assert!(!membership.covers(at(10), at(7)), "the clock went back");

        membership.acknowledge(at(100), at(128));
        assert!(membership.covers(at(10), at(220)), "it never ended");
        membership.acknowledge(at(50), at(129));
        assert!(membership.covers(at(10), at(220)), "nor by what comes late");
    }

    #[test]
    fn its_span_says_the_same_as_asking_it() {
        let mut membership = Membership::default();
        assert_eq!(membership.span(), None);
        membership.acknowledge(at(8), at(10));
        assert_eq!(membership.span(), Some((at(10), at(128))));
        membership.acknowledge(at(100), at(110));
        assert_eq!(membership.span(), Some((at(10), at(220))));
        membership.acknowledge(at(230), at(240));
        assert_eq!(membership.span(), Some((at(240), at(350))));
    }

    #[test]
    fn who_joins_again_begins_again() {
        let mut membership = Membership::default();
        membership.acknowledge(at(8), at(10));
        membership.acknowledge(at(120), at(129));
        assert!(!membership.covers(at(128), at(130)));
        assert!(membership.covers(at(129), at(130)));

        let mut late = Membership::default();
        late.acknowledge(at(8), at(200));
        assert!(!late.covers(at(200), at(200)), "it was over when it began");
    }
}
