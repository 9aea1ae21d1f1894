//! What became of the requests, by kind and by second.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::closed::Histogram;

/// How a request failed that got no answer as wished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Connect,
    /// The connection broke before the answer was whole.
    Broken,
    Timeout,
    Malformed,
    /// It was due, and could not even be queued.
    Dropped,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    pub connect: u64,
    pub broken: u64,
    pub timeout: u64,
    pub malformed: u64,
    pub dropped: u64,
    /// Answers of another status than was expected.
    pub status: u64,
    /// Answers without what their body was to hold.
    pub body: u64,
}

impl Failures {
    #[must_use]
    pub fn total(&self) -> u64 {
        self.connect
            + self.broken
            + self.timeout
            + self.malformed
            + self.dropped
            + self.status
            + self.body
    }

    /// Each that there was, in words.
    pub(super) fn told(&self) -> Vec<(&'static str, u64)> {
        let all = [
            ("no connection", self.connect),
            ("broken off", self.broken),
            ("no answer in time", self.timeout),
            ("not HTTP", self.malformed),
            ("not sent, the queue was full", self.dropped),
            ("another status than expected", self.status),
            ("body without what it was to hold", self.body),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn count(&mut self, failure: Failure) {
        match failure {
            Failure::Connect => self.connect += 1,
            Failure::Broken => self.broken += 1,
            Failure::Timeout => self.timeout += 1,
            Failure::Malformed => self.malformed += 1,
            Failure::Dropped => self.dropped += 1,
        }
    }

    fn add(&mut self, other: &Self) {
        self.connect += other.connect;
        self.broken += other.broken;
        self.timeout += other.timeout;
        self.malformed += other.malformed;
        self.dropped += other.dropped;
        self.status += other.status;
        self.body += other.body;
    }
}

/// One kind of request, or all of them.
#[derive(Clone, Debug, Default)]
pub struct Kind {
    pub answered: u64,
    pub failures: Failures,
    /// By the hundreds of the status.
    pub by_class: [u64; 6],
    pub bytes: u64,
    /// From the moment a request was due to the end of its answer.
    pub latency: Histogram,
    /// From the moment it was sent.
    pub service: Histogram,
}

/// Points of a series over time; a long run has longer ones.
const MOMENTS_MAX: u64 = 1800;

/// A part of a run, a second or more, by when requests were due.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    pub due: u64,
    pub failed: u64,
    pub latency: Histogram,
}

/// What one worker has seen, or all of them.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub kinds: Vec<Kind>,
    pub moments: Vec<Moment>,
    /// How many seconds a moment has.
    pub moment_s: u64,
    /// How late requests were sent that a connection was free for: the generator's own fault.
    pub lateness: Histogram,
    /// Requests that had to wait for a free connection.
    pub waited: u64,
    pub connects: u64,
}

/// How one request was answered.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) bytes: u64,
    pub(super) is_expected: bool,
    pub(super) holds: bool,
}

/// When it was due, sent and done, since the run began.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) due: Duration,
    pub(super) sent: Duration,
    pub(super) done: Duration,
}

impl Record {
    pub(super) fn new(kinds: usize, lasts: Duration) -> Self {
        Self {
            kinds: vec![Kind::default(); kinds],
            moment_s: lasts.as_secs().div_ceil(MOMENTS_MAX).max(1),
            ..Self::default()
        }
    }

    pub(super) fn answer(&mut self, kind: usize, times: Times, answered: &Answered) {
        let is_right = answered.is_expected && answered.holds;
        let latency = times.done.saturating_sub(times.due);
        if let Some(kind) = self.kinds.get_mut(kind) {
            kind.answered += 1;
            kind.bytes += answered.bytes;
            kind.latency.record(latency);
            kind.service.record(times.done.saturating_sub(times.sent));
            let class = usize::from(answered.status / 100);
            if let Some(count) = kind.by_class.get_mut(class) {
                *count += 1;
            }
            kind.failures.status += u64::from(!answered.is_expected);
            kind.failures.body += u64::from(answered.is_expected && !answered.holds);
        }
        let moment = self.moment(times.due);
        moment.due += 1;
        moment.failed += u64::from(!is_right);
        moment.latency.record(latency);
    }

    pub(super) fn fail(&mut self, kind: usize, due: Duration, failure: Failure) {
        if let Some(kind) = self.kinds.get_mut(kind) {
            kind.failures.count(failure);
        }
        let moment = self.moment(due);
        moment.due += 1;
        moment.failed += 1;
    }

    fn moment(&mut self, due: Duration) -> &mut Moment {
        let place = due.as_secs() / self.moment_s.max(1);
        let place = usize::try_from(place).unwrap_or_default();
        if self.moments.len() <= place {
            self.moments.resize_with(place + 1, Moment::default);
        }
        self.moments
            .get_mut(place)
            .expect("invariant: the list was made long enough above")
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.kinds
            .resize_with(self.kinds.len().max(other.kinds.len()), Kind::default);
        for (mine, theirs) in self.kinds.iter_mut().zip(&other.kinds) {
            mine.add(theirs);
        }
        let moments = self.moments.len().max(other.moments.len());
        self.moments.resize_with(moments, Moment::default);
        for (mine, theirs) in self.moments.iter_mut().zip(&other.moments) {
            mine.due += theirs.due;
            mine.failed += theirs.failed;
            mine.latency.add(&theirs.latency);
        }
        self.lateness.add(&other.lateness);
        self.waited += other.waited;
        self.connects += other.connects;
    }

    /// All kinds together.
    #[must_use]
    pub fn sum(&self) -> Kind {
        let mut sum = Kind::default();
        self.kinds.iter().for_each(|kind| sum.add(kind));
        sum
    }
}

impl Kind {
    fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.failures.add(&other.failures);
        for (mine, theirs) in self.by_class.iter_mut().zip(&other.by_class) {
            *mine += theirs;
        }
        self.bytes += other.bytes;
        self.latency.add(&other.latency);
        self.service.add(&other.service);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_a_moment_for_each_second_until_there_are_too_many() {
        let of = |seconds| Record::new(1, Duration::from_secs(seconds)).moment_s;
        let cases = [
            (1, 1),
            (MOMENTS_MAX, 1),
            (MOMENTS_MAX + 1, 2),
            (24 * 3600, 48),
        ];
        for (lasts, expected) in cases {
            assert_eq!(of(lasts), expected, "{lasts} s");
        }
        let mut record = Record::new(1, Duration::from_secs(MOMENTS_MAX + 1));
        record.fail(0, Duration::from_secs(1), Failure::Broken);
        record.fail(0, Duration::from_secs(2), Failure::Broken);
        let due: Vec<_> = record.moments.iter().map(|it| it.due).collect();
        assert_eq!(due, [1, 1]);
    }
}
