//! Records of tokens in Redis, as long as it is there.
//!
//! One task keeps a connection. While there is none nobody waits for it: Redis is passed over, and
//! the identity provider is asked.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use idp_token::digest::TokenDigest;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::patience::Patience;
use super::redis::{Records, Server, TroubleError};

/// Between attempts to connect.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Shelf {
    server: Arc<Server>,
    link: ArcSwapOption<Records>,
    is_broken: Notify,
}

impl Shelf {
    pub(super) fn new(server: Arc<Server>) -> Arc<Self> {
        Arc::new(Self {
            server,
            link: ArcSwapOption::empty(),
            is_broken: Notify::new(),
        })
    }

    /// None without a connection.
    pub(super) async fn find(
        &self,
        digest: TokenDigest,
    ) -> Option<Result<Vec<Option<Vec<u8>>>, TroubleError>> {
        let link = self.link.load_full()?;
        let found = Records::clone(&link).find(digest).await;
        if found.as_ref().is_err_and(TroubleError::is_of_connection) {
            self.drop_link(&link);
        }
        Some(found)
    }

    /// Connects, and connects again, for as long as the process runs.
    pub(super) async fn keep_connected(self: Arc<Self>) {
        let mut patience = Patience::new(PAUSE_MIN, PAUSE_MAX);
        loop {
            match self.server.connect_for_records().await {
                Ok(records) => {
                    if patience.regain() {
                        tracing::info!("Redis is asked for records again");
                    }
                    self.link.store(Some(Arc::new(records)));
                    self.is_broken.notified().await;
                    // One that breaks as soon as it is there is not made over and over.
                    sleep(PAUSE_MIN).await;
                }
                Err(error) => {
                    let (pause, is_first) = patience.lose();
                    if is_first {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "Redis cannot be asked for records");
                    }
                    sleep(pause).await;
                }
            }
        }
    }

    /// Only the first who finds it broken says so.
    fn drop_link(&self, broken: &Arc<Records>) {
        let before = self.link.compare_and_swap(broken, None);
        if before.as_ref().is_some_and(|it| Arc::ptr_eq(it, broken)) {
            self.is_broken.notify_one();
        }
    }
}
