//! May this refresh token be exchanged, and for what?

use std::time::Duration;

use crate::time::UnixSeconds;

/// How long a client may ask again for the successor it was already given: its answer was lost, or
/// two of its threads asked at once.
pub const RETRY_WINDOW: Duration = Duration::from_secs(10);

/// All that is stored of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The counter of the newest token, which was never presented yet.
    pub current: u32,
    /// When the newest one was first handed out.
    pub advanced_at: UnixSeconds,
    pub standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Live,
    Killed,
}

/// What is to be done about a token whose tag was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redemption {
    /// Store this by compare-and-set on the counter, then hand out its newest token. Who loses the
    /// race reads again and finds `Repeat`.
    Advance(Family),
    /// Hand out the newest token once more. Nothing changes.
    Repeat,
    /// An old token came back, so somebody else has it: kill the family and its session.
    Reuse,
    /// Our tag on a token that was never handed out: the key leaked. Kill, and raise the alarm.
    NeverIssued,
    /// The family was killed, or has no counters left.
    Dead,
}

impl Family {
    #[must_use]
    pub const fn begin(now: UnixSeconds) -> Self {
        Self {
            current: 0,
            advanced_at: now,
            standing: Standing::Live,
        }
    }

    /// Judges a counter that the family's own client presents; whose client it is was compared
    /// before.
    #[must_use]
    pub fn redeem(&self, counter: u32, now: UnixSeconds) -> Redemption {
        if self.standing == Standing::Killed {
            return Redemption::Dead;
        }
        if counter > self.current {
            return Redemption::NeverIssued;
        }
        if counter == self.current {
            return self.advance(now);
        }
        let is_previous = counter.checked_add(1) == Some(self.current);
        // A clock that was set back must not stretch the window.
        let is_in_time = now.0 >= self.advanced_at.0 && now.since(self.advanced_at) <= RETRY_WINDOW;
        if is_previous && is_in_time {
            Redemption::Repeat
        } else {
            Redemption::Reuse
        }
    }

    fn advance(&self, now: UnixSeconds) -> Redemption {
        match self.current.checked_add(1) {
            Some(current) => Redemption::Advance(Self {
                current,
                advanced_at: now,
                standing: Standing::Live,
            }),
            None => Redemption::Dead,
        }
    }
}
