//! A table that is held whole: read before anybody asks, kept up to date by what changed.
//!
//! A snapshot is immutable and swapped whole, so an answer that was begun on one sees no other. What
//! changed is asked for since a little before the last change that is known, because a service may
//! still have written in that second, and is applied to a copy. A table that comes back empty or much
//! smaller is not believed: the old one is kept and an alarm is raised, until a person says
//! otherwise by invalidating it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use composer_core::cause::Cause;
use composer_core::plan::{Lookup, LookupSource, Scope};
use gateway_upstream::Kind;
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::sync::{Notify, watch};

use crate::cache::{judge, never_kept};
use crate::client::{Reply, Upstream, Wish};
use crate::clock::Clock;
use crate::metrics::LookupMetrics;
use crate::random;
use crate::validators;

mod contents;

pub(crate) use contents::Snapshot;
use contents::{Unbelieved, Update};

/// Until the first attempt after one that failed, where the table was never read; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Table {
    lookup: Arc<Lookup>,
    terms: Terms,
    upstream: Arc<Upstream>,
    clock: Clock,
    snapshot: ArcSwapOption<Snapshot>,
    is_read: watch::Sender<bool>,
    /// Wakes whoever refreshes.
    wanted: Notify,
    /// Whether the next reading is believed however small it is.
    is_ordered: AtomicBool,
    is_alarmed: AtomicBool,
    metrics: LookupMetrics,
}

/// What the plan says of a table.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) refresh: Duration,
    pub(crate) reload: Duration,
    pub(crate) bytes_max: usize,
}

/// What one reader knows of its last readings.
#[derive(Debug, Default)]
struct Reading {
    /// When the table was last read whole.
    read_whole: Option<Instant>,
    /// What was last asked for, and the fields that tell whether it is still so.
    asked: Option<(String, Vec<(HeaderName, HeaderValue)>)>,
}

impl Terms {
    pub(crate) fn of(lookup: &Lookup) -> Option<Self> {
        match &lookup.source {
            LookupSource::Table {
                refresh,
                reload,
                bytes_max,
                ..
            } => Some(Self {
                refresh: *refresh,
                reload: *reload,
                bytes_max: *bytes_max,
            }),
            LookupSource::Batch { .. } => None,
        }
    }
}

impl Table {
    pub(crate) fn new(
        (lookup, terms): (Arc<Lookup>, Terms),
        upstream: Arc<Upstream>,
        clock: Clock,
        metrics: LookupMetrics,
    ) -> Arc<Self> {
        Arc::new(Self {
            lookup,
            terms,
            upstream,
            clock,
            snapshot: ArcSwapOption::empty(),
            is_read: watch::Sender::new(false),
            wanted: Notify::new(),
            is_ordered: AtomicBool::new(false),
            is_alarmed: AtomicBool::new(false),
            metrics,
        })
    }

