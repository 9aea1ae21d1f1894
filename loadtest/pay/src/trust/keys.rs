//! Which keys does the issuer sign with at present?
//!
//! One task fetches them: when it starts, on schedule, and when a token names a key that is not
//! known, though never again within the cooldown, so that forged names cost the issuer nothing. A
//! request only asks and waits; if its client leaves, the fetch goes on. The set at hand is good
//! until there is another good one: an answer that cannot be had, cannot be read or holds no key
//! changes nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, StatusCode, Uri, uri};
use bytes::Bytes;
use http_body_util::Full;
use idp_token::time::UnixSeconds;
use idp_token::value::{
    Claims, Expectations, JwsError, KeySet, KeySetError, LIFETIME_MAX, SET_BYTES_MAX,
    ValueTokenError, Verifier,
};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::Trust;
use crate::client::{Client, Unanswered};
use crate::listener::Phase;
use crate::problem::Refusal;
use crate::tasks::spawn;

/// How far apart the issuer's clock and ours may be.
const LEEWAY: Duration = Duration::from_secs(5);

/// How often the issuer is asked for its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRefresh {
    /// On schedule, once there is a set.
    pub every: Duration,
    /// The least time from one fetch to the next, and the schedule until there is a set.
    pub cooldown: Duration,
}

impl Default for KeyRefresh {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(300),
            cooldown: Duration::from_secs(5),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an http: address")]
pub struct JwksUrlError(String);

/// The keys as they were fetched last. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    fetched: watch::Receiver<Fetched>,
    wanted: Arc<Notify>,
    cooldown: Duration,
    /// How long a fetch may take.
    patience: Duration,
}

#[derive(Clone, Debug, Default)]
struct Fetched {
    verifier: Option<Arc<Verifier>>,
    /// How many fetches have ended, well or not.
    fetches: u64,
    /// When the last one began.
    began: Option<Instant>,
}

struct Keeper {
    client: Client,
    address: Uri,
    expectations: Expectations,
    refresh: KeyRefresh,
    fetched: watch::Sender<Fetched>,
    wanted: Arc<Notify>,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Set(#[from] KeySetError),
    #[error("no key in the set is for signatures")]
    Empty,
}

impl Keys {
    /// Starts to keep the keys of an issuer, for as long as the services do not stop.
    pub(crate) fn keep(
        trust: &Trust,
        refresh: KeyRefresh,
        client: Client,
        phase: watch::Receiver<Phase>,
    ) -> Result<Self, JwksUrlError> {
        let address = parse_address(&trust.jwks_url)?;
        let (sender, fetched) = watch::channel(Fetched::default());
        let wanted = Arc::new(Notify::new());
        let patience = client.timeout();
        let keeper = Keeper {
            client,
            address,
            expectations: Expectations {
                issuer: trust.issuer.clone(),
                audience: trust.audience.clone(),
                leeway: LEEWAY,
                lifetime_max: LIFETIME_MAX,
            },
            refresh,
            fetched: sender,
            wanted: Arc::clone(&wanted),
        };
        spawn("pay key fetching", keeper.run(phase));
        Ok(Self {
            fetched,
            wanted,
            cooldown: refresh.cooldown,
            patience,
        })
    }

    /// Verifies a token, with keys fetched anew if it names one that is not known.
    pub(crate) async fn verify(&self, token: &str, now: UnixSeconds) -> Result<Claims, Refusal> {
        let mut fetched = self.fetched.clone();
        let at_hand = fetched.borrow().clone();
        let first = at_hand.verify(token, now);
        let is_fetch_wanted = matches!(first, Err(Disbelief::NoKeys | Disbelief::UnknownKey));
        if !is_fetch_wanted || at_hand.began.is_some_and(|at| at.elapsed() < self.cooldown) {
            return Ok(first?);
        }
        self.wanted.notify_one();
        let next = fetched.wait_for(|fetched| fetched.fetches > at_hand.fetches);
        // Not in time, or never again: what is at hand has to do.
        let _ = tokio::time::timeout(self.patience, next).await;
        let newest = self.fetched.borrow().clone();
        Ok(newest.verify(token, now)?)
    }
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disbelief {
    NoKeys,
    UnknownKey,
    Invalid,
}

impl From<Disbelief> for Refusal {
    fn from(disbelief: Disbelief) -> Self {
        match disbelief {
            Disbelief::NoKeys => Self::NoKeys,
            Disbelief::UnknownKey | Disbelief::Invalid => Self::TokenInvalid,
        }
    }
}

impl Fetched {
    fn verify(&self, token: &str, now: UnixSeconds) -> Result<Claims, Disbelief> {
        let verifier = self.verifier.as_ref().ok_or(Disbelief::NoKeys)?;
        verifier.verify(token, now).map_err(|error| {
            tracing::debug!(%error, "a token is not believed");
            if error == ValueTokenError::Jws(JwsError::UnknownKey) {
                Disbelief::UnknownKey
            } else {
                Disbelief::Invalid
            }
        })
    }
}

impl Keeper {
    async fn run(self, mut phase: watch::Receiver<Phase>) {
        let mut began: Option<Instant> = None;
        let mut is_failing = false;
        loop {
            let elapsed = began.map_or(Duration::MAX, |began| began.elapsed());
            tokio::select! {
                _ = phase.wait_for(|phase| *phase == Phase::Stopped) => return,
                () = tokio::time::sleep(self.interval().saturating_sub(elapsed)) => {}
                () = self.wanted.notified() => {
                    if began.is_some_and(|began| began.elapsed() < self.refresh.cooldown) {
                        continue;
                    }
                }
            }
            began = Some(Instant::now());
            let fetched = self.fetch().await;
            if let Err(error) = &fetched
                && !is_failing
            {
                tracing::warn!(address = %self.address, %error, "the keys of the issuer cannot be fetched; the old ones go on");
            }
            is_failing = fetched.is_err();
            self.publish(fetched.ok(), began);
        }
    }

    fn interval(&self) -> Duration {
        if self.fetched.borrow().verifier.is_some() {
            self.refresh.every
        } else {
            self.refresh.cooldown
        }
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = self.address.clone();
        let (status, body) = self.client.exchange(request, SET_BYTES_MAX).await?;
        if status != StatusCode::OK {
            return Err(FetchError::Status(status));
        }
        let keys = KeySet::parse(&body)?;
        if keys.keys().is_empty() {
            return Err(FetchError::Empty);
        }
        Ok(keys)
    }

    fn publish(&self, keys: Option<KeySet>, began: Option<Instant>) {
        let verifier = keys.map(|keys| Arc::new(Verifier::new(self.expectations.clone(), keys)));
        self.fetched.send_modify(|fetched| {
            fetched.fetches += 1;
            fetched.began = began;
            if verifier.is_some() {
                fetched.verifier = verifier;
            }
        });
    }
}

fn parse_address(text: &str) -> Result<Uri, JwksUrlError> {
    let address = text.parse::<Uri>().ok();
    let plain =
        address.filter(|uri| uri.scheme() == Some(&uri::Scheme::HTTP) && uri.authority().is_some());
    plain.ok_or_else(|| JwksUrlError(text.to_owned()))
}
