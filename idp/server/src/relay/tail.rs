//! The newest part of the log, in memory: what is asked for by whoever keeps up.
//!
//! One relay appends, any number of followers read. Each entry is spelled once, however many read
//! it. What is older lies in the store ([`super::pages`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use idp_core::change::{Kind, Target};
use idp_core::record::Published;
use idp_token::epoch::Seq;
use idp_token::log::{After, Beat, Change, Entry, Hello, LINES_MAX, Page};
use idp_token::log::{Kind as LogKind, Target as LogTarget};
use idp_token::time::BootTime;
use tokio::sync::watch;

use crate::clock;

/// Seven minutes of beats, or so many changes.
const ENTRIES_MAX: usize = 4096;

#[derive(Debug)]
pub(crate) struct Tail {
    run: u64,
    state: Mutex<State>,
    /// Told after every entry; for those who wait.
    reached: watch::Sender<Place>,
}

/// Where an entry stands. Beats come after the change that they name, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) seq: Seq,
    beat: Option<u64>,
}

#[derive(Debug)]
struct State {
    /// What the store keeps as far as is known; it may have forgotten some of it meanwhile.
    first: Seq,
    /// Every change after this one is among the entries.
    begins_after: Seq,
    entries: VecDeque<Line>,
    /// The newest change there is.
    seq: Seq,
    last_beat: Option<u64>,
    beaten_at: Option<BootTime>,
}

#[derive(Debug)]
struct Line {
    place: Place,
    /// None for a beat.
    change: Option<Change>,
    text: Arc<str>,
}

/// What there is for a follower.
#[derive(Debug)]
pub(crate) enum Found {
    Page(String),
    /// It has read everything.
    Nothing,
    /// What it lacks is no longer in memory.
    Older,
}

impl Tail {
    /// For a relay whose first beat has the number `run`. `published` is the last change that was
    /// numbered before.
    pub(crate) fn new(run: u64, published: Seq) -> Self {
        let place = Place {
            seq: published,
            beat: None,
        };
        Self {
            run,
            state: Mutex::new(State {
                first: Seq(1),
                begins_after: published,
                entries: VecDeque::new(),
                seq: published,
                last_beat: None,
                beaten_at: None,
            }),
            reached: watch::channel(place).0,
        }
    }

    /// The number of the first beat.
    pub(crate) const fn run(&self) -> u64 {
        self.run
    }

