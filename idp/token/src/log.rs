//! What does the log say, and how is it spelled?
//!
//! The relay of the identity provider writes the log, every gateway reads it. It holds the
//! *changes*, numbered without a hole, and the *beats* between them. There is one spelling, JSON
//! with a version, for both places where the log is read: a line of an answer over HTTP, and the
//! one field of an entry of the Redis stream.
//!
//! ```json
//! {"v":1,"run":77,"first":3,"next":8,"more":false}
//! {"v":1,"seq":7,"on":"session","id":"00ff…","kind":"ended","at":1800000000,"until":1800003600}
//! {"v":1,"beat":78,"seq":7}
//! ```
//!
//! A version or a member that is not known may say something that matters. Whoever meets one takes
//! it for a gap: everything remembered is void, and the identity provider is asked.
//!
//! # Numbers of beats
//!
//! A relay draws the number of its first beat at random (`run_of`), so that no relay continues the
//! beats of another, and counts by one from there. Where it cannot tell whether a beat arrived it
//! leaves one number out: what may still arrive must not be continued.
//!
//! # Over HTTP the log is asked for, never streamed
//!
//! `GET /internal/log?after=7.78` is answered with what comes after change 7 and beat 78, at once
//! or when there is something, and the answer ends there. The lease rests on the start of a read
//! which did not contain a beat: that the beat was not there yet. A request is answered after it
//! was sent, so this holds for it. Of an endless answer it does not: what is on its way through a
//! slow network was written long before the reader began to wait for it, and a gateway would take
//! old news for new.

use std::fmt::Write as _;

use crate::epoch::Seq;
use crate::json::MemberError;
use crate::session::SessionId;
use crate::time::UnixSeconds;

mod line;

/// No line is longer, its end included.
pub const LINE_BYTES_MAX: usize = 2048;
/// Lines of one answer, the first one included.
pub const LINES_MAX: usize = 1024;
pub const PAGE_BYTES_MAX: usize = LINE_BYTES_MAX * LINES_MAX;
/// How long a subject, a client or a tenant may be called.
pub const NAME_BYTES_MAX: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Entry {
    Change(Change),
    Beat(Beat),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    pub seq: Seq,
    pub target: Target,
    pub kind: Kind,
    pub at: UnixSeconds,
    /// When no token of the target can be left; none if that is not known.
    pub until: Option<UnixSeconds>,
}

/// Whose cached tokens are void.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    Session(SessionId),
    /// A `sub`: a user, or a client that acts for itself.
    Subject(String),
    Client(String),
    Tenant(String),
    Realm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Every session of the target that was begun before is over: it may be refused unasked.
    Ended,
    /// The target may say something else from now on: ask again.
    Changed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Beat {
    pub number: u64,
    /// The newest change before it. Whoever does not know that one has missed something.
    pub seq: Seq,
}

/// The first line of every answer: what there is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// The number of the first beat of the relay that answers.
    pub run: u64,
    /// The oldest change that is kept; the next one if none is.
    pub first: Seq,
    /// The number that the next change will have, as the database knows it. What this log lacks so
    /// far may be in the other one already.
    pub next: Seq,
    /// Whether there was more than the answer holds. A beat that is not in it may be in the rest.
    pub has_more: bool,
}

/// Where a reader stands: it has read this change, and after it this beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    pub seq: Seq,
    pub beat: Option<u64>,
}

/// One answer to a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub hello: Hello,
    pub entries: Vec<Entry>,
}

/// Why reading cannot go on from where it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Gap {
    #[error("changes were missed: {first:?} is the oldest that is kept")]
    Forgotten { first: Seq },
    /// The database was put back to an older state. Nothing that such a log says is fresh.
    #[error("the log ends before change {next:?}, which was read already")]
    Ahead { next: Seq },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("longer than any line")]
    TooLong,
    #[error("not an object whose members are there once")]
    Syntax,
    #[error("of version {0}, which is not known")]
    UnknownVersion(u64),
    #[error(transparent)]
    Member(#[from] MemberError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    #[error("longer than any answer")]
    TooLong,
    #[error("the last line has no end")]
    Cut,
    #[error("line {line} cannot be read")]
    Line { line: usize, source: LineError },
}

/// The number of a relay's first beat, from eight bytes of a cryptographic generator.
#[must_use]
pub const fn run_of(random: [u8; 8]) -> u64 {
    // Half of all numbers are left to count on.
    u64::from_be_bytes(random) >> 1
}

impl Entry {
    /// The newest change that is known with it.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        match self {
            Self::Change(change) => change.seq,
            Self::Beat(beat) => beat.seq,
        }
    }

    /// One line without its end.
    #[must_use]
    pub fn write(&self) -> String {
        match self {
            Self::Change(change) => line::write_change(change),
            Self::Beat(beat) => line::write_beat(*beat),
        }
    }

    pub fn read(text: &[u8]) -> Result<Self, LineError> {
        let members = line::members(text)?;
        if members.has("beat") {
            return Ok(Self::Beat(line::read_beat(&members)?));
        }
        Ok(Self::Change(line::read_change(&members)?))
    }
}

impl Hello {
    /// Whether the log goes on from the last change that a reader knows.
    pub fn check(&self, known: Seq) -> Result<(), Gap> {
        if known >= self.next {
            return Err(Gap::Ahead { next: self.next });
        }
        if known.next() < self.first {
            return Err(Gap::Forgotten { first: self.first });
        }
        Ok(())
    }
}

impl Page {
    /// The body of an answer, `application/x-ndjson`.
    #[must_use]
    pub fn write(&self) -> String {
        let mut out = line::write_hello(self.hello);
        out.push('\n');
        for entry in &self.entries {
            out.push_str(&entry.write());
            out.push('\n');
        }
        out
    }

    /// An answer is read as a whole or not at all: half of one is no proof of anything.
    pub fn read(body: &[u8]) -> Result<Self, PageError> {
        if body.len() > PAGE_BYTES_MAX {
            return Err(PageError::TooLong);
        }
        let body = body.strip_suffix(b"\n").ok_or(PageError::Cut)?;
        let mut lines = body.split(|byte| *byte == b'\n').zip(1..);
        let located = |line| move |source| PageError::Line { line, source };
        let (first, _) = lines.next().ok_or(PageError::Cut)?;
        let hello = line::members(first)
            .and_then(|members| Ok(line::read_hello(&members)?))
            .map_err(located(1))?;
        let mut entries = Vec::new();
        for (text, line) in lines {
            if line > LINES_MAX {
                return Err(PageError::TooLong);
            }
            entries.push(Entry::read(text).map_err(located(line))?);
        }
        Ok(Self { hello, entries })
    }
}

impl After {
    /// As it stands in the query of a request.
    #[must_use]
    pub fn write(self) -> String {
        let mut out = self.seq.0.to_string();
        if let Some(beat) = self.beat {
            write!(out, ".{beat}").expect("invariant: a text takes whatever is written to it");
        }
        out
    }

    /// Reads the one spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, beat) = match text.split_once('.') {
            Some((seq, beat)) => (seq, Some(decimal(beat)?)),
            None => (text, None),
        };
        let seq = Seq(decimal(seq)?);
        Some(Self { seq, beat })
    }
}

/// A number as it is spelled once: no sign, no leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let is_spelled_well =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_spelled_well)
}

#[cfg(test)]
mod tests;
