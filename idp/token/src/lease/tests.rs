use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> BootTime {
    BootTime(Duration::from_secs(seconds))
}

fn millis(millis: u64) -> BootTime {
    BootTime(Duration::from_millis(millis))
}

#[test]
fn a_beat_vouches_only_for_the_moment_of_the_beat_before_it() {
    let mut lease = Lease::new(LEASE_DEFAULT);
    lease.read_without_beat(at(10));
    lease.beat(1, at(12));
    assert_eq!(lease.fresh_at(), None);

    lease.read_without_beat(at(13));
    lease.beat(2, at(14));
    assert_eq!(lease.fresh_at(), Some(at(10)));

    lease.beat(3, at(15));
    assert_eq!(lease.fresh_at(), Some(at(13)));
    // The read of 14 contained beat 2 and not beat 3.
    lease.beat(4, at(16));
    assert_eq!(lease.fresh_at(), Some(at(14)));
}

#[test]
fn beats_that_come_in_one_read_vouch_no_further_than_the_read_before_it() {
    let mut lease = Lease::new(LEASE_DEFAULT);
    lease.read_without_beat(at(10));
    for number in 1..=5 {
        lease.beat(number, at(20));
    }
    assert_eq!(lease.fresh_at(), Some(at(10)));
}

#[test]
fn a_beat_in_the_first_read_vouches_for_nothing() {
    let mut lease = Lease::new(LEASE_DEFAULT);
    lease.beat(1, at(10));
    lease.beat(2, at(11));
    assert_eq!(lease.fresh_at(), None);
    lease.beat(3, at(12));
    assert_eq!(lease.fresh_at(), Some(at(10)));
}

#[test]
fn beats_that_do_not_continue_each_other_prove_nothing() {
    for numbers in [[1, 3], [5, 1], [1, 1], [7, 7], [u64::MAX, 0], [2, 1]] {
        let mut lease = Lease::new(LEASE_DEFAULT);
        lease.read_without_beat(at(10));
        lease.beat(numbers[0], at(11));
        lease.beat(numbers[1], at(12));
        assert_eq!(lease.fresh_at(), None, "{numbers:?}");
    }
}

#[test]
fn another_source_does_not_continue_the_beats_of_the_first() {
    let mut lease = Lease::new(LEASE_DEFAULT);
    lease.read_without_beat(at(10));
    lease.beat(1, at(11));
    lease.beat(2, at(12));
    assert_eq!(lease.fresh_at(), Some(at(10)));

    lease.change_source();
    lease.read_without_beat(at(13));
    lease.beat(3, at(14));
    assert_eq!(lease.fresh_at(), Some(at(10)));
    lease.beat(4, at(15));
    assert_eq!(lease.fresh_at(), Some(at(13)));
}

#[test]
fn a_read_that_is_reported_out_of_order_is_left_out() {
    let mut lease = Lease::new(LEASE_DEFAULT);
    lease.read_without_beat(at(10));
    lease.beat(1, at(12));
    lease.beat(2, at(11));
    assert_eq!(lease.fresh_at(), None);
}

fn fresh_at_ten() -> Lease {
    let mut lease = Lease::new(LEASE_DEFAULT);
    lease.read_without_beat(at(10));
    lease.beat(1, millis(10_100));
    lease.beat(2, millis(10_200));
    assert_eq!(lease.fresh_at(), Some(at(10)));
    lease
}

#[test]
fn trust_ends_with_the_lease_and_then_with_the_grace() {
    let lease = fresh_at_ten();
    let tolerant = Tolerance::Tolerant {
        grace: GRACE_DEFAULT,
    };
    let hasty = Tolerance::Tolerant {
        grace: Duration::ZERO,
    };
    #[rustfmt::skip]
    let cases = [
        (10_200, Trust::Fresh, Trust::Fresh, Trust::Fresh),
        (11_000, Trust::Fresh, Trust::Fresh, Trust::Fresh),
        (11_001, Trust::Ask,   Trust::Grace, Trust::Ask),
        (70_000, Trust::Ask,   Trust::Grace, Trust::Ask),
        (70_001, Trust::Ask,   Trust::Ask,   Trust::Ask),
        ( 9_999, Trust::Ask,   Trust::Ask,   Trust::Ask),
    ];
    for (now, strict, with_grace, without) in cases {
        let found = [Tolerance::Strict, tolerant, hasty]
            .map(|tolerance| lease.trust(tolerance, millis(now)));
        assert_eq!(found, [strict, with_grace, without], "at {now} ms");
    }
    for tolerance in [Tolerance::Strict, tolerant] {
        let found = Lease::new(LEASE_DEFAULT).trust(tolerance, at(0));
        assert_eq!(found, Trust::Ask, "without any proof");
    }
}

