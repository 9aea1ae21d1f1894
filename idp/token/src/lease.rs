//! How long may a gateway trust what it remembers?
//!
//! The relay that publishes changes also sends *beats*. Beat n+1 is sent only after a look at the
//! outbox that began after beat n was acknowledged found nothing unpublished. So whoever has read
//! beat n+1 has read every change that was made before beat n was sent. Silence means "unknown" and
//! never "nothing happened": the lease simply runs out.
//!
//! A gateway cannot tell when beat n was sent, and compares no clocks. But a read that did not
//! contain it began before it was there: the start of the last such read is a moment of the
//! gateway's own clock before which it knows everything, once beat n+1 is read. A delay anywhere
//! makes this moment older and the gateway more cautious.

use std::time::Duration;

use crate::time::BootTime;

pub const LEASE_DEFAULT: Duration = Duration::from_secs(1);
pub const GRACE_DEFAULT: Duration = Duration::from_secs(60);
pub const BEAT_EVERY: Duration = Duration::from_millis(100);
/// After three beats that did not come, the log is followed elsewhere.
pub const SILENCE_MAX: Duration = Duration::from_millis(300);

/// What a route does when the lease has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    Strict,
    /// Goes on for as long after the last proof, and says so in the log.
    Tolerant {
        grace: Duration,
    },
}

/// What may be done with an entry of the cache that the fence lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Serve from the cache; nothing is looked up.
    Fresh,
    /// Serve from the cache, marked.
    Grace,
    /// Ask the identity provider about this very request; if it cannot be asked, the answer is 503.
    Ask,
}

impl Trust {
    /// What knowledge of that age is good for; of none at all nothing can be said.
    #[must_use]
    pub fn of(age: Option<Duration>, lease: Duration, tolerance: Tolerance) -> Self {
        let Some(age) = age else {
            return Self::Ask;
        };
        if age <= lease {
            return Self::Fresh;
        }
        match tolerance {
            Tolerance::Tolerant { grace } if age <= grace => Self::Grace,
            Tolerance::Tolerant { .. } | Tolerance::Strict => Self::Ask,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    length: Duration,
    /// The start of the read whose contents are being reported.
    read: Option<BootTime>,
    /// The start of the last read before that one.
    read_before: Option<BootTime>,
    last_beat: Option<Beat>,
    fresh_at: Option<BootTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Beat {
    number: u64,
    /// Everything before this moment is known once the next beat is read.
    vouches_for: Option<BootTime>,
}

impl Lease {
    #[must_use]
    pub const fn new(length: Duration) -> Self {
        Self {
            length,
            read: None,
            read_before: None,
            last_beat: None,
            fresh_at: None,
        }
    }

    /// A read that began then has ended, and there was no beat in it.
    pub fn read_without_beat(&mut self, began: BootTime) {
        self.begin(began);
    }

    /// A read that began then contained this beat. Several beats of one read are reported one by
    /// one, with the same start. A relay numbers its beats by one, and a new relay begins at a
    /// number that does not continue those of another.
    pub fn beat(&mut self, number: u64, began: BootTime) {
        if !self.begin(began) {
            return;
        }
        let last = self.last_beat;
        if last.is_some_and(|last| last.number == number) {
            return;
        }
        let follows = last.filter(|last| last.number.checked_add(1) == Some(number));
        // With a beat missing nobody says what was published in between.
        self.fresh_at = self.fresh_at.max(follows.and_then(|last| last.vouches_for));
        self.last_beat = Some(Beat {
            number,
            vouches_for: self.read_before,
        });
    }

    /// The log is read from somewhere else now. What is known stays known; a beat heard here
    /// vouches for nothing there.
    pub fn change_source(&mut self) {
        self.read = None;
        self.read_before = None;
        self.last_beat = None;
    }

    /// The moment before which every change is known.
    #[must_use]
    pub const fn fresh_at(&self) -> Option<BootTime> {
        self.fresh_at
    }

    /// How old that knowledge is; none without any, or if the clock went back, which it never may.
    #[must_use]
    pub fn age(&self, now: BootTime) -> Option<Duration> {
        now.0.checked_sub(self.fresh_at?.0)
    }

    /// Decides at the moment of use, by a clock read then: a process that was stopped finds its
    /// lease run out before anything has told it so.
    #[must_use]
    pub fn trust(&self, tolerance: Tolerance, now: BootTime) -> Trust {
        Trust::of(self.age(now), self.length, tolerance)
    }

    /// The number of the last beat that was heard here. Another one is a sign of life.
    #[must_use]
    pub fn last_beat(&self) -> Option<u64> {
        self.last_beat.map(|beat| beat.number)
    }

    /// Takes note of a read; false if it began before one that was reported already, which reads
    /// of one connection never do.
    fn begin(&mut self, began: BootTime) -> bool {
        if self.read.is_some_and(|read| began < read) {
            return false;
        }
        if self.read != Some(began) {
            self.read_before = self.read;
            self.read = Some(began);
        }
        true
    }
}

#[cfg(test)]
mod tests;
