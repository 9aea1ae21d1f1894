//! May this write run, or has it run already?
//!
//! The first request with a key runs and its answer is kept. The same request again gets the kept
//! answer, byte for byte, whether it was good or bad news; another request under the key is
//! refused; the same request while the first one is still running is told to come back.
//!
//! At most `answers_max` answers are kept. Past that the oldest answer is forgotten, so a key
//! protects its request for at least the next `answers_max` writes. Keys in flight are never
//! forgotten; there are no more of them than there are connections and sagas.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::answer::{self, JSON, NO_STORE, PROBLEM_JSON};
use crate::problem::Refusal;

/// An answer as it was given and will be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

impl Recorded {
    pub(crate) fn created<T: Serialize>(value: &T) -> Self {
        Self {
            status: StatusCode::CREATED,
            body: answer::json(value),
        }
    }

    pub(crate) fn replayed(self) -> Response {
        let mut response = self.into_response();
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

impl From<Refusal> for Recorded {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status(),
            body: refusal.body(),
        }
    }
}

impl IntoResponse for Recorded {
    fn into_response(self) -> Response {
        let kind = if self.status.is_success() {
            JSON
        } else {
            PROBLEM_JSON
        };
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, NO_STORE),
        ];
        (self.status, headers, self.body).into_response()
    }
}

/// The answers of one service, by key.
#[derive(Debug)]
pub(crate) struct Answers<Q> {
    kept: Mutex<Kept<Q>>,
    answers_max: usize,
}

#[derive(Debug)]
struct Kept<Q> {
    by_key: HashMap<Arc<str>, Written<Q>>,
    /// The answered keys, oldest first.
    answered: VecDeque<Arc<str>>,
}

/// A request, kept in full rather than as a hash: two requests that only look alike are two.
#[derive(Debug)]
struct Written<Q> {
    request: Q,
    answer: Option<Recorded>,
}

/// What to do with a request that came with a key.
#[derive(Debug)]
pub(crate) enum Begun<Q: Eq> {
    Run(Slot<Q>),
    Replay(Recorded),
}

impl<Q: Eq> Answers<Q> {
    pub(crate) fn new(answers_max: usize) -> Arc<Self> {
        let kept = Kept {
            by_key: HashMap::new(),
            answered: VecDeque::new(),
        };
        Arc::new(Self {
            kept: Mutex::new(kept),
            answers_max,
        })
    }

    pub(crate) fn begin(self: &Arc<Self>, key: &Arc<str>, request: Q) -> Result<Begun<Q>, Refusal> {
        match self.kept().by_key.entry(Arc::clone(key)) {
            Entry::Occupied(entry) if entry.get().request != request => Err(Refusal::KeyReused),
            Entry::Occupied(entry) => match &entry.get().answer {
                Some(answer) => Ok(Begun::Replay(answer.clone())),
                None => Err(Refusal::KeyInFlight),
            },
            Entry::Vacant(entry) => {
                entry.insert(Written {
                    request,
                    answer: None,
                });
                let (answers, key) = (Arc::clone(self), Arc::clone(key));
                Ok(Begun::Run(Slot {
                    answers,
                    key,
                    release: true,
                }))
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<Q>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to run a request once. Dropped unused, it gives the key back.
#[derive(Debug)]
pub(crate) struct Slot<Q: Eq> {
    answers: Arc<Answers<Q>>,
    key: Arc<str>,
    release: bool,
}

impl<Q: Eq> Slot<Q> {
    /// From here on the request may have had an effect: if its answer gets lost, the key stays in
    /// flight for good rather than let the request run again.
    pub(crate) fn start(&mut self) {
        self.release = false;
    }

    pub(crate) fn key(&self) -> &Arc<str> {
        &self.key
    }

    pub(crate) fn answer(mut self, answer: Recorded) -> Recorded {
        self.release = false;
        let mut kept = self.answers.kept();
        if let Some(written) = kept.by_key.get_mut(&self.key) {
            written.answer = Some(answer.clone());
        }
        kept.answered.push_back(Arc::clone(&self.key));
        if kept.answered.len() > self.answers.answers_max {
            let oldest = kept.answered.pop_front();
            oldest.and_then(|key| kept.by_key.remove(&key));
        }
        drop(kept);
        answer
    }
}

impl<Q: Eq> Drop for Slot<Q> {
    fn drop(&mut self) {
        if self.release {
            self.answers.kept().by_key.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(text: &'static str) -> Recorded {
        Recorded {
            status: StatusCode::CREATED,
            body: Bytes::from_static(text.as_bytes()),
        }
    }

    fn key(text: &str) -> Arc<str> {
        text.into()
    }

    fn run(answers: &Arc<Answers<u8>>, key: &Arc<str>, request: u8) -> Slot<u8> {
        match answers.begin(key, request).unwrap() {
            Begun::Run(slot) => slot,
            Begun::Replay(answer) => panic!("replayed {answer:?}"),
        }
    }

    #[test]
    fn the_same_request_gets_the_kept_answer_and_another_is_refused() {
        let (answers, a) = (Answers::new(10), key("a"));
        let slot = run(&answers, &a, 1);
        assert_eq!(answers.begin(&a, 1).unwrap_err(), Refusal::KeyInFlight);
        assert_eq!(answers.begin(&a, 2).unwrap_err(), Refusal::KeyReused);
        slot.answer(recorded("first"));
        let Ok(Begun::Replay(answer)) = answers.begin(&a, 1) else {
            panic!("ran twice")
        };
        assert_eq!(answer, recorded("first"));
        assert_eq!(answers.begin(&a, 2).unwrap_err(), Refusal::KeyReused);
    }

    #[test]
    fn a_key_that_did_nothing_is_given_back_and_one_that_may_have_is_not() {
        let (answers, a) = (Answers::new(10), key("a"));
        drop(run(&answers, &a, 1));
        let mut slot = run(&answers, &a, 2);
        slot.start();
        drop(slot);
        assert_eq!(answers.begin(&a, 2).unwrap_err(), Refusal::KeyInFlight);
    }

    #[test]
    fn the_oldest_answer_is_forgotten_past_the_limit_and_a_key_in_flight_never() {
        let answers = Answers::new(2);
        let in_flight = run(&answers, &key("slow"), 0);
        for name in ["a", "b", "c"] {
            run(&answers, &key(name), 1).answer(recorded("done"));
        }
        assert!(matches!(answers.begin(&key("b"), 1), Ok(Begun::Replay(_))));
        assert!(matches!(answers.begin(&key("a"), 1), Ok(Begun::Run(_))));
        assert_eq!(
            answers.begin(&key("slow"), 0).unwrap_err(),
            Refusal::KeyInFlight
        );
        drop(in_flight);
    }
}
