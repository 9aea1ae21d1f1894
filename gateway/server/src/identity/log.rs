//! Follows the log of changes, wherever it can be read, for as long as the process runs.
//!
//! Redis is read while it is well, and otherwise the identity provider, from the place where reading
//! stopped ([`choice`]). The two logs have the same numbers, so no change is missed or read twice;
//! they have beats of their own, so nothing that was heard in one proves anything in the other.
//!
//! What does not fit ends in one of two ways, both of them cautious. Where something may have been
//! missed everything that is remembered is void. Where nothing is heard nothing is proved, and the
//! lease runs out.

use std::sync::Arc;
use std::time::Duration;

use idp_token::ask::report::Reading;
use idp_token::epoch::Seq;
use idp_token::follow::{Followed, Follower, Read};
use idp_token::lease::SILENCE_MAX;
use idp_token::log::{Entry, Gap, Page};
use idp_token::time::BootTime;
use tokio::sync::watch;

use super::knowledge::Knowledge;
use super::provider::Provider;
use super::redis::{Server, Standing};
use crate::clock;
use crate::metrics::{SourceMetrics, Void};
use choice::Choice;
use in_redis::Left;

mod at_provider;
mod choice;
mod in_redis;
mod scout;

/// How far the log is in force here, and where it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) applied: Seq,
    pub(super) reading: Reading,
}

/// The one that applies what is read.
#[derive(Debug)]
pub(super) struct Reader {
    knowledge: Arc<Knowledge>,
    follower: Follower,
    progress: watch::Sender<Progress>,
    metrics: SourceMetrics,
    /// When the source that is read now last gave a sign of life, or was turned to.
    alive_at: BootTime,
    /// The Redis that was read last.
    standing: Option<Standing>,
    has_begun: bool,
}

impl Reader {
    pub(super) fn new(knowledge: Arc<Knowledge>, lease: Duration, metrics: SourceMetrics) -> Self {
        let progress = Progress {
            applied: knowledge.stamp().seq(),
            reading: Reading::Provider,
        };
        Self {
            knowledge,
            follower: Follower::new(lease),
            progress: watch::channel(progress).0,
            metrics,
            alive_at: clock::boot(),
            standing: None,
            has_begun: false,
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Reads for as long as the process runs.
    pub(super) async fn run(mut self, provider: Arc<Provider>, redis: Option<Arc<Server>>) {
        let Some(redis) = redis else {
            self.turn_to(Reading::Provider);
            return at_provider::follow(&mut self, &provider).await;
        };
        let mut choice = Choice::default();
        loop {
            self.turn_to(Reading::Redis);
            let left = in_redis::follow(&mut self, &redis).await;
            complain(&left);
            choice.leave(clock::boot());
            self.turn_to(Reading::Provider);
            let knowledge = Arc::clone(&self.knowledge);
            tokio::select! {
                () = at_provider::follow(&mut self, &provider) => {}
                () = scout::until_well(&redis, &knowledge, &mut choice) => {}
            }
            tracing::info!("the log is read in Redis again");
        }
    }

    fn turn_to(&mut self, reading: Reading) {
        self.follower.change_source();
        self.alive_at = clock::boot();
        let is_redis = reading == Reading::Redis;
        self.metrics.log.reads_redis.set(i64::from(is_redis));
        let word = if is_redis { "redis" } else { "provider" };
        self.metrics.log.count_switch(word);
        self.progress
            .send_modify(|progress| progress.reading = reading);
    }

    /// The last change that is in force.
    fn known(&self) -> Seq {
        self.knowledge.stamp().seq()
    }

    fn take(&mut self, read: Read<'_>) {
        self.knowledge.note_ended(read.entries);
        let followed = self.follower.read(self.knowledge.fence(), read);
        self.settle(read.entries, followed);
    }

    /// A log that ends before what was read of it is not listened to.
    fn take_page(&mut self, sent: BootTime, page: &Page) -> Result<(), Gap> {
        self.knowledge.note_ended(&page.entries);
        let fence = self.knowledge.fence();
        match self.follower.read_page(fence, sent, page) {
            Ok(followed) => {
                self.settle(&page.entries, followed);
                Ok(())
            }
            Err(gap) => {
                self.metrics.log.count_void(Void::Gap);
                Err(gap)
            }
        }
    }

    /// Says to everybody else what has come of a read.
    fn settle(&mut self, entries: &[Entry], followed: Followed) {
        let is_change = |entry: &&Entry| matches!(entry, Entry::Change(_));
        let changes = entries.iter().filter(is_change).count() as u64;
        self.metrics.log.changes.inc_by(changes);
        if followed == Followed::Gap {
            self.metrics.log.count_void(Void::Gap);
        }
        let now = clock::boot();
        let fresh_at = self.follower.lease().fresh_at();
        let age = self.knowledge.age(now);
        self.knowledge.note_fresh(fresh_at);
        if self.knowledge.age(now) < age
            && let Some(age) = age
        {
            self.metrics.log.proof_seconds.observe(age.as_secs_f64());
        }
        let applied = self.known();
        let number = i64::try_from(applied.0).unwrap_or(i64::MAX);
        self.metrics.log.applied.set(number);
        self.progress.send_if_modified(|progress| {
            let is_new = progress.applied != applied;
            progress.applied = applied;
            is_new
        });
    }

    fn lose(&mut self, why: Void) {
        self.follower.lose(self.knowledge.fence());
        self.metrics.log.count_void(why);
    }

    /// A gateway that has just started has nothing to void, and need not read what happened before it
    /// was there: it begins where the log is by now. Whether it did.
    fn begin_at(&mut self, seq: Seq) -> bool {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if is_first && seq > self.known() {
            self.knowledge.fence().restart(seq);
        }
        is_first
    }

    /// Whether three beats did not come, as far as could be heard.
    fn is_silent(&self) -> bool {
        clock::boot().0.saturating_sub(self.alive_at.0) > SILENCE_MAX
    }

    fn last_beat(&self) -> Option<u64> {
        self.follower.lease().last_beat()
    }
}

fn complain(left: &Left) {
    let error = left as &dyn std::error::Error;
    tracing::warn!(error, "the log is read at the identity provider");
}

#[cfg(test)]
mod tests;
