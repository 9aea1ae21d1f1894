//! JWTs, by the keys that their issuer publishes.
//!
//! One task fetches the keys, at its rhythm and when a token names one that is not there. What it
//! cannot read, or what holds no key that is of use, changes nothing: the keys before go on. Requests
//! read the keys of the moment and wait only for a fetch that could tell them more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use gateway_core::caller::Caller;
use gateway_core::key_rhythm::{KEPT_MAX, KeyRhythm, Missing};
use gateway_core::verdict::Unknown;
use idp_token::digest::TokenDigest;
use idp_token::external::jwt::{self, Signature};
use idp_token::external::{Holder, Policy, Unacceptable};
use idp_token::time::{BootTime, UnixSeconds};
use idp_token::value::{KeySet, KeySetError, SET_BYTES_MAX};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tollgate_config::Place;

use super::http::{AskError, Asked};
use super::memory::{Memory, Verdict};
use super::{Outcome, Shown, UNREACHABLE};
use crate::clock;
use crate::metrics::{Asking, IssuerMetrics};
use crate::spawn::spawn;

const DEADLINE: Duration = Duration::from_secs(3);
/// A fetch ends sooner, one way or the other.
const WAIT_MAX: Duration = Duration::from_secs(4);
/// A token may wait for a fetch that was under way when it came, and for one of its own.
const WAITS_MAX: usize = 2;

#[derive(Debug)]
pub(super) struct Keys {
    name: Arc<str>,
    at: Asked,
    rules: (Policy, Signature),
    current: ArcSwapOption<Known>,
    /// Until then the keys may be used, in nanoseconds of this machine's own clock.
    trusted_until: AtomicU64,
    rhythm: Mutex<KeyRhythm>,
    wanted: Notify,
    /// How many fetches have ended.
    ended: watch::Sender<u64>,
    memory: Memory,
    metrics: IssuerMetrics,
}

/// A set of keys as it was published.
#[derive(Debug)]
struct Known {
    text: Bytes,
    set: KeySet,
    /// Of two sets the later one has the greater number.
    number: u64,
}

