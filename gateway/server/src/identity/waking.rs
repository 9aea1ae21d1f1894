//! Was this process stopped, or starved, for longer than its lease? Then everything remembered is
//! void.
//!
//! Requests need not wait for this to be noticed: each reads the clock itself, which goes on while
//! the machine is suspended, and finds its lease run out.

use std::sync::Arc;
use std::time::Duration;

use idp_token::time::BootTime;
use tokio::time::{MissedTickBehavior, interval};

use super::knowledge::Knowledge;
use crate::clock;
use crate::metrics::{SourceMetrics, Void};

const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) async fn watch(knowledge: Arc<Knowledge>, lease: Duration, metrics: SourceMetrics) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut awake = Awake::new(clock::boot());
    loop {
        ticks.tick().await;
        if awake.look(clock::boot(), lease) {
            knowledge.fence().raise_floor();
            metrics.log.count_void(Void::Suspended);
            tracing::warn!("the process stood still for longer than its lease");
        }
    }
}

#[derive(Debug)]
struct Awake {
    seen_at: BootTime,
}

impl Awake {
    const fn new(now: BootTime) -> Self {
        Self { seen_at: now }
    }

    /// Whether it was not, for longer than the lease and what lies between two looks anyhow.
    fn look(&mut self, now: BootTime, lease: Duration) -> bool {
        let asleep = now.0.saturating_sub(self.seen_at.0);
        self.seen_at = now;
        asleep > lease.saturating_add(LOOK_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standing_still_is_noticed_past_the_lease_and_once() {
        let at = |millis| BootTime(Duration::from_millis(millis));
        let lease = Duration::from_secs(1);
        let mut awake = Awake::new(at(0));
        let looks = [100, 1200, 2301, 2400, 9000].map(|now| awake.look(at(now), lease));
        assert_eq!(looks, [false, false, true, false, true]);
    }
}
