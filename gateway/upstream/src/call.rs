//! One call to a service, from being let through to its end: where is it tried, and how often?
//!
//! A call is tried at most three times. Where nothing was sent, because nobody accepted the
//! connection, and where the endpoint itself says that it did not act, any request may be tried
//! again. Whatever else was sent may have been acted on, so only a read is sent again, never after a
//! byte of an answer. All of it draws on the budget of the service, save the first step away from an
//! endpoint that cannot be reached.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::breaker::{Change, Pass, Went};
use crate::endpoint::{Endpoint, InFlight};
use crate::service::{Kind, Service};

/// Attempts of a call, the first included.
pub const ATTEMPTS_MAX: usize = 3;

/// A service that takes this part of the time there is, or more, is slow.
const SLOW_PART: u32 = 2;

/// How an attempt failed, as far as the service is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No connection came about, so nothing was sent.
    Unreachable,
    /// A kept connection broke before a byte of an answer, as one does that the service closed while
    /// nobody used it. It says nothing about the endpoint.
    KeptBroke,
    /// The endpoint says that it did not act on the request, since it was closing the connection when
    /// the request came. It says nothing about the endpoint.
    Retired,
    /// The endpoint says that it did not act on the request and did not want it.
    Refused,
    /// The connection broke, or what came was not HTTP, or no whole answer.
    Broken,
    /// No answer came in time.
    TimedOut,
}

/// A call under way. Dropping it gives back what it holds and says nothing about the service: so
/// ends a call whose client left.
#[derive(Debug)]
pub struct Call {
    service: Arc<Service>,
    kind: Kind,
    /// Held until the breaker knows how the call went.
    pass: Option<Pass>,
    attempt: Option<InFlight>,
    /// Places of endpoints that are not picked again.
    tried: Vec<usize>,
    attempts: usize,
    limit: TimeLimit,
    /// When the whole request was with the service; until then it is the client who is slow.
    sent: Option<Instant>,
    /// Whether the free step away from an endpoint that cannot be reached was taken.
    has_moved_on: bool,
    /// When the head of an answer came.
    answered: Option<Instant>,
    /// Whether the service was blamed for this call already.
    is_blamed: bool,
    news: Vec<News>,
}

/// What a call changed for those after it.
#[derive(Debug)]
pub enum News {
    Ejected {
        endpoint: Arc<Endpoint>,
        lasts: Duration,
    },
    Breaker(Change),
}

/// Where a call is tried next.
#[derive(Debug)]
pub struct Picked {
    pub endpoint: Arc<Endpoint>,
    /// The place of the endpoint in its service.
    pub place: usize,
}

/// The time an exchange has.
#[derive(Debug, Clone, Copy)]
pub struct TimeLimit {
    /// When the exchange began, which may be long before a service is asked.
    pub began: Instant,
    pub timeout: Duration,
}

impl Call {
    pub(crate) fn new(
        service: Arc<Service>,
        (kind, pass): (Kind, Option<Pass>),
        limit: TimeLimit,
    ) -> Self {
        Self {
            service,
            kind,
            pass,
            attempt: None,
            tried: Vec::new(),
            attempts: 0,
            limit,
            sent: None,
            has_moved_on: false,
            answered: None,
            is_blamed: false,
            news: Vec::new(),
        }
    }

    /// What is to be told since the last time this was asked.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Begins the next attempt; `None` when no endpoint is left.
    #[must_use]
    pub fn pick(&mut self, now: Instant, random: u64) -> Option<Picked> {
        let attempt = self.service.pick(&self.tried, now, random)?;
        let picked = Picked {
            endpoint: Arc::clone(attempt.endpoint()),
            place: attempt.place(),
        };
        self.attempt = Some(attempt);
        self.attempts += 1;
        self.sent = None;
        Some(picked)
    }

    /// The whole request is with the service. What takes long from now on is its fault.
    pub fn sent(&mut self, now: Instant) {
        self.sent = self.sent.or(Some(now));
    }

