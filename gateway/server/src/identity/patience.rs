//! How long is something that failed let be? Twice as long each time, up to a bound.

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    shortest: Duration,
    longest: Duration,
    failures: u32,
}

impl Patience {
    pub(super) const fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest,
            longest,
            failures: 0,
        }
    }

    /// It failed. The pause, and whether it is the first since it last went well.
    pub(super) fn lose(&mut self) -> (Duration, bool) {
        let doubled = self.shortest.saturating_mul(1 << self.failures.min(16));
        let is_first = self.failures == 0;
        self.failures = self.failures.saturating_add(1);
        (doubled.min(self.longest), is_first)
    }

    /// It went well. Whether it had failed before.
    pub(super) const fn regain(&mut self) -> bool {
        let had_failed = self.failures > 0;
        self.failures = 0;
        had_failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_again() {
        let millis = Duration::from_millis;
        let mut patience = Patience::new(millis(50), millis(300));
        assert!(!patience.regain());
        let pauses = [(); 4].map(|()| patience.lose());
        let expected = [(50, true), (100, false), (200, false), (300, false)];
        assert_eq!(
            pauses,
            expected.map(|(pause, first)| (millis(pause), first))
        );
        assert!(patience.regain());
        assert_eq!(patience.lose(), (millis(50), true));
    }
}
