//! The connection to Redis, as long as it answers in time.
//!
//! One that fails once is given up, and until another one has answered nobody waits for Redis: one
//! task tries it, one attempt at a time and each later than the one before. The library's own
//! reconnecting is not used: it has no deadline that a request could live with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use composer_core::plan::SECOND_LEVEL_TIMES;
use prometheus::{IntCounter, IntGauge};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisError, Script, ScriptInvocation};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::entity::{Reply, Writing};
use crate::metrics::LevelMetrics;
use crate::random;

/// To connect, and to say who we are.
const CONNECT_MAX: Duration = Duration::from_millis(300);
/// To store what was fetched, which nobody waits for.
const STORE_MAX: Duration = Duration::from_millis(500);
/// To forget something, which whoever orders it waits for.
const FORGET_MAX: Duration = Duration::from_millis(500);
/// Between attempts to connect.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Commands on their way; more wait, and have a deadline.
const IN_FLIGHT_MAX: usize = 256;
/// Names of one command.
const NAMES_MAX: usize = 1_000;
/// A lookup that nobody asked for so long begins anew.
const GENERATION_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Longer than calls take whose answers are to be stored.
const PLACE_LIFE: Duration = Duration::from_secs(60);
/// What one reply may measure, but for its framing.
const REPLY_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
enum TroubleError {
    #[error("Redis does not answer as it should")]
    Redis(#[from] RedisError),
    #[error("Redis did not answer in time")]
    Late,
    #[error("Redis does not say which server it is")]
    Nameless,
    #[error("this Redis is no primary")]
    Replica,
}

#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    options: AsyncConnectionConfig,
    find: Script,
    store: Script,
    /// For a question whose answer a request waits for.
    timeout: Duration,
    connected: ArcSwapOption<Connected>,
    is_broken: Notify,
    metrics: LevelMetrics,
}

#[derive(Debug)]
struct Connected {
    connection: MultiplexedConnection,
    /// Of the server: another one after every start. What was written under another one is void, so
    /// that nothing comes back which a server lost or was restored to.
    run: String,
    /// Whether it was of any use.
    has_served: AtomicBool,
}

impl Link {
    pub(super) fn new(
        at: ConnectionInfo,
        timeout: Duration,
        metrics: LevelMetrics,
    ) -> Result<Self, RedisError> {
        // Our own deadlines hold; the library's would count from when it sends.
        let options = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(IN_FLIGHT_MAX);
        Ok(Self {
            client: Client::open(at)?,
            options,
            find: Script::new(FIND),
            store: Script::new(STORE),
            timeout,
            connected: ArcSwapOption::empty(),
            is_broken: Notify::new(),
            metrics,
        })
    }

    /// What lies under these names; the first is that of a generation, which begins anew on demand.
    /// Nothing where Redis is not to be had, or should not be waited for with so little time `left`.
    pub(super) async fn find(
        &self,
        names: &[String],
        begins: bool,
        left: Duration,
    ) -> Option<Reply> {
        let connected = self.connected.load_full()?;
        if left < self.timeout * SECOND_LEVEL_TIMES {
            return None;
        }
        let mut asking = self.find.prepare_invoke();
        for name in names {
            asking.key(name);
        }
        asking
            .arg(&connected.run)
            .arg(format!("{:016x}", random::next_u64()))
            .arg(u8::from(begins))
            .arg(millis(GENERATION_LIFE))
            .arg(millis(PLACE_LIFE))
            .arg(super::VALUE_BYTES_MAX)
            .arg(REPLY_BYTES_MAX);
        let asked = self.ask::<Spelled>(&connected, &asking, self.timeout);
        let (at, held) = self.judge(&connected, asked.await, &self.metrics.find)?;
        Some(Reply { at, held })
    }

    /// Stores what may be stored; for each whether it was.
    pub(super) async fn store(&self, writings: &[Writing]) -> Option<Vec<bool>> {
        let connected = self.connected.load_full()?;
        let mut asking = self.store.prepare_invoke();
        for writing in writings {
            asking.key(&writing.name);
            asking
                .arg(&*writing.seen)
                .arg(&*writing.value)
                .arg(writing.until);
        }
        let asked = self.ask(&connected, &asking, STORE_MAX);
        self.judge(&connected, asked.await, &self.metrics.store)
    }