    /// Ends an attempt that failed before a byte of an answer; whether there may be another.
    #[must_use]
    pub fn may_retry(&mut self, fault: Fault, is_read: bool, now: Instant) -> bool {
        if !self.end_attempt(fault, now) {
            return false;
        }
        let may_be_sent = match fault {
            Fault::Unreachable | Fault::Retired | Fault::Refused => true,
            Fault::KeptBroke | Fault::Broken => is_read,
            Fault::TimedOut => false,
        };
        let spent = now.saturating_duration_since(self.limit.began);
        let is_endpoint_left = self.tried.len() < self.service.endpoints().len();
        may_be_sent
            && spent < self.limit.timeout
            && is_endpoint_left
            && self.attempts < ATTEMPTS_MAX
            && self.may_spend(fault, now)
    }

    fn may_spend(&mut self, fault: Fault, now: Instant) -> bool {
        let is_free = fault == Fault::Unreachable && !self.has_moved_on;
        self.has_moved_on |= is_free;
        is_free || self.service.budget.spend(now)
    }

    /// The head of an answer is there. The rest of it may still fail.
    pub fn answered(&mut self, status: u16, now: Instant, random: u64) {
        self.answered = Some(now);
        self.is_blamed = status >= 500;
        if let (Some(attempt), true) = (&self.attempt, self.is_blamed) {
            let news = blame(&self.service, attempt, now);
            self.news.extend(news);
        }
        let went = match (self.is_blamed, self.is_slow(now)) {
            (true, _) => Went::Wrong,
            (false, true) => Went::Slowly,
            (false, false) => Went::Well,
        };
        self.tell_breaker(went, now, random);
    }

    /// The call is over without a whole answer.
    pub fn failed(&mut self, fault: Fault, now: Instant, random: u64) {
        self.end_attempt(fault, now);
        if self.is_blamed || self.is_excused(fault, now) {
            return;
        }
        self.is_blamed = true;
        match (self.answered.is_some(), self.service.breaker(self.kind)) {
            (true, Some(breaker)) => {
                let change = breaker.note_late_failure(now, random);
                self.news.extend(change.map(News::Breaker));
            }
            (true, None) => {}
            (false, _) => self.tell_breaker(Went::Wrong, now, random),
        }
    }

    /// Ends the attempt under way, if there is one, and tells whether there was.
    fn end_attempt(&mut self, fault: Fault, now: Instant) -> bool {
        let Some(attempt) = self.attempt.take() else {
            return false;
        };
        if !matches!(fault, Fault::KeptBroke | Fault::Retired) {
            self.tried.push(attempt.place());
            if !self.is_blamed && !self.is_excused(fault, now) {
                self.news.extend(blame(&self.service, &attempt, now));
            }
        }
        true
    }

    /// Time may be up because the client sent its request slowly, or takes its answer slowly.
    fn is_excused(&self, fault: Fault, now: Instant) -> bool {
        fault == Fault::TimedOut && (self.answered.is_some() || !self.is_slow(now))
    }

    /// Whether the service has had the request for much of the time that there is.
    fn is_slow(&self, now: Instant) -> bool {
        let waited = self.sent.map(|sent| now.saturating_duration_since(sent));
        waited.is_some_and(|waited| waited >= self.limit.timeout / SLOW_PART)
    }

    fn tell_breaker(&mut self, went: Went, now: Instant, random: u64) {
        if let (Some(pass), Some(breaker)) = (self.pass.take(), self.service.breaker(self.kind)) {
            let change = breaker.note(pass, went, now, random);
            self.news.extend(change.map(News::Breaker));
        }
    }
}

fn blame(service: &Service, attempt: &InFlight, now: Instant) -> Option<News> {
    let lasts = service.ejection.fail(attempt.place(), now)?;
    Some(News::Ejected {
        endpoint: Arc::clone(attempt.endpoint()),
        lasts,
    })
}

impl Drop for Call {
    fn drop(&mut self) {
        // An attempt that nobody ended did well if there was an answer.
        if let (Some(attempt), Some(answered), false) =
            (&self.attempt, self.answered, self.is_blamed)
        {
            self.service.ejection.succeed(attempt.place(), answered);
        }
        self.service.give_place_back();
    }
}

#[cfg(test)]
mod tests;