/// Keys that are being fetched for as long as this lives.
#[derive(Debug)]
pub(super) struct Followed {
    keys: Arc<Keys>,
    task: JoinHandle<()>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::ops::Deref for Followed {
    type Target = Keys;

    fn deref(&self) -> &Keys {
        &self.keys
    }
}

/// Why a fetch brought no keys.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the keys could not be fetched")]
    Ask(#[from] AskError),
    #[error("what was fetched is no set of keys")]
    Set(#[from] KeySetError),
    #[error("there is no key for an algorithm that is taken of this issuer")]
    NoneOfUse,
}

impl Keys {
    pub(super) fn follow(
        (name, at): (&Arc<str>, &Place),
        rules: (Policy, Signature),
        metrics: IssuerMetrics,
    ) -> Followed {
        let keys = Arc::new(Self {
            name: Arc::clone(name),
            at: Asked::new(at, DEADLINE, SET_BYTES_MAX),
            rhythm: Mutex::new(KeyRhythm::new(rules.0.max_age)),
            rules,
            current: ArcSwapOption::empty(),
            trusted_until: AtomicU64::new(0),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
            memory: Memory::new(),
            metrics,
        });
        // Whoever comes before the first keys waits for them.
        keys.rhythm().begin(clock::boot());
        let task = spawn("issuer-keys", fetch_on(Arc::clone(&keys)));
        Followed { keys, task }
    }

    /// Whether there are any that may be used.
    pub(super) fn are_there(&self) -> bool {
        self.trusted(clock::boot()).is_some()
    }

    /// Whoever holds a token of which that is known already.
    pub(super) fn known(&self, digest: &TokenDigest) -> Option<Arc<Caller>> {
        let now = clock::boot();
        let known = self.trusted(now)?;
        let now = (now, clock::unix_seconds());
        self.memory.find(digest, known.number, now)
    }

    pub(super) async fn identify(&self, shown: Shown<'_>) -> Result<Outcome, Unknown> {
        for _ in 0..=WAITS_MAX {
            // Before anything is read: a fetch that ends from here on is heard of.
            let mut ended = self.ended.subscribe();
            let verified = self.verify(&shown);
            let lacks_key = match verified {
                Some(Ok(outcome)) => return Ok(outcome),
                Some(Err(lacks_key)) => Some(lacks_key),
                None => None,
            };
            match self.rhythm().missing(clock::boot()) {
                Missing::Absent => {
                    let bad = lacks_key.ok_or(UNREACHABLE)?;
                    return Ok(Outcome::Bad(bad.into()));
                }
                Missing::Unknown => return Err(UNREACHABLE),
                Missing::Wait => self.wanted.notify_one(),
            }
            let heard = timeout(WAIT_MAX, ended.changed()).await;
            heard.map_err(|_| UNREACHABLE)?.map_err(|_| UNREACHABLE)?;
        }
        Err(UNREACHABLE)
    }

    /// Judges a token by the keys of the moment: `None` if there are none, an error if it is of none
    /// of them.
    fn verify(&self, shown: &Shown<'_>) -> Option<Result<Outcome, Unacceptable>> {
        let now = (clock::boot(), clock::unix_seconds());
        let known = self.trusted(now.0)?;
        let (policy, signature) = &self.rules;
        let verified = jwt::verify(shown.text, &known.set, (policy, signature), now.1);
        Some(match verified {
            Ok(holder) => Ok(self.remember(&shown.digest, &holder, (now, known.number))),
            Err(error) if error.is_for_want_of_a_key() => Err(error),
            Err(error) => Ok(Outcome::Bad(error.into())),
        })
    }

    fn remember(
        &self,
        digest: &TokenDigest,
        holder: &Holder,
        ((boot, unix), number): ((BootTime, UnixSeconds), u64),
    ) -> Outcome {
        let ends_at = holder.ends_at.unwrap_or(unix);
        // The other clock may be set back meanwhile.
        let until = BootTime(boot.0 + ends_at.since(unix));
        let verdict = Verdict::new(digest, holder, (until, ends_at), number);
        let caller = verdict.caller();
        self.memory.insert(*digest, verdict);
        Outcome::Good(caller)
    }

    /// The keys of the moment, unless they are too old by now.
    fn trusted(&self, now: BootTime) -> Option<Arc<Known>> {
        let until = Duration::from_nanos(self.trusted_until.load(Ordering::Acquire));
        (now.0 < until).then(|| self.current.load_full()).flatten()
    }

    fn rhythm(&self) -> MutexGuard<'_, KeyRhythm> {
        self.rhythm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when a fetch is to begin; a token that only waits for one that was under way is no reason.
    async fn until_due(&self) {
        loop {
            let pause = {
                let rhythm = self.rhythm();
                let now = clock::boot();
                if rhythm.is_due(now) {
                    return;
                }
                rhythm.pause(now)
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    async fn fetch(&self) -> Result<(), FetchError> {
        let began = clock::boot();
        let text = self
            .at
            .get("application/jwk-set+json, application/json")
            .await?;
        let before = self.current.load_full();
        if before.as_ref().is_none_or(|before| before.text != text) {
            let number = before.map_or(0, |before| before.number) + 1;
            let set = self.read(&text)?;
            self.current
                .store(Some(Arc::new(Known { text, set, number })));
        }
        let until = (began.0 + KEPT_MAX).as_nanos();
        let until = u64::try_from(until).unwrap_or(u64::MAX);
        self.trusted_until.store(until, Ordering::Release);
        self.metrics.note_keys_at(clock::unix_seconds());
        Ok(())
    }

    /// An issuer that publishes nothing of use has made a mistake, or somebody stands in between.
    fn read(&self, text: &[u8]) -> Result<KeySet, FetchError> {
        let external = KeySet::parse_external(text)?;
        let (_, Signature { algorithms, .. }) = &self.rules;
        let keys = external.set.keys().iter();
        let of_use = keys.filter(|key| algorithms.contains(&key.algorithm()));
        let of_use = of_use.count();
        if of_use == 0 {
            return Err(FetchError::NoneOfUse);
        }
        let others = external.set.keys().len() - of_use;
        self.metrics.note_keys(of_use, external.left_out + others);
        Ok(external.set)
    }
}

/// Fetches keys for as long as anybody has a use for them. The first fetch was begun already.
async fn fetch_on(keys: Arc<Keys>) {
    let mut is_well = true;
    loop {
        let fetched = keys.fetch().await;
        let went_well = fetched.is_ok();
        keys.metrics.count_asked(match went_well {
            true => Asking::Answered,
            false => Asking::Failed,
        });
        let issuer = &*keys.name;
        match &fetched {
            Ok(()) if !is_well => tracing::info!(issuer, "the keys of an issuer are there again"),
            Err(reason) if is_well => {
                let error = reason as &dyn std::error::Error;
                tracing::warn!(issuer, error, "the keys of an issuer are not to be had");
            }
            Ok(()) | Err(_) => {}
        }
        is_well = went_well;
        keys.rhythm().end(went_well);
        keys.ended
            .send_modify(|count| *count = count.wrapping_add(1));

        keys.until_due().await;
        keys.rhythm().begin(clock::boot());
    }
}
