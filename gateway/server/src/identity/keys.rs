//! Fetches the keys by which tokens are told for ours, and fetches them again before they are old.

use std::sync::Arc;
use std::time::Duration;

use idp_token::ask::keys::COPY_KEPT;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::knowledge::{FilterCopy, Knowledge};
use super::patience::Patience;
use super::provider::{CallError, Provider};
use super::value_tokens::ValueTokens;
use crate::clock;
use crate::metrics::SourceMetrics;

/// Several attempts fit in before a copy may not be relied on any more.
const FETCH_EVERY: Duration = Duration::from_secs(COPY_KEPT.as_secs() / 5);
/// Anybody can write a token that names an unknown key.
const COOLDOWN: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What is expected of the provider's value tokens.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) issuer: String,
    /// Value tokens are taken from nobody if there is none.
    pub(super) audiences: Vec<String>,
    /// Whether records are looked for in Redis, which are believed if they are signed.
    pub(super) has_redis: bool,
}

#[derive(Debug)]
pub(crate) struct Keys {
    knowledge: Arc<Knowledge>,
    provider: Arc<Provider>,
    expected: Expected,
    is_wanted: Notify,
    metrics: SourceMetrics,
}

impl Keys {
    pub(super) fn new(
        knowledge: Arc<Knowledge>,
        provider: Arc<Provider>,
        expected: Expected,
        metrics: SourceMetrics,
    ) -> Arc<Self> {
        Arc::new(Self {
            knowledge,
            provider,
            expected,
            is_wanted: Notify::new(),
            metrics,
        })
    }

    /// Somebody showed a token that names a key which is not known. They are fetched soon; more
    /// often than once in a few seconds nobody has them fetched.
    pub(crate) fn want(&self) {
        self.is_wanted.notify_one();
    }

    /// Fetches for as long as the process runs.
    pub(super) async fn run(self: Arc<Self>) {
        let mut patience = Patience::new(PAUSE_MIN, PAUSE_MAX);
        loop {
            match self.fetch().await {
                Ok(()) => {
                    if patience.regain() {
                        tracing::info!("the keys of the identity provider were fetched");
                    }
                    sleep(COOLDOWN).await;
                    let _ = timeout(FETCH_EVERY - COOLDOWN, self.is_wanted.notified()).await;
                }
                Err(error) => {
                    self.metrics.count_call_failed("keys");
                    let (pause, is_first) = patience.lose();
                    if is_first {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "the keys of the identity provider are not told");
                    }
                    sleep(pause).await;
                }
            }
        }
    }

    async fn fetch(&self) -> Result<(), CallError> {
        let asked_at = clock::boot();
        let keys = self.provider.filter_keys().await?;
        self.knowledge
            .set_filter_keys(FilterCopy { keys, asked_at });
        let Expected {
            issuer,
            audiences,
            has_redis,
        } = &self.expected;
        if audiences.is_empty() && !has_redis {
            return Ok(());
        }
        let key_set = self.provider.key_set().await?;
        let value_tokens = ValueTokens::new(issuer, audiences, key_set);
        self.knowledge.set_value_tokens(value_tokens);
        Ok(())
    }
}
