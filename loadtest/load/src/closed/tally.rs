//! What became of the requests.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::http1::answer::Answer;

use super::connection::Failure;
use super::histogram::Histogram;
use super::request::Sent;

/// Remembered in words, so that a failed test says what it saw.
const NOTES_MAX: usize = 8;
const NOTE_BODY_BYTES_MAX: usize = 160;

/// Every request is in `by_status` or in `errors`, once.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Answers with a 2xx status that the expectation accepted.
    pub ok: u64,
    /// Whole answers.
    pub by_status: BTreeMap<u16, u64>,
    /// Whole answers that the expectation refused: with an id, these are mix-ups.
    pub unexpected: u64,
    pub errors: Errors,
    /// Connections found closed while idle, before anything was sent on them.
    pub reopened: u64,
    /// GET and HEAD requests sent again because a used connection closed without a byte of
    /// answer. The server may or may not have seen the first one.
    pub resent: u64,
    /// Connections given up because the answer said `Connection: close`.
    pub closed: u64,
    /// Bytes of answers' bodies.
    pub bytes: u64,
    /// From the first byte sent, connecting included where it was needed, to the whole answer.
    pub latency: Histogram,
    /// The first few things that went wrong.
    pub notes: Vec<String>,
}

/// Requests that got no whole answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// No connection: refused, unreachable or not in time.
    pub connect: u64,
    /// Closed or reset before a byte of answer.
    pub reset: u64,
    /// No whole answer in time.
    pub timeout: u64,
    /// Not HTTP/1.1 as RFC 9112 has it, or beyond the limits.
    pub malformed: u64,
    /// Closed or reset in the middle of an answer.
    pub truncated: u64,
}

impl Errors {
    pub fn total(&self) -> u64 {
        self.connect + self.reset + self.timeout + self.malformed + self.truncated
    }
}

impl Tally {
    /// Whole answers, of whatever status.
    pub fn answered(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// Something was answered, and everything that was sent was answered as expected with 2xx.
    pub fn is_clean(&self) -> bool {
        self.ok > 0 && self.ok == self.answered() && self.errors.total() == 0
    }

    pub fn status(&self, status: u16) -> u64 {
        self.by_status.get(&status).copied().unwrap_or(0)
    }

    pub fn add(&mut self, other: &Self) {
        self.ok += other.ok;
        for (status, count) in &other.by_status {
            *self.by_status.entry(*status).or_default() += count;
        }
        self.unexpected += other.unexpected;
        self.errors.connect += other.errors.connect;
        self.errors.reset += other.errors.reset;
        self.errors.timeout += other.errors.timeout;
        self.errors.malformed += other.errors.malformed;
        self.errors.truncated += other.errors.truncated;
        self.reopened += other.reopened;
        self.resent += other.resent;
        self.closed += other.closed;
        self.bytes += other.bytes;
        self.latency.add(&other.latency);
        for note in &other.notes {
            self.note(note);
        }
    }

    pub(super) fn note(&mut self, note: &str) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note.to_owned());
        }
    }

    pub(super) fn count_answer(&mut self, answer: &Answer, took: Duration) {
        *self.by_status.entry(answer.status).or_default() += 1;
        self.bytes += answer.body.len() as u64;
        self.latency.record(took);
    }

    pub(super) fn count_verdict(&mut self, sent: &Sent<'_>, answer: &Answer, accepted: bool) {
        let success = (200..300).contains(&answer.status);
        if accepted && success {
            self.ok += 1;
            return;
        }
        if !accepted {
            self.unexpected += 1;
        }
        let shown = answer
            .body
            .get(..NOTE_BODY_BYTES_MAX)
            .unwrap_or(&answer.body);
        self.note(&format!(
            "{} (id {}) answered {}: {}",
            sent.path,
            sent.id,
            answer.status,
            String::from_utf8_lossy(shown),
        ));
    }

    pub(super) fn count_failure(&mut self, sent: &Sent<'_>, failure: &Failure) {
        let class = match failure {
            Failure::Connect(_) => &mut self.errors.connect,
            Failure::Unanswered(_) => &mut self.errors.reset,
            Failure::Timeout => &mut self.errors.timeout,
            Failure::Malformed(_) => &mut self.errors.malformed,
            Failure::Truncated(_) => &mut self.errors.truncated,
        };
        *class += 1;
        self.note(&format!("{} (id {}) failed: {failure}", sent.path, sent.id));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ok, answers {:?}, {} unexpected, {:?}, {} closed, {} reopened, {} resent, \
             p50 {:?} p99 {:?} max {:?}",
            self.ok,
            self.by_status,
            self.unexpected,
            self.errors,
            self.closed,
            self.reopened,
            self.resent,
            self.latency.p50(),
            self.latency.p99(),
            self.latency.max(),
        )?;
        for note in &self.notes {
            write!(f, "\n  {note}")?;
        }
        Ok(())
    }
}
