//! How far a run is: a bar where somebody looks at it, and otherwise a line now and then.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};

use load::open::{Phase, Progress};

use crate::verb::say;

const BAR: usize = 30;
/// Between two lines.
const LINE_EVERY_S: u64 = 5;
/// Lines while tokens are got.
const LOGIN_LINES: f64 = 4.0;

pub(super) struct Teller {
    is_terminal: bool,
    last: Mutex<Option<(Phase, u64)>>,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
            last: Mutex::new(None),
        }
    }

    pub(super) fn tell(&self, progress: Progress) {
        if self.is_terminal {
            say(&mut io::stderr(), &bar(progress));
            return;
        }
        let step = step(progress);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != Some((progress.phase, step)) {
            *last = Some((progress.phase, step));
            say(&mut io::stderr(), &(line(progress) + "\n"));
        }
    }

    pub(super) fn clear(&self) {
        if self.is_terminal {
            say(&mut io::stderr(), "\r\x1b[K");
        }
    }
}

/// A line is written when this is another than before.
fn step(progress: Progress) -> u64 {
    match progress.phase {
        Phase::LoggingIn => whole(progress.done * LOGIN_LINES),
        Phase::WarmingUp | Phase::Running => progress.passed.as_secs() / LINE_EVERY_S,
    }
}

fn bar(progress: Progress) -> String {
    let full = usize::try_from(whole(progress.done * BAR as f64)).unwrap_or(BAR);
    let bar = "#".repeat(full.min(BAR)) + &"-".repeat(BAR.saturating_sub(full));
    // What was longer before is written over.
    format!("\r[{bar}] {:<60}", line(progress))
}

fn line(progress: Progress) -> String {
    let Progress { sent, failed, .. } = progress;
    let percent = progress.done * 100.0;
    match progress.phase {
        Phase::LoggingIn => format!("{percent:3.0} %  {sent} tokens"),
        Phase::WarmingUp => format!("{percent:3.0} % of the warm-up  {sent} sent, {failed} failed"),
        Phase::Running => format!("{percent:3.0} %  {sent} sent, {failed} failed"),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small number that is not negative"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn running(done: f64, seconds: u64) -> Progress {
        Progress {
            phase: Phase::Running,
            done,
            passed: Duration::from_secs(seconds),
            sent: 1200,
            failed: 3,
        }
    }

    #[test]
    fn a_bar_is_as_full_as_the_run_is_far() {
        for (done, full) in [(0.0, 0), (0.5, 15), (1.0, 30)] {
            let bar = bar(running(done, 1));
            assert_eq!(bar.matches('#').count(), full, "{bar}");
            assert_eq!(bar.matches('-').count(), BAR - full, "{bar}");
            assert!(bar.contains("1200 sent, 3 failed"), "{bar}");
        }
    }

    #[test]
    fn a_line_is_due_every_five_seconds() {
        let steps: Vec<_> = [0, 4, 5, 9, 10].map(|at| step(running(0.1, at))).into();
        assert_eq!(steps, [0, 0, 1, 1, 2]);
    }
}
