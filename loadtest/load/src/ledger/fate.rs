//! The client's book: what became of each request.

use std::fmt;

use crate::closed::{Answer, Failure};

use super::ID;
use super::entry::Entry;
use super::filling::answer_body;

/// So much of a body that belongs to somebody else is shown.
const SHOWN_BYTES_MAX: usize = 48;

#[derive(Clone, Debug)]
pub struct Sent {
    pub entry: Entry,
    pub fate: Fate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Answered(Answered),
    /// Sent, at least in part, but no whole answer came.
    Broken(Fault, String),
    /// There was no connection.
    NotSent(String),
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub status: u16,
    /// The id it carries; the gateway's own answers carry none.
    pub id: Option<String>,
    /// Judged only where there is an id.
    pub echo: Echo,
}

/// How the body of an answer compares with the one that belongs to the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Echo {
    Own,
    /// A beginning of it that was framed as if it were all.
    Short {
        bytes: usize,
        expected: usize,
    },
    /// The first line of what came instead.
    Foreign(String),
}

/// Why no whole answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Closed or reset before a byte of answer.
    Unanswered,
    /// Closed or reset in the middle of an answer.
    Truncated,
    Timeout,
    /// Not HTTP/1.1 as RFC 9112 has it.
    Malformed,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unanswered => "unanswered",
            Self::Truncated => "truncated",
            Self::Timeout => "timed out",
            Self::Malformed => "malformed",
        })
    }
}

impl Fate {
    /// Of requests that were sent at once: the failure is that of the first without an answer, and
    /// those behind it are not answered either.
    pub(super) fn of_all(
        entries: &[Entry],
        answers: &[Answer],
        failure: Option<&Failure>,
    ) -> Vec<Self> {
        let answered = entries.iter().zip(answers);
        let mut fates: Vec<_> = answered
            .map(|(entry, answer)| Self::Answered(Answered::new(entry, answer)))
            .collect();
        let (Some(failure), true) = (failure, fates.len() < entries.len()) else {
            return fates;
        };
        let first = Self::failed(failure);
        let behind = match first {
            Self::NotSent(_) => first.clone(),
            Self::Answered(_) | Self::Broken(..) => {
                Self::Broken(Fault::Unanswered, format!("behind one: {failure}"))
            }
        };
        fates.push(first);
        fates.resize(entries.len(), behind);
        fates
    }

    fn failed(failure: &Failure) -> Self {
        let fault = match failure {
            Failure::Connect(_) => return Self::NotSent(failure.to_string()),
            Failure::Unanswered(_) => Fault::Unanswered,
            Failure::Timeout => Fault::Timeout,
            Failure::Malformed(_) => Fault::Malformed,
            Failure::Truncated(_) => Fault::Truncated,
        };
        Self::Broken(fault, failure.to_string())
    }

    /// The status of a whole answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(answered) => Some(answered.status),
            Self::Broken(..) | Self::NotSent(_) => None,
        }
    }
}

impl Answered {
    fn new(entry: &Entry, answer: &Answer) -> Self {
        Self {
            status: answer.status,
            id: answer.header(ID).map(str::to_owned),
            echo: Echo::new(entry, &answer.body),
        }
    }
}

impl Echo {
    fn new(entry: &Entry, body: &[u8]) -> Self {
        let expected = answer_body(&entry.id, entry.answer);
        if body == expected {
            return Self::Own;
        }
        if expected.starts_with(body) {
            return Self::Short {
                bytes: body.len(),
                expected: expected.len(),
            };
        }
        let line = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let shown = line.get(..SHOWN_BYTES_MAX).unwrap_or(line);
        Self::Foreign(String::from_utf8_lossy(shown).into_owned())
    }
}
