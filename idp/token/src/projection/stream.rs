//! Where in the stream is a change, and from where on is it read?

use std::fmt;

use crate::epoch::Seq;
use crate::log::{Entry, LineError, decimal};

/// Under what an entry lies: the newest change as of it, and a count of what came after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    pub seq: Seq,
    pub count: u64,
}

/// From where on a reader reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Behind this entry, as `XREAD` takes it.
    After(StreamId),
    /// This Redis lacks what was read elsewhere. It is looked at again later.
    Behind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    #[error("the id is not one of this log")]
    Id,
    #[error("the entry under id {0} cannot be read")]
    Entry(StreamId, #[source] LineError),
    #[error("the entry under id {0} has another number")]
    Moved(StreamId),
}

impl StreamId {
    /// Reads the one spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, count) = text.split_once('-')?;
        Some(Self {
            seq: Seq(decimal(seq)?),
            count: decimal(count)?,
        })
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.seq.0, self.count)
    }
}

/// Where to begin, for a reader that knows all changes up to this one; `end` is the last entry there
/// is (`XREVRANGE + - COUNT 1`). To be asked again after every silence: a stream that was lost
/// begins at a lower id than the one that was read last.
#[must_use]
pub fn start(end: Option<StreamId>, known: Seq) -> Start {
    let after = |seq, count| Start::After(StreamId { seq, count });
    match end {
        // Beats that are written from now on come after the change that is known.
        None if known == Seq::NONE => after(Seq::NONE, 0),
        None => after(Seq(known.0 - 1), u64::MAX),
        Some(end) if end.seq < known => Start::Behind,
        Some(end) if end.seq == known => Start::After(end),
        // The next change is there. Beats before it are of no use any more.
        Some(_) => after(known, u64::MAX),
    }
}

/// Reads one entry: its id and its field.
pub fn read_entry(id: &str, text: &[u8]) -> Result<(StreamId, Entry), StreamError> {
    let id = StreamId::parse(id).ok_or(StreamError::Id)?;
    let entry = Entry::read(text).map_err(|source| StreamError::Entry(id, source))?;
    if entry.seq() != id.seq {
        return Err(StreamError::Moved(id));
    }
    Ok((id, entry))
}
