//! What of the log and the epochs is in Redis, and how does it come to be there again when it is
//! lost?
//!
//! One task carries the log there, change by change and beat by beat, as [`Pace`] allows. The
//! scripts ([`idp_token::projection`]) take nothing that does not follow on what is there: a Redis
//! that was flushed, restarted or restored, or that another relay writes to, refuses. Then, as
//! after every new connection, it is asked how far it is, and gets what it lacks before anything
//! else: the changes after that, or everything anew ([`rebuild`]). No beat passes before.
//!
//! Nobody waits for Redis but this task and the one that keeps records ([`records`]).

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use idp_core::relay::{Pace, Step};
use idp_core::store::StoreError;
use idp_token::epoch::Seq;
use idp_token::lease::BEAT_EVERY;
use idp_token::log::{Beat, Change};
use idp_token::projection::{PUBLISH_MAX, beat, publish};
use redis::RedisError;
use tokio::sync::watch;
use tokio::time::{Interval, sleep, timeout};
use tollgate_config::Redis;

use super::patience::Patience;
use super::tail::{Place, spell};
use super::{beats, draw_run, look, pages};
use crate::clock;
use crate::desk::Desk;
use crate::metrics::gauge;
use crate::random::NoRandom;
use server::{Link, Server, is_broken};

pub(crate) use records::{Records, Waiting};

mod rebuild;
mod records;
mod server;

/// Between attempts.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Why the log is not carried on.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("Redis does not answer as it should")]
    Redis(#[from] RedisError),
    #[error("the store cannot be asked")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] NoRandom),
    #[error("somebody else writes to this Redis")]
    Contested,
}

#[derive(Debug, thiserror::Error)]
pub enum RedisSettingsError {
    #[error("this Redis cannot be connected to")]
    Settings(#[from] RedisError),
    #[error(transparent)]
    Random(#[from] NoRandom),
}

pub(crate) struct Projection {
    desk: Arc<Desk>,
    server: Server,
    pace: Pace,
    beats: Interval,
    patience: Patience,
    appended: watch::Receiver<Place>,
    /// What lies in Redis cannot be built upon, whatever it says itself.
    is_broken: bool,
    /// For whoever keeps records: none while nothing is known of what is in Redis.
    link: watch::Sender<Option<Link>>,
}

impl Projection {
    pub(crate) fn new(desk: Arc<Desk>, redis: &Redis) -> Result<Self, RedisSettingsError> {
        Ok(Self {
            server: Server::new(redis)?,
            pace: Pace::new(draw_run()?),
            beats: beats(),
            patience: Patience::new(PAUSE_MIN, PAUSE_MAX),
            appended: desk.tail.watch(),
            is_broken: false,
            link: watch::channel(None).0,
            desk,
        })
    }

    /// Carries the log for as long as the process runs.
    pub(crate) async fn run(mut self) {
        loop {
            let trouble = match self.server.connect().await {
                Ok(link) => self.carry(link).await,
                Err(error) => error.into(),
            };
            self.link.send_replace(None);
            self.pace.lost();
            self.rest_after(&trouble).await;
        }
    }

    async fn carry(&mut self, mut link: Link) -> Trouble {
        loop {
            if let Err(trouble) = self.step(&mut link).await {
                self.is_broken |= matches!(&trouble, Trouble::Redis(error) if is_broken(error));
                return trouble;
            }
        }
    }

    async fn step(&mut self, link: &mut Link) -> Result<(), Trouble> {
        match self.pace.next() {
            Step::Compare => self.compare(link).await,
            Step::Publish { after } => self.publish(link, after).await,
            Step::Look => self.look().await,
            Step::Beat(beat) => self.beat(link, beat).await,
            Step::Rest => {
                self.rest().await;
                Ok(())
            }
        }
    }

    /// What is there may be continued if every change after it is still kept.
    async fn compare(&mut self, link: &mut Link) -> Result<(), Trouble> {
        let position = link.position().await?;
        let (first, last) = look::kept(&self.desk.store).await?;
        let is_sound = |position: &Seq| *position <= last && position.next() >= first;
        let position = match position.filter(is_sound) {
            Some(position) if !self.is_broken => position,
            Some(_) | None => {
                let position = rebuild::rebuild(&self.desk.store, link).await?;
                self.desk.metrics.redis_rebuilds.inc();
                tracing::warn!(seq = position.0, "what Redis holds was written anew");
                position
            }
        };
        self.is_broken = false;
        self.pace.complete(position);
        self.link.send_replace(Some(link.clone()));
        Ok(())
    }

    async fn publish(&mut self, link: &mut Link, after: Seq) -> Result<(), Trouble> {
        let changes = self.changes(after).await?;
        let Some(call) = publish(after, &changes) else {
            return Ok(());
        };
        if !link.call(&call).await? {
            self.pace.refused();
            return Ok(());
        }
        let position = changes.last().map_or(after, |last| last.seq);
        self.pace.complete(position);
        self.desk.metrics.redis_seq.set(gauge(position.0));
        Ok(())
    }

    /// Changes after this one. There are some, or will be: they are promised.
    async fn changes(&mut self, after: Seq) -> Result<Vec<Change>, Trouble> {
        self.appended.mark_unchanged();
        match self.desk.tail.changes(after, PUBLISH_MAX) {
            Some(changes) if changes.is_empty() => {
                // Without the relay there is silence. It shows in what it says itself.
                let _ = timeout(BEAT_EVERY, self.appended.changed()).await;
                Ok(changes)
            }
            Some(changes) => Ok(changes),
            None => {
                let kept = pages::published(&self.desk.store, after, PUBLISH_MAX).await?;
                // Those in between were swept meanwhile.
                self.is_broken |= kept.first().is_none_or(|first| first.seq != after.next());
                if self.is_broken {
                    self.pace.refused();
                    return Ok(Vec::new());
                }
                Ok(kept.iter().map(spell).collect())
            }
        }
    }

    async fn look(&mut self) -> Result<(), Trouble> {
        self.pace.look_began();
        let promised = look::promised(&self.desk.store).await;
        if promised.is_err() {
            self.pace.look_failed();
        }
        self.pace.looked(promised?, true);
        Ok(())
    }

    async fn beat(&mut self, link: &mut Link, next: Beat) -> Result<(), Trouble> {
        self.pace.beat_sent();
        if !link.call(&beat(next, clock::now())).await? {
            self.pace.refused();
            return Ok(());
        }
        self.pace.beat_acknowledged();
        self.desk.metrics.redis_beats.inc();
        self.desk.metrics.redis_up.set(1);
        if self.patience.regain() {
            tracing::info!("Redis is up again");
        }
        Ok(())
    }

    async fn rest(&mut self) {
        tokio::select! {
            _ = self.appended.changed() => self.pace.nudge(),
            _ = self.beats.tick() => self.pace.make_due(),
        }
    }

    async fn rest_after(&mut self, trouble: &Trouble) {
        let (pause, is_first) = self.patience.lose();
        self.desk.metrics.redis_up.set(0);
        self.desk.metrics.redis_failures.inc();
        if is_first {
            let error = trouble as &dyn Error;
            tracing::warn!(error, "nothing is written to Redis until it is up again");
        }
        sleep(pause).await;
    }
}
