//! May the next beat be sent, and what must be done before it?
//!
//! Whoever reads a beat knows every change that was made before the beat *before* it was sent.
//! That is true if three things are, for each log by itself (the one in Redis, and the one over
//! HTTP):
//!
//! - A look at the outbox began after the beat before was acknowledged. One that began earlier may
//!   have missed what was committed in between, and a beat never vouches for its own moment.
//! - Everything that this look found is in the log. That it found nothing is not asked for: where
//!   changes never cease no beat would ever be sent.
//! - A beat of which nobody knows whether it arrived is not continued. It may arrive later than the
//!   look for the next one began. So a number is left out.
//!
//! As soon as it is not known what is in the log, it is asked how far it is and what is missing is
//! written. Only then does anything go on. Falling silent is always right: it means "unknown".

use idp_token::epoch::Seq;
use idp_token::log::Beat;

/// What is known of one log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pace {
    next_number: u64,
    /// As of which change the log is complete; none if nobody knows.
    position: Option<Seq>,
    /// The last number that was given to a change, as far as looks have shown.
    numbered: Seq,
    look: Look,
    is_nudged: bool,
    is_due: bool,
    is_beating: bool,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Find out how far the log is: `complete`. If it does not say, or is further than the database,
    /// it is begun anew first.
    Compare,
    /// Write the changes after this one: `complete`. If they are not kept any more, the log is begun
    /// anew.
    Publish { after: Seq },
    /// Look at the outbox and number what is there: `look_began`, then `looked`.
    Look,
    /// Send this: `beat_sent`, then `beat_acknowledged`.
    Beat(Beat),
    /// Nothing, until something happens.
    Rest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Look {
    /// Since the last beat none has ended that counts.
    None,
    Running {
        counts: bool,
    },
    /// All that was committed when it began has a number up to this one.
    Done {
        up_to: Seq,
    },
}

impl Pace {
    /// For a relay that starts: `run` is the number of its first beat (`idp_token::log::run_of`).
    #[must_use]
    pub const fn new(run: u64) -> Self {
        Self {
            next_number: run,
            position: None,
            numbered: Seq::NONE,
            look: Look::None,
            is_nudged: true,
            is_due: true,
            is_beating: false,
        }
    }

    #[must_use]
    pub fn next(&self) -> Step {
        if self.is_beating {
            return Step::Rest;
        }
        let Some(position) = self.position else {
            return Step::Compare;
        };
        if position < self.numbered {
            return Step::Publish { after: position };
        }
        let is_vouched = matches!(self.look, Look::Done { up_to } if up_to <= position);
        if self.is_due && is_vouched {
            return Step::Beat(Beat {
                number: self.next_number,
                seq: position,
            });
        }
        let is_running = matches!(self.look, Look::Running { .. });
        if !is_running && (self.is_nudged || self.is_due) {
            return Step::Look;
        }
        Step::Rest
    }

    /// Something was committed to the outbox.
    pub const fn nudge(&mut self) {
        self.is_nudged = true;
    }

    /// It is time for a beat.
    pub const fn make_due(&mut self) {
        self.is_due = true;
    }

    /// A look at the outbox is about to be taken.
    pub const fn look_began(&mut self) {
        self.is_nudged = false;
        self.look = Look::Running {
            counts: !self.is_beating,
        };
    }

    /// The look has ended. `numbered` is the last number that was given when the outbox had been
    /// read and its rows were numbered; `saw_all` says that no rows were left for another look.
    pub fn looked(&mut self, numbered: Seq, saw_all: bool) {
        self.numbered = self.numbered.max(numbered);
        let counts = self.look == Look::Running { counts: true };
        self.look = if counts && saw_all {
            Look::Done { up_to: numbered }
        } else {
            Look::None
        };
        self.is_nudged |= !saw_all;
    }

    /// The look failed, or another relay was faster.
    pub const fn look_failed(&mut self) {
        self.look = Look::None;
        self.is_nudged = true;
    }

    /// The log is complete as of this change: it says so itself, or what was missing is written.
    pub fn complete(&mut self, position: Seq) {
        self.position = Some(position);
        self.numbered = self.numbered.max(position);
    }

    pub const fn beat_sent(&mut self) {
        self.is_beating = true;
        self.next_number = self.next_number.wrapping_add(1);
        self.disown_look();
    }

    pub const fn beat_acknowledged(&mut self) {
        self.is_beating = false;
        self.is_due = false;
    }

    /// The log is not where it was thought to be, and said so: nothing was written.
    pub const fn refused(&mut self) {
        self.is_beating = false;
        self.position = None;
        self.disown_look();
    }

