//! When is the log read in Redis again?
//!
//! Not as soon as it is back: one that comes and goes would cost a piece of every lease. It has to
//! have been well for a while, and for longer each time that it did not last. Where the other log
//! proves nothing either there is nothing to lose, and the first sign of life will do.

use std::time::Duration;

use idp_token::time::BootTime;

pub(super) const WELL_MIN: Duration = Duration::from_secs(3);
pub(super) const WELL_MAX: Duration = Duration::from_secs(60);
/// Who stayed for so long is trusted as at first.
const STAY_MIN: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub(super) struct Choice {
    well_for: Duration,
    well_since: Option<BootTime>,
    returned_at: Option<BootTime>,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            well_for: WELL_MIN,
            well_since: None,
            returned_at: None,
        }
    }
}

impl Choice {
    /// Redis was left.
    pub(super) fn leave(&mut self, now: BootTime) {
        let stayed = self
            .returned_at
            .map(|returned| now.0.saturating_sub(returned.0));
        self.well_for = match stayed {
            Some(stayed) if stayed < STAY_MIN => (self.well_for * 2).min(WELL_MAX),
            Some(_) | None => WELL_MIN,
        };
        self.well_since = None;
    }

    /// Redis was looked at. Whether to read it again.
    pub(super) fn look(&mut self, is_well: bool, is_needed: bool, now: BootTime) -> bool {
        if !is_well {
            self.well_since = None;
            return false;
        }
        let since = *self.well_since.get_or_insert(now);
        let is_wanted = is_needed || now.0.saturating_sub(since.0) >= self.well_for;
        if is_wanted {
            self.returned_at = Some(now);
        }
        is_wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    /// How long Redis has to be well from then on, looked at once a second.
    fn wait(choice: &mut Choice, from: u64) -> u64 {
        let mut looks = from..from + 1000;
        looks
            .find(|now| choice.look(true, false, at(*now)))
            .unwrap()
            - from
    }

    #[test]
    fn one_that_comes_and_goes_has_to_be_well_for_longer_each_time() {
        let mut choice = Choice::default();
        choice.leave(at(100));
        let mut now = 100;
        let mut waits = Vec::new();
        for _ in 0..7 {
            let waited = wait(&mut choice, now);
            waits.push(waited);
            now += waited + 10;
            choice.leave(at(now));
        }
        assert_eq!(waits, [3, 6, 12, 24, 48, 60, 60]);

        now += wait(&mut choice, now) + 60;
        choice.leave(at(now));
        assert_eq!(wait(&mut choice, now), 3, "it had stayed");
    }

    #[test]
    fn one_bad_look_begins_the_wait_anew() {
        let mut choice = Choice::default();
        choice.leave(at(0));
        assert!(!choice.look(true, false, at(1)));
        assert!(!choice.look(true, false, at(3)));
        assert!(!choice.look(false, false, at(4)));
        assert_eq!(wait(&mut choice, 5), 3);
    }

    #[test]
    fn where_nothing_else_proves_anything_the_first_sign_of_life_will_do() {
        let mut choice = Choice::default();
        choice.leave(at(0));
        assert!(!choice.look(false, true, at(1)));
        assert!(choice.look(true, true, at(2)));
    }
}
