//! What the gateway counts, in Prometheus' terms.
//!
//! Handles are resolved when a snapshot is built and kept in its routes and services: counting a
//! request is a handful of atomic additions. Labels are closed sets: names from the configuration,
//! classes and codes from our own tables; never a path, a host or a user.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// From half a millisecond, what a local service takes, to what nobody waits for.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    rejections: IntCounterVec,
    upstream_seconds: HistogramVec,
    upstream_failures: IntCounterVec,
    upstream_retries: IntCounterVec,
    endpoint_in_flight: IntGaugeVec,
    reloads: IntCounterVec,
    pub(crate) connections: IntGauge,
    pub(crate) requests_in_flight: IntGauge,
    pub(crate) log_lines_dropped: IntCounter,
    pub(crate) config_unix_seconds: IntGauge,
}

#[derive(Debug)]
pub(crate) struct RouteMetrics {
    by_class: [IntCounter; CLASSES.len()],
    seconds: Histogram,
}

#[derive(Debug)]
pub(crate) struct ServiceMetrics {
    pub(crate) first_byte_seconds: Histogram,
    pub(crate) retries: IntCounter,
    failures: IntCounterVec,
    name: String,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let metrics = Self {
            requests: counters(
                "requests_total",
                "Requests by route and class of the answer; `none` when the client left first.",
                &["route", "class"],
            )?,
            request_seconds: histograms(
                "request_seconds",
                "From the last byte of the head to the end of the answer.",
                &["route"],
            )?,
            rejections: counters(
                "rejections_total",
                "Answers of the gateway's own, by their code.",
                &["code"],
            )?,
            upstream_seconds: histograms(
                "upstream_first_byte_seconds",
                "From picking an endpoint to the head of its answer.",
                &["service"],
            )?,
            upstream_failures: counters(
                "upstream_failures_total",
                "Exchanges that a service failed, by the code the client got.",
                &["service", "code"],
            )?,
            upstream_retries: counters(
                "upstream_retries_total",
                "Exchanges tried again on another endpoint or connection.",
                &["service"],
            )?,
            endpoint_in_flight: gauges(
                "endpoint_in_flight",
                "Exchanges under way with an endpoint.",
                &["service", "endpoint"],
            )?,
            reloads: counters(
                "reloads_total",
                "Reloads of the configuration by result: applied, refused.",
                &["result"],
            )?,
            connections: IntGauge::with_opts(opts("connections", "Client connections open now."))?,
            requests_in_flight: IntGauge::with_opts(opts(
                "requests_in_flight",
                "Requests under way.",
            ))?,
            log_lines_dropped: IntCounter::with_opts(opts(
                "access_log_dropped_total",
                "Access lines lost because the disk was too slow or refused them.",
            ))?,
            config_unix_seconds: IntGauge::with_opts(opts(
                "config_applied_unix_seconds",
                "When the running configuration was applied.",
            ))?,
            registry,
        };
        metrics.register()?;
        Ok(metrics)
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        let registry = &self.registry;
        registry.register(Box::new(self.requests.clone()))?;
        registry.register(Box::new(self.request_seconds.clone()))?;
        registry.register(Box::new(self.rejections.clone()))?;
        registry.register(Box::new(self.upstream_seconds.clone()))?;
        registry.register(Box::new(self.upstream_failures.clone()))?;
        registry.register(Box::new(self.upstream_retries.clone()))?;
        registry.register(Box::new(self.endpoint_in_flight.clone()))?;
        registry.register(Box::new(self.reloads.clone()))?;
        registry.register(Box::new(self.connections.clone()))?;
        registry.register(Box::new(self.requests_in_flight.clone()))?;
        registry.register(Box::new(self.log_lines_dropped.clone()))?;
        registry.register(Box::new(self.config_unix_seconds.clone()))
    }

    pub(crate) fn route(&self, name: &str) -> RouteMetrics {
        RouteMetrics {
            by_class: CLASSES.map(|class| self.requests.with_label_values(&[name, class])),
            seconds: self.request_seconds.with_label_values(&[name]),
        }
    }

    pub(crate) fn service(&self, name: &str) -> ServiceMetrics {
        ServiceMetrics {
            first_byte_seconds: self.upstream_seconds.with_label_values(&[name]),
            retries: self.upstream_retries.with_label_values(&[name]),
            failures: self.upstream_failures.clone(),
            name: name.to_owned(),
        }
    }

    /// Forgets a route that is not configured any more, so that names cannot pile up.
    pub(crate) fn forget_route(&self, name: &str) {
        // A series that was never there is as good as removed.
        for class in CLASSES {
            let _ = self.requests.remove_label_values(&[name, class]);
        }
        let _ = self.request_seconds.remove_label_values(&[name]);
    }

    pub(crate) fn count_rejection(&self, code: &str) {
        self.rejections.with_label_values(&[code]).inc();
    }

    pub(crate) fn count_reload(&self, result: &str) {
        self.reloads.with_label_values(&[result]).inc();
    }

    /// Everything in the text format; gauges that live elsewhere are read now.
    pub(crate) fn render(
        &self,
        in_flight: impl Iterator<Item = (String, String, usize)>,
    ) -> Result<String, prometheus::Error> {
        self.endpoint_in_flight.reset();
        for (service, endpoint, count) in in_flight {
            let gauge = self
                .endpoint_in_flight
                .with_label_values(&[&service, &endpoint]);
            gauge.add(i64::try_from(count).unwrap_or(i64::MAX));
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl RouteMetrics {
    /// `status` is `None` when the client left before an answer.
    pub(crate) fn count(&self, status: Option<u16>, took: Duration) {
        let class = status.map_or(0, |status| usize::from(status / 100));
        if let Some(counter) = self.by_class.get(class) {
            counter.inc();
        }
        self.seconds.observe(took.as_secs_f64());
    }
}

impl ServiceMetrics {
    pub(crate) fn count_failure(&self, code: &str) {
        self.failures.with_label_values(&[&self.name, code]).inc();
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("tollgate_{name}"), help)
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(opts(name, help), labels)
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    IntGaugeVec::new(opts(name, help), labels)
}

fn histograms(name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, prometheus::Error> {
    let opts = HistogramOpts {
        common_opts: opts(name, help),
        buckets: SECONDS.to_vec(),
    };
    HistogramVec::new(opts, labels)
}
