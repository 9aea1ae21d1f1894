//! What the identity provider counts, in Prometheus' terms. No label ever holds a name of a
//! client or a person.

use std::time::Duration;

use idp_token::epoch::Seq;
use prometheus::core::Collector;
use prometheus::{Gauge, IntCounter, IntGauge, Opts, Registry, TextEncoder};

#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    published_seq: IntGauge,
    outbox_age: Gauge,
    /// Since when the log has been silent is worked out when somebody asks.
    silence: Gauge,
    pub(crate) beats: IntCounter,
    pub(crate) looks_failed: IntCounter,
    pub(crate) redis_up: IntGauge,
    pub(crate) redis_seq: IntGauge,
    pub(crate) redis_beats: IntCounter,
    pub(crate) redis_failures: IntCounter,
    pub(crate) redis_rebuilds: IntCounter,
    pub(crate) records_not_kept: IntCounter,
    pub(crate) followers: IntGauge,
    pub(crate) pages: IntCounter,
    pub(crate) resolved_active: IntCounter,
    pub(crate) resolved_inactive: IntCounter,
    pub(crate) uses: IntCounter,
    pub(crate) gateways: IntGauge,
    pub(crate) receipts_waiting: IntGauge,
    pub(crate) swept: IntCounter,
    store_version: IntGauge,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let house = House(&registry);
        Ok(Self {
            published_seq: house.gauge("published_seq", "The number of the newest change.")?,
            outbox_age: house.number(
                "outbox_age_seconds",
                "How long the oldest change waited for its number, when one was last given.",
            )?,
            silence: house.number(
                "log_silence_seconds",
                "Since the last beat of the log over HTTP.",
            )?,
            beats: house.counter("beats_total", "Beats of the log over HTTP.")?,
            looks_failed: house.counter(
                "looks_failed_total",
                "Looks at the outbox that failed, so that there was no beat.",
            )?,
            redis_up: house.gauge("redis_up", "Whether Redis took the last beat.")?,
            redis_seq: house.gauge("redis_seq", "The newest change that Redis has.")?,
            redis_beats: house.counter("redis_beats_total", "Beats that Redis took.")?,
            redis_failures: house.counter(
                "redis_failures_total",
                "How often a connection to Redis failed or was given up.",
            )?,
            redis_rebuilds: house.counter(
                "redis_rebuilds_total",
                "How often everything was written to Redis anew.",
            )?,
            records_not_kept: house.counter(
                "redis_records_not_kept_total",
                "Records of tokens that Redis could not keep or did not take.",
            )?,
            followers: house.gauge("log_followers", "Gateways waiting for the log now.")?,
            pages: house.counter("log_pages_total", "Answers with a part of the log.")?,
            resolved_active: house.counter(
                "resolved_active_total",
                "Tokens that gateways asked about and that are good.",
            )?,
            resolved_inactive: house.counter(
                "resolved_inactive_total",
                "Tokens that gateways asked about and that are not good.",
            )?,
            uses: house.counter("uses_total", "Uses of sessions that were reported.")?,
            gateways: house.gauge("gateways", "Gateways that reported of late.")?,
            receipts_waiting: house.gauge(
                "receipts_waiting",
                "Requests that wait until a change is known to every gateway.",
            )?,
            swept: house.counter("swept_total", "Records that were removed as out of date.")?,
            store_version: house.gauge(
                "store_version",
                "Transactions that the store has committed since it was made.",
            )?,
            registry,
        })
    }

    /// The log has come so far; the oldest change had waited for so long.
    pub(crate) fn reached(&self, seq: Seq, waited: Duration) {
        self.published_seq.set(gauge(seq.0));
        self.outbox_age.set(waited.as_secs_f64());
    }

    /// Everything in the text format, with what is known at this moment alone.
    pub(crate) fn render(
        &self,
        silence: Option<Duration>,
        store_version: Option<u64>,
    ) -> Result<String, prometheus::Error> {
        self.silence
            .set(silence.map_or(f64::INFINITY, |it| it.as_secs_f64()));
        if let Some(version) = store_version {
            self.store_version.set(gauge(version));
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// As Prometheus counts: more than this is never reached.
pub(crate) fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Where metrics are made: all have our prefix and are registered at once.
struct House<'a>(&'a Registry);

type Made<T> = Result<T, prometheus::Error>;

impl House<'_> {
    fn counter(&self, name: &str, help: &str) -> Made<IntCounter> {
        self.register(IntCounter::with_opts(opts(name, help))?)
    }

    fn gauge(&self, name: &str, help: &str) -> Made<IntGauge> {
        self.register(IntGauge::with_opts(opts(name, help))?)
    }

    fn number(&self, name: &str, help: &str) -> Made<Gauge> {
        self.register(Gauge::with_opts(opts(name, help))?)
    }

    fn register<T: Collector + Clone + 'static>(&self, made: T) -> Made<T> {
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("tollgate_idp_{name}"), help)
}
