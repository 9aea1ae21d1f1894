//! Is there anybody who answers?
//!
//! A provider that hangs takes every call and answers none. Whoever asked it in vain has waited for the
//! whole deadline; nobody else need. So after some time without an answer nothing more is asked, but for
//! one question at a time that tells when there is somebody again.

use std::time::Duration;

use idp_token::time::BootTime;

/// Longer than a provider that is well ever takes, and shorter than a call waits.
const SILENT_AFTER: Duration = Duration::from_millis(700);

#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Calls under way.
    calls: usize,
    /// Since when there are calls and no answer.
    waiting_since: Option<BootTime>,
    /// The last call ended so.
    is_silent: bool,
}

impl Silence {
    /// Whether a question is refused.
    pub(super) fn refuses(&self, now: BootTime) -> bool {
        self.is_long(now) || (self.is_silent && self.calls > 0)
    }

    pub(super) fn begin(&mut self, now: BootTime) {
        self.calls += 1;
        self.waiting_since.get_or_insert(now);
    }

    /// A call is over. Whatever was answered, somebody was there; and who turns a call away at once is
    /// not silent.
    pub(super) fn end(&mut self, is_answered: bool, now: BootTime) {
        self.is_silent = !is_answered && (self.is_silent || self.is_long(now));
        self.calls = self.calls.saturating_sub(1);
        if self.calls == 0 {
            self.waiting_since = None;
        } else if is_answered {
            self.waiting_since = Some(now);
        }
    }

    fn is_long(&self, now: BootTime) -> bool {
        let since = self.waiting_since;
        since.is_some_and(|since| now.0.saturating_sub(since.0) > SILENT_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> BootTime {
        BootTime(Duration::from_millis(millis))
    }

    #[test]
    fn whoever_comes_after_long_silence_is_refused_and_one_at_a_time_is_not() {
        let mut silence = Silence::default();
        silence.begin(at(1000));
        silence.begin(at(1500));
        assert!(!silence.refuses(at(1700)));
        assert!(silence.refuses(at(1701)));
        silence.end(false, at(2000));
        assert!(silence.refuses(at(2000)), "the other call is out");
        silence.end(false, at(2500));
        assert!(!silence.refuses(at(2500)), "somebody has to try");
        silence.begin(at(3000));
        assert!(silence.refuses(at(3000)), "one is enough");
        silence.end(false, at(4000));
        assert!(!silence.refuses(at(4000)));
        silence.begin(at(5000));
        silence.end(true, at(5900));
        assert!(!silence.refuses(at(5900)), "somebody is there");
        silence.begin(at(6000));
        assert!(!silence.refuses(at(6100)));
    }

    #[test]
    fn an_answer_to_anybody_is_a_sign_of_life() {
        let mut silence = Silence::default();
        silence.begin(at(0));
        silence.begin(at(600));
        silence.end(true, at(650));
        assert!(!silence.refuses(at(1350)));
        assert!(silence.refuses(at(1351)));
    }

    #[test]
    fn who_turns_calls_away_at_once_is_asked_again_at_once() {
        let mut silence = Silence::default();
        for now in [0, 10, 20] {
            silence.begin(at(now));
            silence.begin(at(now));
            silence.end(false, at(now + 5));
            assert!(!silence.refuses(at(now + 5)));
            silence.end(false, at(now + 5));
        }
    }
}
