//! What the composer counts, in Prometheus' terms.
//!
//! Labels are names from the configuration and words of closed sets; never a key, a path or a person.
//! Handles are resolved once, when an engine is built.

use std::time::Duration;

use composer_core::records::Odd;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, core::Collector,
};

mod second_level;

use second_level::SecondLevel;
pub(crate) use second_level::{LevelMetrics, SharedMetrics};

/// From a tenth of a millisecond, what an answer takes that is all known, to what nobody waits for.
const SECONDS: [f64; 12] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
];
const KEYS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];

/// Where figures are kept; engines that follow each other go on with the same ones.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    answers: IntCounterVec,
    answer_seconds: HistogramVec,
    calls: IntCounterVec,
    calls_naive: IntCounterVec,
    source_calls: IntCounterVec,
    source_hits: IntCounterVec,
    source_misses: IntCounterVec,
    source_unchanged: IntCounterVec,
    source_bytes: IntCounterVec,
    source_bytes_saved: IntCounterVec,
    odd: IntCounterVec,
    batch_keys: HistogramVec,
    pub(crate) cache_bytes: IntGaugeVec,
    pub(crate) cache_entries: IntGaugeVec,
    pub(crate) table_rows: IntGaugeVec,
    pub(crate) table_alarms: IntGaugeVec,
    second_level: SecondLevel,
}

/// Of one source: a lookup, or a step of an endpoint.
#[derive(Debug, Clone)]
pub(crate) struct SourceMetrics {
    pub(crate) calls: IntCounter,
    pub(crate) hits: IntCounter,
    pub(crate) misses: IntCounter,
    /// What a service said was unchanged.
    pub(crate) unchanged: IntCounter,
    pub(crate) bytes: IntCounter,
    /// What need not be sent because it was unchanged.
    pub(crate) bytes_saved: IntCounter,
}

#[derive(Debug, Clone)]
pub(crate) struct LookupMetrics {
    pub(crate) source: SourceMetrics,
    pub(crate) batch_keys: Histogram,
    unasked: IntCounter,
    keyless: IntCounter,
    repeated: IntCounter,
    duplicates: IntCounter,
}

#[derive(Debug, Clone)]
pub(crate) struct EndpointMetrics {
    complete: IntCounter,
    partial: IntCounter,
    unchanged: IntCounter,
    failed: IntCounter,
    seconds: Histogram,
    /// Calls made, and those that a composer would make which knows nothing of batches and caches.
    pub(crate) calls: IntCounter,
    pub(crate) calls_naive: IntCounter,
    /// Members that were twice in one object of an answer.
    pub(crate) duplicates: IntCounter,
}

/// How an answer came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Complete,
    Partial,
    Unchanged,
    Failed,
}

