//! Removes what nobody asks for any more, at a pace that nobody notices.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::clock;
use crate::desk::Desk;
use crate::store::{Sweep, Swept};

/// Between pages of a walk: at most one commit in each.
const STEP: Duration = Duration::from_millis(200);
/// Between walks, and after a failure.
const REST: Duration = Duration::from_secs(60);

pub(crate) async fn run(desk: Arc<Desk>) {
    let mut sweep = Sweep::default();
    loop {
        let pause = match sweep.step(&desk.store, clock::now()).await {
            Ok(Swept::Page(removed)) => {
                desk.metrics.swept.inc_by(removed as u64);
                STEP
            }
            Ok(Swept::All) => REST,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "what is out of date cannot be removed yet");
                REST
            }
        };
        sleep(pause).await;
    }
}
