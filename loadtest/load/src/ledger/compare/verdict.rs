//! What a comparison found, so that an engineer knows where to look.

use std::collections::BTreeMap;
use std::fmt;

use crate::ledger::entry::Entry;
use crate::ledger::fate::{Fate, Fault};
use crate::ledger::log::Heard;

/// So many violations are shown in full; the rest is counted.
const SHOWN_MAX: usize = 12;

/// Empty when the promises held.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub violations: Vec<Violation>,
    /// Whole answers by status.
    pub by_status: BTreeMap<u16, usize>,
    pub broken: BTreeMap<Fault, usize>,
    pub not_sent: usize,
    /// Lines in the upstream's book.
    pub heard: usize,
    /// Sightings beyond the first, which reads are allowed.
    pub heard_again: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub kind: Kind,
    pub id: String,
    /// Method and path.
    pub request: String,
    pub what: String,
    /// The lines of the upstream's book, in its order.
    pub seen: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A write reached the upstream more than once, or a read more often than it may be tried.
    Repeated,
    /// An answer, or its body, that belongs to another request or to none.
    MixedUp,
    /// A success for a request that the upstream never had whole.
    Lost,
    /// The upstream heard what the client never sent.
    Invented,
    /// The upstream heard it whole, but with other words or another body.
    Altered,
    /// An answer that was cut and does not show it.
    Short,
    /// The upstream heard what is no request.
    Garbled,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeated => "repeated",
            Self::MixedUp => "mixed up",
            Self::Lost => "lost",
            Self::Invented => "invented",
            Self::Altered => "altered",
            Self::Short => "short",
            Self::Garbled => "garbled",
        })
    }
}

impl Verdict {
    pub fn is_empty(&self) -> bool {
        self.violations.is_empty()
    }

    /// Every request was sent and got a whole answer with a 2xx status.
    pub fn is_all_success(&self) -> bool {
        let mut statuses = self.by_status.keys();
        statuses.all(|status| (200..300).contains(status))
            && self.broken.is_empty()
            && self.not_sent == 0
    }

    pub fn status(&self, status: u16) -> usize {
        self.by_status.get(&status).copied().unwrap_or(0)
    }

    pub fn broken(&self, fault: Fault) -> usize {
        self.broken.get(&fault).copied().unwrap_or(0)
    }

    /// Entries in the client's book.
    pub fn sent(&self) -> usize {
        self.by_status
            .values()
            .chain(self.broken.values())
            .sum::<usize>()
            + self.not_sent
    }

    pub(super) fn count(&mut self, fate: &Fate) {
        let counter = match fate {
            Fate::Answered(answered) => self.by_status.entry(answered.status).or_default(),
            Fate::Broken(fault, _) => self.broken.entry(*fault).or_default(),
            Fate::NotSent(_) => &mut self.not_sent,
        };
        *counter += 1;
    }

    pub(super) fn add(&mut self, kind: Kind, entry: &Entry, what: String, seen: &[&Heard]) {
        self.violations.push(Violation {
            kind,
            id: entry.id.clone(),
            request: format!("{} {}", entry.method.as_str(), entry.path),
            what,
            seen: seen.iter().map(|heard| heard.to_string()).collect(),
        });
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        for violation in &self.violations {
            *kinds.entry(violation.kind).or_default() += 1;
        }
        write!(f, "{} requests: answers {:?}", self.sent(), self.by_status)?;
        for (fault, count) in &self.broken {
            write!(f, ", {count} {fault}")?;
        }
        write!(
            f,
            ", {} not sent; {} heard, {} of them again",
            self.not_sent, self.heard, self.heard_again
        )?;
        for (kind, count) in kinds {
            write!(f, "; {count} {kind}")?;
        }
        for violation in self.violations.iter().take(SHOWN_MAX) {
            write!(f, "\n{violation}")?;
        }
        match self.violations.len().checked_sub(SHOWN_MAX) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\n… and {more} more"),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            id,
            request,
            what,
            seen,
        } = self;
        write!(f, "{kind}: {request} (id {id}): {what}")?;
        for line in seen {
            write!(f, "\n    at {line}")?;
        }
        Ok(())
    }
}