impl Metrics {
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let house = House(&registry);
        let by_source = ["source"];
        Ok(Self {
            answers: house.counters(
                "answers_total",
                "Composed answers by endpoint and ending: complete, partial, unchanged, failed.",
                &["endpoint", "ending"],
            )?,
            answer_seconds: house.histograms(
                "answer_seconds",
                "From a request to its composed answer.",
                "endpoint",
                &SECONDS,
            )?,
            calls: house.counters("calls_total", "Calls made for answers.", &["endpoint"])?,
            calls_naive: house.counters(
                "calls_naive_total",
                "Calls that the same answers cost without batches and caches.",
                &["endpoint"],
            )?,
            source_calls: house.counters("source_calls_total", "Calls to services.", &by_source)?,
            source_hits: house.counters("source_hits_total", "What was known.", &by_source)?,
            source_misses: house.counters(
                "source_misses_total",
                "What had to be asked for.",
                &by_source,
            )?,
            source_unchanged: house.counters(
                "source_unchanged_total",
                "What a service said was unchanged.",
                &by_source,
            )?,
            source_bytes: house.counters(
                "source_bytes_total",
                "Bytes of bodies that services sent.",
                &by_source,
            )?,
            source_bytes_saved: house.counters(
                "source_bytes_saved_total",
                "Bytes that services did not send because nothing had changed.",
                &by_source,
            )?,
            odd: house.counters(
                "source_oddities_total",
                "What was passed over in answers: unasked, keyless, repeated, duplicate_member.",
                &["source", "oddity"],
            )?,
            batch_keys: house.histograms("batch_keys", "Keys in one call.", "source", &KEYS)?,
            cache_bytes: house.gauges("cache_bytes", "Bytes of what is known.")?,
            cache_entries: house.gauges("cache_entries", "Entries of what is known.")?,
            table_rows: house.gauges("table_rows", "Records of a table.")?,
            table_alarms: house.gauges(
                "table_alarm",
                "1 while a table came back so small that it was not believed.",
            )?,
            second_level: SecondLevel::new(&house)?,
            registry: registry.clone(),
        })
    }

    /// For whoever shows the figures.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn source(&self, name: &str) -> SourceMetrics {
        let of = |counters: &IntCounterVec| counters.with_label_values(&[name]);
        SourceMetrics {
            calls: of(&self.source_calls),
            hits: of(&self.source_hits),
            misses: of(&self.source_misses),
            unchanged: of(&self.source_unchanged),
            bytes: of(&self.source_bytes),
            bytes_saved: of(&self.source_bytes_saved),
        }
    }

    pub(crate) fn lookup(&self, name: &str) -> LookupMetrics {
        let odd = |oddity| self.odd.with_label_values(&[name, oddity]);
        LookupMetrics {
            source: self.source(name),
            batch_keys: self.batch_keys.with_label_values(&[name]),
            unasked: odd("unasked"),
            keyless: odd("keyless"),
            repeated: odd("repeated"),
            duplicates: odd("duplicate_member"),
        }
    }

    pub(crate) fn shared(&self, name: &str) -> SharedMetrics {
        self.second_level.shared(name)
    }

    pub(crate) fn level(&self) -> LevelMetrics {
        self.second_level.level()
    }

    pub(crate) fn endpoint(&self, name: &str) -> EndpointMetrics {
        let ending = |ending| self.answers.with_label_values(&[name, ending]);
        EndpointMetrics {
            complete: ending("complete"),
            partial: ending("partial"),
            unchanged: ending("unchanged"),
            failed: ending("failed"),
            seconds: self.answer_seconds.with_label_values(&[name]),
            calls: self.calls.with_label_values(&[name]),
            calls_naive: self.calls_naive.with_label_values(&[name]),
            duplicates: self.odd.with_label_values(&[name, "duplicate_member"]),
        }
    }
}

impl LookupMetrics {
    pub(crate) fn note(&self, odd: Odd) {
        let counted = [
            (&self.unasked, odd.unasked),
            (&self.keyless, odd.keyless),
            (&self.repeated, odd.repeated),
            (&self.duplicates, odd.duplicates),
        ];
        for (counter, count) in counted {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }
}

impl EndpointMetrics {
    pub(crate) fn note(&self, ending: Ending, took: Duration) {
        let counter = match ending {
            Ending::Complete => &self.complete,
            Ending::Partial => &self.partial,
            Ending::Unchanged => &self.unchanged,
            Ending::Failed => &self.failed,
        };
        counter.inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

/// Names figures and registers them.
struct House<'a>(&'a Registry);

impl House<'_> {
    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(opts(name, help), labels)?)
    }

    fn gauges(&self, name: &str, help: &str) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(opts(name, help), &["source"])?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        label: &str,
        buckets: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.register(HistogramVec::new(opts, &[label])?)
    }

    fn register<C: Collector + Clone + 'static>(&self, made: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("tollgate_composer_{name}"), help)
}

/// What a gauge shows of a size.
pub(crate) fn set(gauge: &IntGauge, size: u64) {
    gauge.set(i64::try_from(size).unwrap_or(i64::MAX));
}
