//! The log in Redis, as its scripts leave it (`idp_token::projection`).

use idp_token::epoch::Seq;
use idp_token::log::{Beat, Change, Entry, Kind, Target};
use idp_token::projection::StreamId;
use idp_token::time::UnixSeconds;

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Log {
    pub(super) position: Option<u64>,
    pub(super) end: Option<StreamId>,
    pub(super) entries: Vec<(StreamId, Entry)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Command {
    Position,
    Publish { after: u64, up_to: u64 },
    Fill { position: u64 },
    Beat(Beat),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reply {
    Done,
    Refused,
    Position(Option<u64>),
}

impl Log {
    pub(super) fn run(&mut self, command: Command) -> Reply {
        match command {
            Command::Position => Reply::Position(self.position),
            Command::Fill { position } => {
                *self = Self {
                    position: Some(position),
                    ..Self::default()
                };
                Reply::Done
            }
            Command::Publish { after, up_to } => {
                if self.position != Some(after) {
                    return Reply::Refused;
                }
                for seq in after + 1..=up_to {
                    self.add(seq, 0, change(seq));
                }
                self.position = Some(up_to);
                Reply::Done
            }
            Command::Beat(beat) => {
                let seq = beat.seq.0;
                if self.position != Some(seq) {
                    return Reply::Refused;
                }
                let count = match self.end {
                    Some(end) if end.seq.0 == seq => end.count + 1,
                    // Redis refuses an id that is not behind the last one.
                    Some(end) if end.seq.0 > seq => return Reply::Refused,
                    _ => 1,
                };
                self.add(seq, count, Entry::Beat(beat));
                Reply::Done
            }
        }
    }

    fn add(&mut self, seq: u64, count: u64, entry: Entry) {
        let seq = Seq(seq);
        let id = StreamId { seq, count };
        self.end = Some(id);
        self.entries.push((id, entry));
    }

    pub(super) fn has_beats(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|(_, entry)| matches!(entry, Entry::Beat(_)))
    }

    /// What nobody reads any more need not be told apart.
    pub(super) fn forget(&mut self, read: StreamId) {
        self.entries.retain(|(id, _)| *id > read);
    }
}

fn change(seq: u64) -> Entry {
    Entry::Change(Change {
        seq: Seq(seq),
        target: Target::Realm,
        kind: Kind::Ended,
        at: UnixSeconds(0),
        until: None,
    })
}
