//! A gateway: its reads of the log, and one session that it remembers.

use std::time::Duration;

use idp_token::epoch::Seq;
use idp_token::fence::{Fence, Marks, Scope, Stamp};
use idp_token::follow::{Follower, Read};
use idp_token::lease::{Tolerance, Trust};
use idp_token::log::{Beat, Entry};
use idp_token::projection::{Start, StreamId, start};
use idp_token::time::BootTime;

use super::log::Log;
use super::world::{Fault, LEASE};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Reader {
    pub(super) follower: Follower,
    /// The fence as far as it matters here, where every change bears on everything.
    stamp: Stamp,
    epoch: u64,
    pub(super) cursor: StreamId,
    pub(super) read: Option<Reading>,
    /// A look-up that is under way.
    pub(super) fill: Option<Stamp>,
    /// What was found: it holds so many changes.
    cache: Option<(Stamp, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Reading {
    began: u64,
    pub(super) answer: Option<Answer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Answer {
    entries: Vec<(StreamId, Entry)>,
    is_whole: bool,
}

fn at(time: u64) -> BootTime {
    BootTime(Duration::from_secs(time))
}

/// The real fence in the state that was left.
fn fence(stamp: Stamp, epoch: u64) -> Fence {
    let before = Seq(epoch.saturating_sub(1));
    let fence = Fence::new(&[1; 16], 1, 1, before);
    if epoch > 0 {
        fence.apply(Seq(epoch), Scope::Global);
    }
    if stamp.seq() > fence.stamp().seq() {
        fence.restart(stamp.seq());
    }
    for _ in 0..8 {
        if fence.stamp() == stamp {
            break;
        }
        fence.raise_floor();
    }
    assert_eq!(fence.stamp(), stamp);
    fence
}

fn marks(fence: &Fence) -> Marks {
    fence.marks("", "", "", "")
}

impl Reader {
    /// Begins at the end of the log.
    pub(super) fn new(log: &Log) -> Self {
        let known = Seq(log.position.unwrap_or(0));
        let fence = Fence::new(&[1; 16], 1, 1, known);
        // A floor of its own, so that any cursor can be reached without a change.
        fence.raise_floor();
        let mut reader = Self {
            follower: Follower::new(Duration::from_secs(LEASE)),
            stamp: fence.stamp(),
            epoch: 0,
            cursor: StreamId {
                seq: Seq::NONE,
                count: 0,
            },
            read: None,
            fill: None,
            cache: None,
        };
        reader.reposition(log);
        reader
    }

    pub(super) fn known(&self) -> u64 {
        self.stamp.seq().0
    }

    pub(super) fn is_fresh(&self, now: u64) -> bool {
        self.follower.lease().trust(Tolerance::Strict, at(now)) == Trust::Fresh
    }

    /// The last moment at which it calls itself fresh if nothing more is read.
    pub(super) fn is_fresh_until(&self) -> Option<u64> {
        let last = self.follower.lease().fresh_at()?.0.as_secs() + LEASE;
        assert!(self.is_fresh(last) && !self.is_fresh(last + 1));
        Some(last)
    }

    pub(super) fn has_looked_up(&self) -> bool {
        self.fill.is_some() || self.cache.is_some()
    }

    /// Whether it would serve a session without knowing of so many changes.
    pub(super) fn serves_without(&self, changes: u64) -> bool {
        self.cache.is_some_and(|(filled, found)| {
            let fence = fence(self.stamp, self.epoch);
            found < changes && fence.holds(filled, &marks(&fence))
        })
    }

    /// Where it would go on after a silence; none if it is there.
    pub(super) fn better_cursor(&self, log: &Log) -> Option<StreamId> {
        match start(log.end, self.stamp.seq()) {
            Start::After(id) if id != self.cursor => Some(id),
            Start::After(_) | Start::Behind => None,
        }
    }

    pub(super) fn reposition(&mut self, log: &Log) {
        if let Some(cursor) = self.better_cursor(log) {
            self.cursor = cursor;
        }
    }

    pub(super) fn begin_read(&mut self, now: u64, log: &Log, fault: Fault) {
        self.read = Some(Reading {
            began: now,
            answer: None,
        });
        if fault == Fault::StreamedRead {
            self.answer_read(log, usize::MAX);
        }
    }

    pub(super) fn answer_read(&mut self, log: &Log, count_max: usize) {
        let behind = log.entries.iter().filter(|(id, _)| *id > self.cursor);
        let mut entries: Vec<_> = behind.cloned().collect();
        let is_whole = entries.len() <= count_max;
        entries.truncate(count_max);
        if let Some(read) = &mut self.read {
            read.answer = Some(Answer { entries, is_whole });
        }
    }

    pub(super) fn end_read(&mut self, now: u64, fault: Fault) {
        let Some(Reading {
            began,
            answer: Some(answer),
        }) = self.read.take()
        else {
            return;
        };
        if let Some((last, _)) = answer.entries.last() {
            self.cursor = *last;
        }
        let fence = fence(self.stamp, self.epoch);
        let mut entries: Vec<_> = answer.entries.into_iter().map(|(_, entry)| entry).collect();
        self.note_epoch(&entries);
        distort(&mut entries, fault, self.known());
        let read = Read {
            began: at(if fault == Fault::StreamedRead {
                now
            } else {
                began
            }),
            entries: &entries,
            is_whole: answer.is_whole || fault == Fault::CutIsWhole,
        };
        self.follower.read(&fence, read);
        self.stamp = fence.stamp();
    }

    /// The newest change that is applied one by one; the fence passes over those it knows.
    fn note_epoch(&mut self, entries: &[Entry]) {
        let mut known = self.known();
        for entry in entries {
            let seq = entry.seq().0;
            if matches!(entry, Entry::Change(_)) && seq > known {
                self.epoch = seq;
            }
            known = known.max(seq);
        }
    }

    pub(super) fn begin_fill(&mut self) {
        self.fill = Some(self.stamp);
    }

    /// The record in Redis is as new as the epochs beside it, or it would not be believed.
    pub(super) fn end_fill(&mut self, log: &Log, fault: Fault) {
        let Some(stamp) = self.fill.take() else {
            return;
        };
        let believes_all = fault == Fault::BehindIsBelieved;
        let is_known = |position: &u64| believes_all || *position >= stamp.seq().0;
        if let Some(found) = log.position.filter(is_known) {
            self.cache = Some((stamp, found));
        }
    }
}

/// Breaks the rules that the real follower keeps.
fn distort(entries: &mut Vec<Entry>, fault: Fault, mut known: u64) {
    if fault == Fault::BeatWithoutChange {
        for entry in entries.iter_mut() {
            match entry {
                Entry::Change(change) => known = known.max(change.seq.0),
                Entry::Beat(beat) => beat.seq = Seq(known),
            }
        }
    }
    if let (Fault::OwnMoment, Some(Entry::Beat(beat))) = (fault, entries.last()) {
        // As if the next beat had come along with it.
        entries.push(Entry::Beat(Beat {
            number: beat.number + 1,
            seq: beat.seq,
        }));
    }
}