    /// The last change.
    pub(crate) fn seq(&self) -> Seq {
        self.state().seq
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Place> {
        self.reached.subscribe()
    }

    /// When the last beat was sent.
    pub(crate) fn beaten_at(&self) -> Option<BootTime> {
        self.state().beaten_at
    }

    /// Appends what follows on the last change; what is there already is left out.
    pub(crate) fn append(&self, published: &[Published]) {
        let known = self.seq();
        let new = published.iter().filter(|it| it.seq > known);
        let lines: Vec<_> = new.map(|it| Line::of_change(spell(it))).collect();
        let Some(place) = lines.last().map(|line| line.place) else {
            return;
        };
        let mut state = self.state();
        state.seq = place.seq;
        state.extend(lines);
        drop(state);
        self.reached.send_replace(place);
    }

    pub(crate) fn beat(&self, beat: Beat) {
        let line = Line::of_beat(beat);
        let place = line.place;
        let mut state = self.state();
        state.extend([line]);
        state.last_beat = Some(beat.number);
        state.beaten_at = Some(clock::boot());
        drop(state);
        self.reached.send_replace(place);
    }

    /// What comes after the place where a follower stands.
    pub(crate) fn page(&self, after: After) -> Found {
        let state = self.state();
        if after.seq > state.seq {
            return Found::Page(state.hello(self.run, false));
        }
        if after.seq < state.begins_after {
            return Found::Older;
        }
        let lines = state.after(after, self.run);
        let count = lines.len();
        let lines: Vec<_> = lines.take(LINES_MAX - 1).collect();
        match lines.len() {
            0 => Found::Nothing,
            some => {
                let hello = state.hello(self.run, some < count);
                Found::Page(with_lines(hello, &lines))
            }
        }
    }

    /// The first line and nothing else: there was nothing in all the time that one may wait.
    pub(crate) fn empty_page(&self) -> String {
        self.state().hello(self.run, false)
    }

    /// A page of what the store keeps. Whatever is there besides comes with the next one.
    pub(crate) fn old_page(&self, kept: &[Published]) -> String {
        let state = self.state();
        // The relay may have numbered some that it has not appended yet.
        let kept = kept.iter().take_while(|it| it.seq <= state.seq);
        let lines: Vec<_> = kept.map(|it| Line::of_change(spell(it))).collect();
        let hello = state.hello(self.run, true);
        with_lines(hello, &lines.iter().collect::<Vec<_>>())
    }

    /// At most so many changes after this one; none if they are no longer in memory.
    pub(crate) fn changes(&self, after: Seq, limit: usize) -> Option<Vec<Change>> {
        let state = self.state();
        if after < state.begins_after {
            return None;
        }
        let changes = state.entries.iter().filter_map(|line| line.change.as_ref());
        let new = changes.filter(|change| change.seq > after);
        Some(new.take(limit).cloned().collect())
    }

    /// The store keeps nothing before this change.
    pub(crate) fn forget_before(&self, first: Seq) {
        let mut state = self.state();
        state.first = state.first.max(first);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn hello(&self, run: u64, has_more: bool) -> String {
        let hello = Hello {
            run,
            first: self.first,
            next: self.seq.next(),
            has_more,
        };
        let entries = Vec::new();
        Page { hello, entries }.write()
    }

    fn extend(&mut self, lines: impl IntoIterator<Item = Line>) {
        self.entries.extend(lines);
        while self.entries.len() > ENTRIES_MAX {
            if let Some(gone) = self.entries.pop_front()
                && gone.change.is_some()
            {
                self.begins_after = gone.place.seq;
            }
        }
    }

    /// Of beats after the last change that a follower knows, one that has heard none of this relay
    /// needs the newest alone.
    fn after(&self, after: After, run: u64) -> impl ExactSizeIterator<Item = &Line> {
        let is_of_this_run = |beat: &u64| *beat >= run && Some(*beat) <= self.last_beat;
        let known = Place {
            seq: after.seq,
            beat: after.beat.filter(is_of_this_run),
        };
        let mut from = self.entries.partition_point(|line| line.place <= known);
        if known.beat.is_none() {
            let beats = self.entries.iter().skip(from);
            let beats = beats.take_while(|line| line.place.seq == known.seq).count();
            from += beats.saturating_sub(1);
        }
        self.entries.iter().skip(from)
    }
}

impl Line {
    fn of_change(change: Change) -> Self {
        let place = Place {
            seq: change.seq,
            beat: None,
        };
        Self {
            place,
            text: Entry::Change(change.clone()).write().into(),
            change: Some(change),
        }
    }

    fn of_beat(beat: Beat) -> Self {
        let place = Place {
            seq: beat.seq,
            beat: Some(beat.number),
        };
        Self {
            place,
            text: Entry::Beat(beat).write().into(),
            change: None,
        }
    }
}

fn with_lines(mut page: String, lines: &[&Line]) -> String {
    for line in lines {
        page.push_str(&line.text);
        page.push('\n');
    }
    page
}

/// What the rules of this provider call a change, in the words of the log.
pub(super) fn spell(published: &Published) -> Change {
    let change = &published.change;
    Change {
        seq: published.seq,
        target: spell_target(&change.target),
        kind: match change.kind {
            Kind::Ended => LogKind::Ended,
            Kind::Changed => LogKind::Changed,
        },
        at: change.at,
        until: change.until,
    }
}

pub(super) fn spell_target(target: &Target) -> LogTarget {
    match target {
        Target::Session(id) => LogTarget::Session(*id),
        Target::Subject(id) => LogTarget::Subject(id.clone()),
        Target::Client(id) => LogTarget::Client(id.as_str().to_owned()),
        Target::Tenant(id) => LogTarget::Tenant(id.as_str().to_owned()),
        Target::Realm => LogTarget::Realm,
    }
}

#[cfg(test)]
mod tests;