/// The clock counts the time in which the process was stopped, so nothing has to tell it.
#[test]
fn a_gateway_that_wakes_up_trusts_nothing_it_remembers() {
    let lease = fresh_at_ten();
    assert_eq!(lease.trust(Tolerance::Strict, at(3600)), Trust::Ask);
    let tolerant = Tolerance::Tolerant {
        grace: GRACE_DEFAULT,
    };
    assert_eq!(lease.trust(tolerant, at(3600)), Trust::Ask);
}

#[test]
fn a_source_shows_a_sign_of_life_with_every_beat_and_a_new_one_has_shown_none() {
    let mut lease = Lease::new(LEASE_DEFAULT);
    lease.read_without_beat(millis(1000));
    assert_eq!(lease.last_beat(), None);
    lease.beat(7, millis(1290));
    lease.read_without_beat(millis(1500));
    assert_eq!(lease.last_beat(), Some(7));
    lease.change_source();
    assert_eq!(lease.last_beat(), None);
}

/// One step of a relay and a gateway in one world whose clock advances with every step.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A change is committed to the outbox.
    Commit,
    /// The relay looks at the outbox and publishes what it finds.
    Publish,
    /// The relay sends a beat if it may, and looks at the outbox for the next one.
    Beat,
    BeginRead,
    /// The read ends, with what was in the log at that moment or at any moment since it began.
    EndRead {
        sees_all: bool,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Commit),
        Just(Step::Publish),
        Just(Step::Beat),
        Just(Step::BeginRead),
        any::<bool>().prop_map(|sees_all| Step::EndRead { sees_all }),
    ]
}

#[derive(Debug, Clone, Copy)]
enum Logged {
    Change(u64),
    Beat(u64),
}

#[derive(Default)]
struct World {
    now: u64,
    committed: Vec<u64>,
    published: usize,
    log: Vec<Logged>,
    /// Whether a look that began after the last beat was acknowledged found nothing.
    may_beat: bool,
    beats: u64,
    read: Option<(u64, usize)>,
    cursor: usize,
    known: Vec<u64>,
}

impl World {
    fn step(&mut self, step: Step, lease: &mut Lease) {
        self.now += 1;
        match step {
            Step::Commit => self.committed.push(self.now),
            Step::Publish => {
                let fresh = self.committed[self.published..].iter();
                self.log.extend(fresh.map(|at| Logged::Change(*at)));
                self.may_beat = self.published == self.committed.len();
                self.published = self.committed.len();
            }
            Step::Beat if self.may_beat => {
                self.beats += 1;
                self.may_beat = false;
                self.log.push(Logged::Beat(self.beats));
            }
            Step::Beat => {}
            Step::BeginRead => self.read = Some((self.now, self.log.len())),
            Step::EndRead { sees_all } => self.end_read(sees_all, lease),
        }
    }

    fn end_read(&mut self, sees_all: bool, lease: &mut Lease) {
        let Some((began, there_already)) = self.read.take() else {
            return;
        };
        let end = if sees_all {
            self.log.len()
        } else {
            there_already.max(self.cursor)
        };
        let mut had_beat = false;
        for entry in &self.log[self.cursor..end] {
            match entry {
                Logged::Change(at) => self.known.push(*at),
                Logged::Beat(number) => {
                    had_beat = true;
                    lease.beat(*number, at(began));
                }
            }
        }
        if !had_beat {
            lease.read_without_beat(at(began));
        }
        self.cursor = end;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_was_committed_before_a_lease_is_fresh_is_known(
        steps in prop::collection::vec(any_step(), 0..80),
    ) {
        let mut world = World::default();
        let mut lease = Lease::new(LEASE_DEFAULT);
        for step in steps {
            world.step(step, &mut lease);
            let Some(fresh_at) = lease.fresh_at() else {
                continue;
            };
            for change in &world.committed {
                let is_older = at(*change) < fresh_at;
                prop_assert!(!is_older || world.known.contains(change), "{fresh_at:?} {change}");
            }
        }
    }

    #[test]
    fn a_lease_never_grows_older_by_what_is_read(
        reads in prop::collection::vec((0..6_u64, any::<bool>(), 0..20_u64), 0..40),
    ) {
        let mut lease = Lease::new(LEASE_DEFAULT);
        let mut before = None;
        let mut latest = 0;
        for (number, has_beat, began) in reads {
            latest = latest.max(began);
            if has_beat { lease.beat(number, at(began)) } else { lease.read_without_beat(at(began)) }
            prop_assert!(lease.fresh_at() >= before);
            prop_assert!(lease.fresh_at() <= Some(at(latest)));
            before = lease.fresh_at();
        }
    }
}