    /// Forgets what lies under these names. Whether it is gone for sure.
    pub(super) async fn forget(&self, names: &[String]) -> bool {
        let Some(connected) = self.connected.load_full() else {
            self.metrics.forget.inc();
            return false;
        };
        let mut connection = connected.connection.clone();
        let forgetting = async {
            for names in names.chunks(NAMES_MAX) {
                let mut unlink = redis::cmd("UNLINK");
                unlink.arg(names);
                unlink.query_async::<u64>(&mut connection).await?;
            }
            Ok(())
        };
        let forgotten = within(FORGET_MAX, forgetting).await;
        self.judge(&connected, forgotten, &self.metrics.forget)
            .is_some()
    }

    /// Connects, and connects again, for as long as it is let.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut pause = PAUSE_MIN;
        let mut is_told = false;
        loop {
            match self.connect().await {
                Ok(connected) => {
                    let connected = Arc::new(connected);
                    self.connected.store(Some(Arc::clone(&connected)));
                    let open = Open::new(&self.metrics.is_open);
                    self.is_broken.notified().await;
                    drop(open);
                    if connected.has_served.load(Ordering::Relaxed) {
                        pause = PAUSE_MIN;
                        is_told = false;
                    }
                }
                Err(error) => {
                    self.metrics.connect.inc();
                    if !std::mem::replace(&mut is_told, true) {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "the second level cannot be used");
                    }
                }
            }
            sleep(random::about(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn connect(&self) -> Result<Connected, TroubleError> {
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&self.options);
        let mut connection = within(CONNECT_MAX, connecting).await?;
        // Before anybody waits for it, it shows that it answers as soon as they would need it.
        let info = within(self.timeout, async {
            self.find
                .prepare_invoke()
                .load_async(&mut connection)
                .await?;
            self.store
                .prepare_invoke()
                .load_async(&mut connection)
                .await?;
            let mut info = redis::cmd("INFO");
            info.arg("server").arg("replication");
            info.query_async::<String>(&mut connection).await
        });
        let info = info.await?;
        let field = |name: &str| {
            let mut lines = info.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(value.trim_end())
        };
        if field("role") != Some("master") {
            return Err(TroubleError::Replica);
        }
        let run = field("run_id").and_then(|run| run.get(..16));
        Ok(Connected {
            connection,
            run: run.ok_or(TroubleError::Nameless)?.to_owned(),
            has_served: AtomicBool::new(false),
        })
    }

    async fn ask<T: redis::FromRedisValue>(
        &self,
        connected: &Connected,
        asking: &ScriptInvocation<'_>,
        deadline: Duration,
    ) -> Result<T, TroubleError> {
        let mut connection = connected.connection.clone();
        within(deadline, asking.invoke_async(&mut connection)).await
    }

    /// What failed once is not asked again before it was tried.
    fn judge<T>(
        &self,
        connected: &Arc<Connected>,
        asked: Result<T, TroubleError>,
        failures: &IntCounter,
    ) -> Option<T> {
        match asked {
            Ok(told) => {
                connected.has_served.store(true, Ordering::Relaxed);
                Some(told)
            }
            Err(error) => {
                failures.inc();
                let before = self.connected.compare_and_swap(connected, None);
                // Only the first who finds it broken says so.
                if before.as_ref().is_some_and(|it| Arc::ptr_eq(it, connected)) {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "the second level is let be");
                    self.is_broken.notify_one();
                }
                None
            }
        }
    }
}

/// Shows that Redis is asked, for as long as it lives.
struct Open<'l>(&'l IntGauge);

impl<'l> Open<'l> {
    fn new(gauge: &'l IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The time, and what lies under each name.
type Spelled = (u64, Vec<(Vec<u8>, i64, bool)>);

pub(super) const FIND: &str = include_str!("find.lua");
pub(super) const STORE: &str = include_str!("store.lua");

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

async fn within<T>(
    deadline: Duration,
    asking: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, TroubleError> {
    match timeout(deadline, asking).await {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(TroubleError::Late),
    }
}
