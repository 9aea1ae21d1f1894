//! What does a gateway make of what it reads of the log?
//!
//! It applies changes to the fence and beats to the lease, and it never takes a beat for more than
//! it says. A beat names the newest change before it. A reader that does not know that change has
//! missed some, wherever they went: then everything remembered is void, and only after that the
//! beat counts. A reader that knows a later one listens to somebody who knows less than itself, and
//! the beat proves nothing.
//!
//! A read that ended before the log did has not shown that a beat was not there yet. It and those
//! that go on from it are one read, which began when the first of them did.

use std::time::Duration;

use crate::epoch::Seq;
use crate::fence::{Applied, Fence, Scope};
use crate::lease::Lease;
use crate::log::{Change, Entry, Gap, Page, Target};
use crate::time::BootTime;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Follower {
    lease: Lease,
    /// The start of a read that is not at its end yet.
    unfinished: Option<BootTime>,
}

/// What one command or request brought.
#[derive(Debug, Clone, Copy)]
pub struct Read<'a> {
    /// When it was sent.
    pub began: BootTime,
    pub entries: &'a [Entry],
    /// Whether nothing was left out. `XREAD COUNT n` that gives n entries may have left out some.
    pub is_whole: bool,
}

/// How what was read fits what was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    InOrder,
    /// Changes were missed, so everything remembered is void.
    Gap,
}

impl Follower {
    #[must_use]
    pub const fn new(lease: Duration) -> Self {
        Self {
            lease: Lease::new(lease),
            unfinished: None,
        }
    }

    #[must_use]
    pub const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// To be told of every read, also of those that brought nothing.
    pub fn read(&mut self, fence: &Fence, read: Read<'_>) -> Followed {
        let began = self.unfinished.unwrap_or(read.began);
        self.unfinished = (!read.is_whole).then_some(began);
        let mut followed = Followed::InOrder;
        let mut has_beat = false;
        for entry in read.entries {
            let applied = match entry {
                Entry::Change(change) => Some(apply(fence, change)),
                Entry::Beat(beat) => reach(fence, beat.seq),
            };
            if applied == Some(Applied::Gap) {
                followed = Followed::Gap;
            }
            if let (Entry::Beat(beat), Some(_)) = (entry, applied) {
                has_beat = true;
                self.lease.beat(beat.number, began);
            }
        }
        if !has_beat {
            self.lease.read_without_beat(began);
        }
        followed
    }

    /// As `read`, over HTTP. A log that knows less than this gateway does is not listened to.
    pub fn read_page(
        &mut self,
        fence: &Fence,
        sent: BootTime,
        page: &Page,
    ) -> Result<Followed, Gap> {
        let missed = match page.hello.check(fence.stamp().seq()) {
            Ok(()) => false,
            Err(Gap::Forgotten { first }) => {
                fence.restart(Seq(first.0.saturating_sub(1)));
                true
            }
            Err(gap @ Gap::Ahead { .. }) => {
                self.lose(fence);
                return Err(gap);
            }
        };
        let read = Read {
            began: sent,
            entries: &page.entries,
            is_whole: !page.hello.has_more,
        };
        let followed = self.read(fence, read);
        Ok(if missed { Followed::Gap } else { followed })
    }

    /// The log is read from somewhere else now.
    pub fn change_source(&mut self) {
        self.unfinished = None;
        self.lease.change_source();
    }

    /// Something was there that could not be read, Redis is another one or has another role, or
    /// this process was stopped for longer than its lease: everything remembered is void.
    pub fn lose(&mut self, fence: &Fence) {
        fence.raise_floor();
        self.change_source();
    }
}

/// Brings the fence to where a beat says that the log is; none if the fence is past it.
fn reach(fence: &Fence, seq: Seq) -> Option<Applied> {
    let known = fence.stamp().seq();
    if seq > known {
        fence.restart(seq);
        return Some(Applied::Gap);
    }
    (seq == known).then_some(Applied::InOrder)
}

fn apply(fence: &Fence, change: &Change) -> Applied {
    let session;
    let scope = match &change.target {
        Target::Session(id) => {
            session = id.to_string();
            Scope::Session(&session)
        }
        Target::Subject(id) => Scope::Subject(id),
        Target::Client(id) => Scope::Client(id),
        Target::Tenant(id) => Scope::Tenant(id),
        Target::Realm => Scope::Global,
    };
    fence.apply(change.seq, scope)
}

#[cfg(test)]
mod tests;
