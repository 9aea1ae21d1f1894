//! Tells the identity provider how far the log is in force here.
//!
//! Whoever revokes may wait for these reports, so there is one as soon as a change is in force; and
//! one now and then without a change, since nothing is trusted of a gateway that is not known there
//! ([`idp_token::membership`]).

use std::sync::Arc;
use std::time::Duration;

use idp_token::ask::report::{GatewayId, Report};
use idp_token::membership::{MEMBER_FOR, Membership};
use idp_token::time::BootTime;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::knowledge::Knowledge;
use super::log::Progress;
use super::patience::Patience;
use super::provider::Provider;
use crate::clock;
use crate::metrics::SourceMetrics;

/// Without a change: some reports may get lost before anybody is forgotten.
const REPORT_EVERY: Duration = Duration::from_secs(MEMBER_FOR.as_secs() / 8);
/// So long after one report there is no other: what changed meanwhile is reported together.
const SPACING: Duration = Duration::from_millis(10);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Reports {
    pub(super) gateway: GatewayId,
    pub(super) lease: Duration,
    pub(super) knowledge: Arc<Knowledge>,
    pub(super) provider: Arc<Provider>,
    pub(super) metrics: SourceMetrics,
}

impl Reports {
    /// Reports for as long as the log is followed.
    pub(super) async fn run(self, mut progress: watch::Receiver<Progress>) {
        let mut membership = Membership::default();
        let mut patience = Patience::new(PAUSE_MIN, PAUSE_MAX);
        loop {
            let reached = *progress.borrow_and_update();
            let sent = clock::boot();
            match self.provider.report(&self.report(reached)).await {
                Ok(()) => {
                    membership.acknowledge(sent, clock::boot());
                    self.knowledge.note_membership(&membership);
                    if patience.regain() {
                        tracing::info!("the identity provider takes reports again");
                    }
                    match timeout(REPORT_EVERY, progress.changed()).await {
                        Ok(Ok(())) => sleep(rest(sent)).await,
                        Ok(Err(_)) => return,
                        Err(_) => {}
                    }
                }
                Err(error) => {
                    self.metrics.count_call_failed("report");
                    let (pause, is_first) = patience.lose();
                    if is_first {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "the identity provider does not take reports");
                    }
                    sleep(pause).await;
                }
            }
        }
    }

    fn report(&self, progress: Progress) -> Report {
        Report {
            gateway: self.gateway,
            lease: self.lease,
            applied: progress.applied,
            reading: progress.reading,
        }
    }
}

/// What is left of the spacing after a report that was sent then.
fn rest(sent: BootTime) -> Duration {
    let gone = clock::boot().0.saturating_sub(sent.0);
    SPACING.saturating_sub(gone)
}
