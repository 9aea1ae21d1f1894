//! One look-up for a token at a time, however many requests wait for it.
//!
//! A look-up is a task of its own: it goes on when the request that began it is given up, and those
//! that joined it hear the outcome. How many look-ups and how many who wait there may be is bounded;
//! past it a request is told that nobody can be asked for it now.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_core::verdict::Unknown;
use idp_token::digest::TokenDigest;
use idp_token::time::BootTime;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::spawn::spawn;

const FLIGHTS_MAX: usize = 4096;
const WAITING_MAX: usize = 16 * 1024;
/// Whoever is asked has a deadline that is shorter; this one is for those who wait.
const WAIT_MAX: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(super) struct Flights<T> {
    under_way: Mutex<UnderWay<T>>,
    waiting: Semaphore,
}

#[derive(Debug)]
struct UnderWay<T> {
    flights: HashMap<TokenDigest, Flight<T>>,
    begun: u64,
}

#[derive(Debug)]
struct Flight<T> {
    number: u64,
    began: BootTime,
    told: Telling<T>,
}

type Telling<T> = watch::Receiver<Option<Result<T, Unknown>>>;

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            under_way: Mutex::new(UnderWay {
                flights: HashMap::new(),
                begun: 0,
            }),
            waiting: Semaphore::new(WAITING_MAX),
        })
    }

    /// The outcome of the look-up of this token that is under way, if it began no earlier than
    /// that; otherwise of one that begins now.
    pub(super) async fn join<F>(
        self: &Arc<Self>,
        digest: TokenDigest,
        (now, not_before): (BootTime, BootTime),
        look_up: impl FnOnce() -> F,
    ) -> Result<T, Unknown>
    where
        F: Future<Output = Result<T, Unknown>> + Send + 'static,
    {
        let _place = self.waiting.try_acquire();
        let _place = _place.map_err(|_| Unknown::Overloaded)?;
        let mut told = self.board(digest, (now, not_before), look_up)?;
        let heard = timeout(WAIT_MAX, told.wait_for(Option::is_some)).await;
        match heard {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Err(Unknown::Unreachable)),
            // It broke off, or takes longer than it may.
            Ok(Err(_)) | Err(_) => Err(Unknown::Unreachable),
        }
    }

    /// Joins a look-up that is under way, or begins one. One that began too early goes on for those
    /// who wait for it, and nobody joins it any more.
    fn board<F>(
        self: &Arc<Self>,
        digest: TokenDigest,
        (now, not_before): (BootTime, BootTime),
        look_up: impl FnOnce() -> F,
    ) -> Result<Telling<T>, Unknown>
    where
        F: Future<Output = Result<T, Unknown>> + Send + 'static,
    {
        let mut under_way = self.lock();
        let flight = under_way.flights.get(&digest);
        if let Some(flight) = flight.filter(|flight| flight.began >= not_before) {
            return Ok(flight.told.clone());
        }
        if under_way.flights.len() >= FLIGHTS_MAX {
            return Err(Unknown::Overloaded);
        }
        let (tell, told) = watch::channel(None);
        under_way.begun += 1;
        let number = under_way.begun;
        let flight = Flight {
            number,
            began: now,
            told: told.clone(),
        };
        under_way.flights.insert(digest, flight);
        drop(under_way);
        let landing = Landing {
            flights: Arc::clone(self),
            digest,
            number,
        };
        let look_up = look_up();
        spawn("look-up", async move {
            let outcome = look_up.await;
            // Whoever asks from now on begins anew.
            drop(landing);
            tell.send_replace(Some(outcome));
        });
        Ok(told)
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay<T>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room when a look-up is over, however it ended.
struct Landing<T: Clone + Send + Sync + 'static> {
    flights: Arc<Flights<T>>,
    digest: TokenDigest,
    number: u64,
}

impl<T: Clone + Send + Sync + 'static> Drop for Landing<T> {
    fn drop(&mut self) {
        let mut under_way = self.flights.lock();
        let own = under_way.flights.get(&self.digest);
        if own.is_some_and(|flight| flight.number == self.number) {
            under_way.flights.remove(&self.digest);
        }
    }
}

#[cfg(test)]
mod tests;