    /// Nobody knows whether what was sent arrived, or will arrive; or the connection is a new one.
    pub const fn lost(&mut self) {
        if self.is_beating {
            self.next_number = self.next_number.wrapping_add(1);
        }
        self.refused();
    }

    /// What was looked at so far counts for no beat to come.
    const fn disown_look(&mut self) {
        self.look = match self.look {
            Look::Running { .. } => Look::Running { counts: false },
            Look::None | Look::Done { .. } => Look::None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(number: u64, seq: u64) -> Step {
        let seq = Seq(seq);
        Step::Beat(Beat { number, seq })
    }

    /// A relay that has sent beat 10, when change 7 was the last.
    fn beating() -> Pace {
        let mut pace = Pace::new(10);
        pace.complete(Seq(7));
        look(&mut pace, 7);
        assert_eq!(pace.next(), beat(10, 7));
        pace.beat_sent();
        pace
    }

    fn look(pace: &mut Pace, numbered: u64) {
        assert_eq!(pace.next(), Step::Look);
        pace.look_began();
        pace.looked(Seq(numbered), true);
    }

    #[test]
    fn nothing_is_done_before_the_log_has_said_how_far_it_is() {
        let mut pace = Pace::new(10);
        assert_eq!(pace.next(), Step::Compare);
        pace.look_began();
        pace.looked(Seq(7), true);
        assert_eq!(pace.next(), Step::Compare);
        pace.complete(Seq(5));
        assert_eq!(pace.next(), Step::Publish { after: Seq(5) });
        pace.complete(Seq(7));
        assert_eq!(pace.next(), beat(10, 7));
    }

    #[test]
    fn a_beat_rests_on_a_look_that_began_after_the_one_before_was_acknowledged() {
        let mut pace = beating();
        pace.make_due();
        assert_eq!(pace.next(), Step::Rest);
        // A look for another log, while this one has not answered yet.
        pace.look_began();
        pace.beat_acknowledged();
        pace.looked(Seq(7), true);
        assert_eq!(pace.next(), Step::Rest);
        pace.make_due();
        look(&mut pace, 7);
        assert_eq!(pace.next(), beat(11, 7));
    }

    #[test]
    fn what_a_look_found_is_published_before_the_beat() {
        let mut pace = beating();
        pace.beat_acknowledged();
        pace.make_due();
        look(&mut pace, 9);
        assert_eq!(pace.next(), Step::Publish { after: Seq(7) });
        pace.complete(Seq(8));
        assert_eq!(pace.next(), Step::Publish { after: Seq(8) });
        // More came in meanwhile. The beat does not wait for it.
        pace.nudge();
        pace.complete(Seq(9));
        assert_eq!(pace.next(), beat(11, 9));
        pace.beat_sent();
        pace.beat_acknowledged();
        assert_eq!(pace.next(), Step::Look);
    }

    #[test]
    fn a_look_that_did_not_see_everything_counts_for_no_beat() {
        let mut pace = beating();
        pace.beat_acknowledged();
        pace.make_due();
        pace.look_began();
        pace.looked(Seq(9), false);
        pace.complete(Seq(9));
        look(&mut pace, 9);
        assert_eq!(pace.next(), beat(11, 9));

        pace.look_began();
        pace.look_failed();
        assert_eq!(pace.next(), Step::Look);
    }

    #[test]
    fn a_beat_that_may_still_arrive_is_not_continued() {
        let mut pace = beating();
        pace.lost();
        assert_eq!(pace.next(), Step::Compare);
        pace.complete(Seq(7));
        look(&mut pace, 7);
        assert_eq!(pace.next(), beat(12, 7));
    }

    #[test]
    fn a_log_that_refuses_is_asked_how_far_it_is() {
        let mut pace = beating();
        pace.refused();
        assert_eq!(pace.next(), Step::Compare);
        pace.complete(Seq(6));
        assert_eq!(pace.next(), Step::Publish { after: Seq(6) });
        pace.refused();
        assert_eq!(pace.next(), Step::Compare);
    }

    #[test]
    fn between_beats_there_is_nothing_to_do_but_publish() {
        let mut pace = beating();
        pace.beat_acknowledged();
        assert_eq!(pace.next(), Step::Rest);
        pace.nudge();
        look(&mut pace, 8);
        assert_eq!(pace.next(), Step::Publish { after: Seq(7) });
        pace.complete(Seq(8));
        assert_eq!(pace.next(), Step::Rest);
        // That look still counts: it began after the last beat.
        pace.make_due();
        assert_eq!(pace.next(), beat(11, 8));
    }
}
