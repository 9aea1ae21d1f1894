//! Where did the log stand, some minutes ago?
//!
//! A value token says when it was made, by the wall clock; the fence counts changes. Once a second it is
//! noted where the log stands. A gap makes everything before it unknown, and so does the start.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use idp_token::fence::Stamp;
use idp_token::time::UnixSeconds;
use idp_token::value::LIFETIME_MAX;

use super::knowledge::Knowledge;
use crate::clock;

const NOTED_EVERY: Duration = Duration::from_secs(1);
/// A little longer than any value token lives.
const NOTES_MAX: usize = 660;
const _: () = assert!(NOTES_MAX as u64 > LIFETIME_MAX.as_secs());
/// Seconds are rounded, and no two clocks agree. A change of so little time before a token was made refuses
/// it, too.
const MARGIN: u64 = 2;

#[derive(Debug, Default)]
pub(super) struct History {
    notes: Mutex<VecDeque<(UnixSeconds, Stamp)>>,
}

impl History {
    /// Notes for as long as the process runs.
    pub(super) async fn run(self: Arc<Self>, knowledge: Arc<Knowledge>) {
        let mut ticks = tokio::time::interval(NOTED_EVERY);
        loop {
            ticks.tick().await;
            self.note(clock::unix_seconds(), knowledge.stamp());
        }
    }

    /// The stamp for what was known at that time; none if nobody knows.
    pub(super) fn stamp_at(&self, time: UnixSeconds, now: Stamp) -> Option<Stamp> {
        let before = UnixSeconds(time.0.checked_sub(MARGIN)?);
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let found = notes.iter().rev().find(|(at, _)| *at <= before);
        found
            .map(|(_, stamp)| *stamp)
            .filter(|stamp| stamp.is_since_same_gap(now))
    }

    fn note(&self, at: UnixSeconds, stamp: Stamp) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let last = notes.back().copied();
        if last.is_some_and(|(then, last)| then == at && last.is_since_same_gap(stamp)) {
            return;
        }
        // What is older than a gap is of no use any more; and a wall clock may be put back.
        if last.is_some_and(|(then, last)| then >= at || !last.is_since_same_gap(stamp)) {
            notes.clear();
        }
        notes.push_back((at, stamp));
        if notes.len() > NOTES_MAX {
            notes.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use idp_token::epoch::Seq;
    use idp_token::fence::{Fence, Scope};

    use super::*;

    fn at(seconds: u64) -> UnixSeconds {
        UnixSeconds(1_000_000 + seconds)
    }

    #[test]
    fn a_time_is_a_place_in_the_log_a_little_before_it() {
        let fence = Fence::new(&[1; 16], 16, 16, Seq::NONE);
        let history = History::default();
        let mut stamps = Vec::new();
        for second in 0..10 {
            history.note(at(second), fence.stamp());
            stamps.push(fence.stamp());
            fence.apply(Seq(second + 1), Scope::Global);
        }
        let find = |second| history.stamp_at(at(second), fence.stamp());
        assert_eq!(find(1), None);
        assert_eq!(find(2), Some(stamps[0]));
        assert_eq!(find(9), Some(stamps[7]));
        assert_eq!(find(500), Some(stamps[9]));
    }

    #[test]
    fn nothing_is_known_of_the_time_before_a_gap() {
        let fence = Fence::new(&[1; 16], 16, 16, Seq::NONE);
        let history = History::default();
        history.note(at(0), fence.stamp());
        history.note(at(0), fence.stamp());
        assert_eq!(history.stamp_at(at(2), fence.stamp()), Some(fence.stamp()));
        fence.raise_floor();
        assert_eq!(history.stamp_at(at(5), fence.stamp()), None);
        history.note(at(10), fence.stamp());
        assert_eq!(history.stamp_at(at(11), fence.stamp()), None);
        assert_eq!(history.stamp_at(at(12), fence.stamp()), Some(fence.stamp()));
    }

    #[test]
    fn as_much_is_noted_as_value_tokens_live_and_no_more() {
        let fence = Fence::new(&[1; 16], 16, 16, Seq::NONE);
        let history = History::default();
        for second in 0..2000 {
            history.note(at(second), fence.stamp());
        }
        assert_eq!(history.notes.lock().unwrap().len(), NOTES_MAX);
        assert!(history.stamp_at(at(2000 - 600), fence.stamp()).is_some());
        history.note(at(5), fence.stamp());
        assert_eq!(
            history.notes.lock().unwrap().len(),
            1,
            "the clock was put back"
        );
    }
}
