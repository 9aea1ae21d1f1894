//! How long ago were sessions last used? Gathered here, and told to the identity provider some at a time.
//!
//! Of each session the latest use is kept until it is told. What cannot be told is kept and told
//! with the next; what does not fit is lost, as it would be were this process killed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use idp_token::ask::uses::{USES_MAX, Use};
use idp_token::session::SessionId;
use idp_token::time::BootTime;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::patience::Patience;
use super::provider::{CallError, Provider};
use crate::clock;
use crate::metrics::SourceMetrics;

/// Sessions that are kept.
const KEPT_MAX: usize = 1 << 16;
/// How long a use waits for others to be told with it.
const GATHER: Duration = Duration::from_secs(1);
/// For all that is left when the process stops.
const FLUSH_MAX: Duration = Duration::from_secs(2);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Uses {
    kept: Mutex<HashMap<SessionId, BootTime>>,
    /// There are enough for a message.
    is_full: Notify,
    provider: Arc<Provider>,
    metrics: SourceMetrics,
}

impl Uses {
    pub(super) fn new(provider: Arc<Provider>, metrics: SourceMetrics) -> Arc<Self> {
        Arc::new(Self {
            kept: Mutex::default(),
            is_full: Notify::new(),
            provider,
            metrics,
        })
    }

    /// To be called when the last one noted is `Session::report_after` ago. False if it is not kept:
    /// then it is to be noted again with the next use.
    #[must_use]
    pub(crate) fn note(&self, session: SessionId, at: BootTime) -> bool {
        let mut kept = self.kept();
        let is_kept = keep(&mut kept, (session, at));
        let count = kept.len();
        drop(kept);
        if !is_kept {
            self.metrics.uses_lost.inc();
        }
        if count >= USES_MAX {
            self.is_full.notify_one();
        }
        is_kept
    }

    /// Tells what there is, for as long as the process runs.
    pub(super) async fn run(self: Arc<Self>) {
        let mut patience = Patience::new(PAUSE_MIN, PAUSE_MAX);
        loop {
            // Whether time is up or there is enough: it is told.
            let _ = timeout(GATHER, self.is_full.notified()).await;
            match self.tell_all().await {
                Ok(()) => {
                    if patience.regain() {
                        tracing::info!("the identity provider is told of uses again");
                    }
                }
                Err(error) => {
                    let (pause, is_first) = patience.lose();
                    if is_first {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "the identity provider is not told of uses");
                    }
                    sleep(pause).await;
                }
            }
        }
    }

    /// Tells what is left, at the end.
    pub(super) async fn flush(&self) {
        let told = timeout(FLUSH_MAX, self.tell_all()).await;
        if !matches!(told, Ok(Ok(()))) {
            let sessions = self.kept().len();
            tracing::warn!(sessions, "last uses of sessions were not told");
        }
    }

    async fn tell_all(&self) -> Result<(), CallError> {
        loop {
            let Some(told) = self.take() else {
                return Ok(());
            };
            // Should this be dropped midway, nothing is lost.
            let taken = Taken { uses: self, told };
            if let Err(error) = self.provider.note_uses(&taken.as_of(clock::boot())).await {
                self.metrics.count_call_failed("uses");
                return Err(error);
            }
            taken.forget();
        }
    }

    fn take(&self) -> Option<Vec<(SessionId, BootTime)>> {
        let mut kept = self.kept();
        let mut told = Vec::with_capacity(USES_MAX.min(kept.len()));
        let sessions: Vec<_> = kept.keys().take(USES_MAX).copied().collect();
        for session in sessions {
            let at = kept.remove(&session);
            told.extend(at.map(|at| (session, at)));
        }
        self.note_waiting(&kept);
        (!told.is_empty()).then_some(told)
    }

    fn put_back(&self, told: &[(SessionId, BootTime)]) {
        let mut kept = self.kept();
        let lost = told.iter().filter(|it| !keep(&mut kept, **it)).count();
        self.metrics.uses_lost.inc_by(lost as u64);
        self.note_waiting(&kept);
    }

    fn note_waiting(&self, kept: &HashMap<SessionId, BootTime>) {
        let waiting = i64::try_from(kept.len()).unwrap_or(i64::MAX);
        self.metrics.uses_waiting.set(waiting);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<SessionId, BootTime>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is being told, and is kept again if that does not succeed.
struct Taken<'a> {
    uses: &'a Uses,
    told: Vec<(SessionId, BootTime)>,
}

impl Taken<'_> {
    fn as_of(&self, now: BootTime) -> Vec<Use> {
        let uses = self.told.iter().map(|(session, at)| Use {
            session: *session,
            age: now.since(*at),
        });
        uses.collect()
    }

    fn forget(mut self) {
        self.told.clear();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.told.is_empty() {
            self.uses.put_back(&self.told);
        }
    }
}

/// The later of two uses of a session is the one that counts.
fn keep(kept: &mut HashMap<SessionId, BootTime>, (session, at): (SessionId, BootTime)) -> bool {
    let has_room = kept.len() < KEPT_MAX;
    match kept.entry(session) {
        Entry::Occupied(mut known) => {
            let later = at.max(*known.get());
            known.insert(later);
            true
        }
        Entry::Vacant(place) if has_room => {
            place.insert(at);
            true
        }
        Entry::Vacant(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: usize) -> SessionId {
        SessionId((number as u128).to_be_bytes())
    }

    fn used(number: usize, at: u64) -> (SessionId, BootTime) {
        (session(number), BootTime(Duration::from_secs(at)))
    }

    #[test]
    fn the_latest_use_counts_in_whatever_order_they_come() {
        let mut kept = HashMap::new();
        for at in [7, 9, 8] {
            assert!(keep(&mut kept, used(1, at)));
        }
        assert_eq!(
            kept.get(&session(1)),
            Some(&BootTime(Duration::from_secs(9)))
        );
        assert_eq!(kept.len(), 1);
    }

    #[test]
    fn as_many_sessions_are_kept_as_may_be_and_no_more() {
        let mut kept = HashMap::new();
        for number in 0..KEPT_MAX {
            assert!(keep(&mut kept, used(number, 1)), "{number}");
        }
        assert!(!keep(&mut kept, used(KEPT_MAX, 1)));
        assert!(keep(&mut kept, used(0, 2)), "one that is there already");
        assert_eq!(kept.len(), KEPT_MAX);
    }
}