    /// What an answer uses from its beginning to its end.
    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }

    /// Whether the last reading was not believed.
    pub(crate) fn is_alarmed(&self) -> bool {
        self.is_alarmed.load(Ordering::Relaxed)
    }

    /// Waits until the table was read for the first time.
    pub(crate) async fn read(&self) {
        let mut is_read = self.is_read.subscribe();
        // The sender is part of the table, so it is there as long as somebody waits.
        let _ = is_read.wait_for(|is_read| *is_read).await;
    }

    /// Orders that the table is read whole at once, and believed.
    pub(crate) fn invalidate(&self) {
        self.is_ordered.store(true, Ordering::SeqCst);
        self.wanted.notify_one();
    }

    /// Keeps the table up to date for as long as it is polled.
    pub(crate) async fn keep_up(&self) {
        let mut reading = Reading::default();
        let mut failures = 0_u32;
        loop {
            match self.refresh(&mut reading).await {
                Ok(()) => failures = 0,
                Err(cause) => {
                    failures = failures.saturating_add(1);
                    let lookup = &*self.lookup.name;
                    tracing::warn!(lookup, %cause, "a table could not be refreshed");
                }
            }
            let pause = self.pause(failures);
            // Whichever comes first.
            let _ = tokio::time::timeout(pause, self.wanted.notified()).await;
        }
    }

    fn pause(&self, failures: u32) -> Duration {
        let is_read = *self.is_read.borrow();
        let pause = if is_read || failures == 0 {
            self.terms.refresh
        } else {
            let factor = 1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX);
            FIRST_PAUSE.saturating_mul(factor).min(self.terms.refresh)
        };
        random::about(pause)
    }

    async fn refresh(&self, reading: &mut Reading) -> Result<(), Cause> {
        let is_ordered = self.is_ordered.swap(false, Ordering::SeqCst);
        let refreshed = self.refresh_once(reading, is_ordered).await;
        if refreshed.is_err() && is_ordered {
            self.is_ordered.store(true, Ordering::SeqCst);
        }
        refreshed
    }

    async fn refresh_once(&self, reading: &mut Reading, is_ordered: bool) -> Result<(), Cause> {
        let now = self.clock.now();
        let held = self.snapshot.load_full();
        let since = self.since(held.as_deref(), reading, is_ordered);
        let target = self.lookup.call.table_target(since.as_deref());
        let validators = match &reading.asked {
            // Validators are of one target, and an order is not answered with what is there.
            Some((asked, validators)) if *asked == target && !is_ordered => validators.clone(),
            Some(_) | None => Vec::new(),
        };
        let reply = self.ask(&target, &validators).await?;
        let is_unchanged = reply.status == StatusCode::NOT_MODIFIED && !validators.is_empty();
        if is_unchanged {
            self.metrics.source.unchanged.inc();
        } else if reply.status == StatusCode::OK {
            let fields = validators::of(&reply.headers);
            let held = held.as_deref().map(|held| (held, since.is_some()));
            self.take(reply, held, is_ordered)?;
            reading.asked = Some((target, fields));
        } else {
            return Err(Cause::Status(reply.status));
        }
        if since.is_none() {
            reading.read_whole = Some(now);
        }
        Ok(())
    }

    /// Since when changes are asked for; nothing where the table is to be read whole.
    fn since(
        &self,
        held: Option<&Snapshot>,
        reading: &Reading,
        is_ordered: bool,
    ) -> Option<String> {
        let now = self.clock.now();
        let is_due = reading
            .read_whole
            .is_none_or(|last| now.saturating_duration_since(last) >= self.terms.reload);
        let is_whole = is_due || is_ordered || self.is_alarmed();
        let may_ask = self.lookup.call.asks_for_changes() && !is_whole;
        held.filter(|_| may_ask)?.changed_since()
    }

    async fn ask(
        &self,
        target: &str,
        validators: &[(HeaderName, HeaderValue)],
    ) -> Result<Reply, Cause> {
        let wish = Wish {
            kind: Kind::Batch,
            target,
            credential: None,
            validators,
            timeout: self.lookup.timeout,
            deadline: self.clock.now() + self.lookup.timeout,
            answer_bytes_max: self.terms.bytes_max,
        };
        self.metrics.source.calls.inc();
        let reply = self.upstream.call(&wish).await?;
        self.metrics.source.bytes.inc_by(reply.body.len() as u64);
        Ok(reply)
    }

    /// Puts what came in the place of what is held, or changes it, if it can be believed.
    fn take(
        &self,
        reply: Reply,
        held: Option<(&Snapshot, bool)>,
        is_ordered: bool,
    ) -> Result<(), Cause> {
        let policy = (Scope::Shared, &never_kept());
        let freshness = judge(&self.clock, &reply.headers, reply.asked, policy);
        let update = Update {
            lookup: &self.lookup,
            body: &reply.body,
            headers: &reply.headers,
            said: freshness.map_or(Duration::ZERO, |freshness| freshness.said),
            now: self.clock.now(),
            bytes_max: self.terms.bytes_max,
            metrics: &self.metrics,
            is_ordered,
        };
        let taken = match held {
            Some((held, true)) => update.apply_to(held),
            Some((held, false)) => update.replace(Some(held)),
            None => update.replace(None),
        };
        match taken {
            Ok(snapshot) => {
                self.publish(snapshot);
                Ok(())
            }
            Err(unbelieved) => {
                self.doubt(unbelieved);
                if unbelieved == Unbelieved::Undecodable {
                    reply.blame(&self.clock);
                }
                Err(Cause::Shape)
            }
        }
    }

    fn publish(&self, snapshot: Option<Snapshot>) {
        if self.is_alarmed.swap(false, Ordering::Relaxed) {
            let lookup = &*self.lookup.name;
            tracing::info!(lookup, "a table is believed again");
        }
        // Nothing where nothing changed.
        if let Some(snapshot) = snapshot {
            self.snapshot.store(Some(Arc::new(snapshot)));
        }
        self.is_read
            .send_if_modified(|is_read| !std::mem::replace(is_read, true));
    }

    fn doubt(&self, unbelieved: Unbelieved) {
        let lookup = &*self.lookup.name;
        if unbelieved == Unbelieved::Shrunken {
            self.is_alarmed.store(true, Ordering::Relaxed);
        }
        tracing::error!(lookup, %unbelieved, "a table is kept as it was");
    }

    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }
}
