//! Can a change of the source make knowledge look fresher than it is?
//!
//! A relay with two logs that beat by themselves, and a reader that goes from one to the other at any
//! moment, each of them as slow as can be. Whatever the order: what is proved fresh as of a moment
//! lacks nothing that was committed before it.

use idp_token::fence::Fence;
use idp_token::log::{Beat, Change, Kind, Target};
use idp_token::time::UnixSeconds;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A change is committed. Nobody has heard of it yet.
    Commit,
    /// The relay looks, for the next beat in a log.
    Look(usize),
    /// It writes what it found there, and the beat.
    Beat(usize),
    BeginRead,
    /// The read ends with what is there by then, or only with what was there when it began.
    EndRead {
        sees_all: bool,
    },
    /// What was being read is dropped.
    Switch,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Commit),
        4 => (0..2_usize).prop_map(Step::Look),
        4 => (0..2_usize).prop_map(Step::Beat),
        6 => Just(Step::BeginRead),
        6 => any::<bool>().prop_map(|sees_all| Step::EndRead { sees_all }),
        1 => Just(Step::Switch),
    ]
}

#[derive(Debug)]
struct OneLog {
    entries: Vec<Entry>,
    written: u64,
    next_beat: u64,
    /// How many changes there were at a look since the last beat.
    looked: Option<u64>,
}

struct Relayed {
    now: u64,
    /// When each change was committed; the first has number 1.
    committed: Vec<u64>,
    logs: [OneLog; 2],
    fence: Fence,
    follower: Follower,
    source: usize,
    /// Where reading goes on, in each log.
    cursors: [usize; 2],
    reading: Option<(u64, usize)>,
}

fn at(step: u64) -> BootTime {
    BootTime(Duration::from_secs(step))
}

fn change(seq: u64) -> Entry {
    Entry::Change(Change {
        seq: Seq(seq),
        target: Target::Realm,
        kind: Kind::Changed,
        at: UnixSeconds(0),
        until: None,
    })
}

impl Relayed {
    fn new() -> Self {
        let log = |next_beat| OneLog {
            entries: Vec::new(),
            written: 0,
            next_beat,
            looked: None,
        };
        Self {
            now: 0,
            committed: Vec::new(),
            // One number goes on from the other's: that they differ is luck, and not relied on.
            logs: [log(100), log(101)],
            fence: Fence::new(&[1; 16], 64, 4, Seq::NONE),
            follower: Follower::new(Duration::from_secs(1000)),
            source: 0,
            cursors: [0; 2],
            reading: None,
        }
    }

    fn take(&mut self, step: Step) {
        self.now += 1;
        match step {
            Step::Commit => self.committed.push(self.now),
            Step::Look(log) => self.logs[log].looked = Some(self.committed.len() as u64),
            Step::Beat(log) => self.beat(log),
            Step::BeginRead => {
                let there = self.logs[self.source].entries.len();
                self.reading = self.reading.or(Some((self.now, there)));
            }
            Step::EndRead { sees_all } => self.end_read(sees_all),
            Step::Switch => {
                self.source = 1 - self.source;
                self.reading = None;
                self.follower.change_source();
            }
        }
    }

    fn beat(&mut self, log: usize) {
        let log = &mut self.logs[log];
        let Some(looked) = log.looked.take() else {
            return;
        };
        log.entries.extend((log.written + 1..=looked).map(change));
        log.written = log.written.max(looked);
        let seq = Seq(log.written);
        let number = log.next_beat;
        log.entries.push(Entry::Beat(Beat { number, seq }));
        log.next_beat += 1;
    }

    fn end_read(&mut self, sees_all: bool) {
        let Some((began, there)) = self.reading.take() else {
            return;
        };
        let log = &self.logs[self.source];
        let end = if sees_all { log.entries.len() } else { there };
        let from = self.cursors[self.source].min(end);
        let known = self.fence.stamp().seq();
        // What is known from elsewhere is not asked for.
        let is_new = |entry: &&Entry| entry.seq() >= known;
        let entries: Vec<_> = log.entries[from..end]
            .iter()
            .filter(is_new)
            .cloned()
            .collect();
        self.cursors[self.source] = end;
        let read = Read {
            began: at(began),
            entries: &entries,
            is_whole: true,
        };
        self.follower.read(&self.fence, read);
    }

    /// The first change that was committed before what is said to be fresh, and is not known.
    fn lacks(&self) -> Option<usize> {
        let fresh_at = self.follower.lease().fresh_at()?;
        let known = usize::try_from(self.fence.stamp().seq().0).unwrap();
        let unknown = self.committed.iter().skip(known);
        let lacks = unknown.clone().any(|committed| at(*committed) < fresh_at);
        lacks.then_some(known + 1)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_change_of_the_source_never_makes_anything_look_fresher_than_it_is(
        steps in prop::collection::vec(any_step(), 1..120),
    ) {
        let mut relayed = Relayed::new();
        for step in steps {
            relayed.take(step);
            prop_assert_eq!(relayed.lacks(), None);
        }
    }
}

/// Both are there within a few beats, wherever the log is read.
#[test]
fn a_reader_that_went_elsewhere_is_fresh_again_after_three_reads() {
    let mut relayed = Relayed::new();
    let round = |relayed: &mut Relayed| {
        let log = relayed.source;
        for step in [
            Step::BeginRead,
            Step::Look(log),
            Step::Beat(log),
            Step::EndRead { sees_all: true },
        ] {
            relayed.take(step);
        }
        relayed.follower.lease().fresh_at()
    };
    for _ in 0..3 {
        round(&mut relayed);
    }
    let before = relayed.follower.lease().fresh_at();
    relayed.take(Step::Switch);
    let after: Vec<_> = (0..3).map(|_| round(&mut relayed)).collect();
    assert_eq!(after[..2], [before, before]);
    assert!(after[2] > before);
}
