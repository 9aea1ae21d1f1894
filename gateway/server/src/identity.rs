//! Who is asking? What the gateway knows of tokens, and how it learns about them.
//!
//! Decisions are those of `gateway-core`; what gateway and identity provider agree on is said in
//! `idp-token`. What was found out about a token is remembered ([`cache`]) and judged anew at every
//! use ([`gate`]). What is not known is looked up ([`lookup`]), in Redis or at the identity provider
//! ([`sources`]), and the log of changes is followed there ([`log`]). Other issuers are a world of
//! their own ([`issuers`]). What cannot be told is unknown, and never taken for bad.

use std::sync::Arc;
use std::time::Duration;

use idp_token::fence::Era;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tollgate_config::Idp;

use crate::clock;
use crate::metrics::{IdentityMetrics, Metrics};
use crate::spawn::spawn;

pub(crate) use effort::Effort;
pub(crate) use following::FollowError;
pub(crate) use gate::{Denied, Granted};
pub(crate) use issuers::{Issuer, Issuers, Vouched};
pub use redis::connection_info;
pub(crate) use refusals::Refusals;

use cache::Cache;
use entry::Entry;
use flights::Flights;
use following::Following;
use history::History;
use lookup::Outcome;
use rights::SharedRights;
use strangers::Strangers;

mod asking;
mod cache;
mod credential;
mod effort;
mod entry;
mod flights;
mod following;
mod gate;
mod history;
mod http;
mod inspect;
mod issuers;
mod keys;
mod knowledge;
mod log;
mod lookup;
mod patience;
mod proof;
mod provider;
mod redis;
mod refusals;
mod reports;
mod rights;
mod shelf;
mod shown;
mod sources;
mod standing;
mod strangers;
mod uses;
mod value_tokens;
mod waking;

/// Value tokens that are fetched ahead of time at once.
const RENEWALS_MAX: usize = 256;

/// What a gateway knows of callers, and whom it asks.
#[derive(Debug)]
pub(crate) struct Identity {
    following: Following,
    cache: Cache,
    flights: Arc<Flights<Outcome>>,
    strangers: Strangers,
    rights: SharedRights,
    renewals: Arc<Semaphore>,
    history: Arc<History>,
    noting: JoinHandle<()>,
    lease: Duration,
    /// Of the services behind this gateway; empty where nobody said.
    audiences: Vec<String>,
    pub(crate) metrics: IdentityMetrics,
}

impl Identity {
    /// Begins to follow an identity provider, which need not be there yet.
    pub(crate) fn start(idp: &Idp, metrics: &Metrics) -> Result<Arc<Self>, FollowError> {
        let following = Following::start(idp, &metrics.sources)?;
        let history = Arc::<History>::default();
        let noted = Arc::clone(&history).run(Arc::clone(&following.knowledge));
        Ok(Arc::new(Self {
            following,
            history,
            noting: spawn("identity-history", noted),
            cache: Cache::new(idp.cache_bytes),
            flights: Flights::new(),
            strangers: Strangers::new(),
            rights: SharedRights::default(),
            renewals: Arc::new(Semaphore::new(RENEWALS_MAX)),
            lease: idp.lease,
            audiences: idp.audience.clone(),
            metrics: metrics.identity.clone(),
        }))
    }

    /// Whether the identity provider was reached at least once: before, no token of it can be told
    /// from a forged one.
    pub(crate) fn was_reached(&self) -> bool {
        self.following.knowledge.filter_keys().is_some()
    }

    /// Whether a value token that a client shows can be told from a forged one.
    pub(crate) fn has_value_keys(&self) -> bool {
        self.following.knowledge.value_tokens().is_some()
    }

    /// What is kept for a caller is kept under this: it is another after each change of the log that may
    /// bear on them, and for a request that such a change has overtaken.
    pub(crate) fn era(&self, entry: &Entry) -> (Era, bool) {
        let fence = self.following.knowledge.fence();
        let era = fence.era(&entry.marks);
        // Read after the era: a change in between makes the request one that was overtaken.
        (era, fence.holds(entry.stamp, &entry.marks))
    }

    /// Notes how things are for whoever reads the metrics now.
    pub(crate) fn note_moment(&self) {
        let age = self.following.knowledge.age(clock::boot());
        self.metrics.note(age, self.cache.bytes());
    }

    /// To be called when no request is under way any more.
    pub(crate) async fn stop(&self) {
        self.noting.abort();
        self.following.stop().await;
    }
}
