//! How does a change that is on disk get to the gateways?
//!
//! One task looks at the outbox as soon as something was committed, gives each row its number in a
//! commit of its own, and appends it to the log ([`tail`]), which gateways read over HTTP
//! ([`pages`]). When [`Pace`] allows it, a beat is appended. If Redis is configured, another task
//! carries the log there ([`projection`]). The two logs have beats of their own, at a pace of
//! their own: neither waits for the other, and whoever follows one is as fresh as can be read there.
//!
//! Whatever goes wrong ends in silence: no beat, and the leases of gateways run out. Nothing has to
//! be taken back, for nothing is said before it is on disk.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use idp_core::relay::{self, Pace, Step};
use idp_core::store::StoreError;
use idp_token::lease::BEAT_EVERY;
use idp_token::log::run_of;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use crate::desk::{Desk, settle};
use crate::random::{self, NoRandom};
use crate::store::EmbeddedStore;

pub(crate) use look::promised;
pub use projection::RedisSettingsError;
pub(crate) use projection::{Projection, Records, Waiting};
pub(crate) use tail::Tail;

mod look;
pub(crate) mod pages;
mod patience;
mod projection;
mod tail;

use look::{LookError, Looked};
use patience::Patience;

const LEAP: u64 = 1 << 32;
/// Between looks that fail.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error(transparent)]
    Random(#[from] NoRandom),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the numbers of a backup cannot be passed over")]
    Leap(#[source] Box<dyn Error + Send + Sync>),
}

/// The log as it stands when the process starts.
pub(crate) async fn begin(store: &EmbeddedStore) -> Result<Tail, BeginError> {
    if store.is_copy() {
        leap(store).await?;
    }
    Ok(Tail::new(draw_run()?, look::published(store).await?))
}

/// Farther than any store came before it was put back, and not to where another copy of it went.
async fn leap(store: &EmbeddedStore) -> Result<(), BeginError> {
    let by = LEAP + u64::from(u32::from_be_bytes(random::bytes()?));
    let seq = settle(store, move |view, now, _| relay::leap(view, by, now));
    let seq = seq
        .await
        .map_err(|error| BeginError::Leap(error.into()))?
        .answer;
    store.own().await?;
    tracing::warn!(
        seq = seq.0,
        "the store is a backup: the log of changes goes on from here"
    );
    Ok(())
}

/// Publishes for as long as the process runs.
pub(crate) async fn run(desk: Arc<Desk>) {
    let mut relay = Relay {
        pace: Pace::new(desk.tail.run()),
        beats: beats(),
        patience: Patience::new(PAUSE_MIN, PAUSE_MAX),
        desk,
    };
    loop {
        relay.step().await;
    }
}

struct Relay {
    desk: Arc<Desk>,
    pace: Pace,
    beats: Interval,
    patience: Patience,
}

impl Relay {
    async fn step(&mut self) {
        match self.pace.next() {
            Step::Compare | Step::Publish { .. } => self.pace.complete(self.desk.tail.seq()),
            Step::Look => self.look().await,
            Step::Beat(beat) => {
                self.pace.beat_sent();
                self.desk.tail.beat(beat);
                self.pace.beat_acknowledged();
                self.desk.metrics.beats.inc();
            }
            Step::Rest => tokio::select! {
                () = self.desk.has_changes.notified() => self.pace.nudge(),
                _ = self.beats.tick() => self.pace.make_due(),
            },
        }
    }

    async fn look(&mut self) {
        self.pace.look_began();
        let known = self.desk.tail.seq();
        match look::look(&self.desk.store, known).await {
            Ok(looked) => self.append(&looked),
            Err(error) => {
                self.pace.look_failed();
                self.rest_after(&error).await;
            }
        }
    }

    fn append(&mut self, looked: &Looked) {
        let tail = &self.desk.tail;
        tail.append(&looked.published);
        let seq = tail.seq();
        self.pace.complete(seq);
        self.pace.looked(seq, looked.saw_all);
        self.desk.metrics.reached(seq, looked.age);
        if self.patience.regain() {
            tracing::info!("changes are published again");
        }
    }

    async fn rest_after(&mut self, error: &LookError) {
        let (pause, is_first) = self.patience.lose();
        self.desk.metrics.looks_failed.inc();
        if is_first {
            let error = error as &dyn Error;
            tracing::error!(error, "changes cannot be published, so no beat is sent");
        }
        sleep(pause).await;
    }
}

fn draw_run() -> Result<u64, NoRandom> {
    random::bytes().map(run_of)
}

fn beats() -> Interval {
    let mut beats = interval(BEAT_EVERY);
    // After a pause there is nothing to catch up with: a beat speaks of now.
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats
}
