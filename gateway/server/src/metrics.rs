//! What the gateway counts, in Prometheus' terms.
//!
//! Handles are resolved when a snapshot is built and kept in its routes and services: counting a
//! request is a handful of atomic additions. Labels are closed sets: names from the configuration,
//! classes and codes from our own tables; never a path, a host or a user.

use std::time::Duration;

use gateway_core::rejection::{SERVICE_FAULTS, SERVICE_SPARED};
use issuers::IssuerFamilies;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

pub(crate) use identity::{IdentityMetrics, Layer};
pub(crate) use issuers::{Asking, IssuerMetrics, Verdict};
pub(crate) use moment::{EndpointMoment, ServiceMoment};
pub(crate) use sources::{Heard, SourceMetrics, Void};
pub(crate) use streams::StreamMetrics;
pub(crate) use tls::{Handshake, TlsMetrics};

mod identity;
mod issuers;
mod moment;
mod sources;
mod streams;
mod tls;

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
    upstream_refusals: IntCounterVec,
    upstream_retries: IntCounterVec,
    reloads: IntCounterVec,
    issuers: IssuerFamilies,
    pub(crate) tls: TlsMetrics,
    pub(crate) composer: composer_engine::Metrics,
    pub(crate) connections: IntGauge,
    pub(crate) requests_in_flight: IntGauge,
    pub(crate) lost: Lost,
    pub(crate) streams: StreamMetrics,
    pub(crate) sources: SourceMetrics,
    pub(crate) identity: IdentityMetrics,
    pub(crate) config_unix_seconds: IntGauge,
}

/// What was to be told of requests and was not.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) log_lines: IntCounter,
    pub(crate) spans: IntCounter,
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
    /// Of rejections that have to do with a service, by their codes.
    rejections: Vec<(&'static str, IntCounter)>,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let house = House {
            registry: &registry,
        };
        Ok(Self {
            requests: house.counters(
                "requests_total",
                "Requests by route and class of the answer; `none` when the client left first.",
                &["route", "class"],
            )?,
            request_seconds: house.histograms(
                "request_seconds",
                "From the last byte of the head to the end of the answer.",
                &["route"],
            )?,
            rejections: house.counters(
                "rejections_total",
                "Answers of the gateway's own, by their code.",
                &["code"],
            )?,
            upstream_seconds: house.histograms(
                "upstream_first_byte_seconds",
                "From picking an endpoint to the head of its answer.",
                &["service"],
            )?,
            upstream_failures: house.counters(
                "upstream_failures_total",
                "Exchanges that a service failed, by the code that stands for it.",
                &["service", "code"],
            )?,
            upstream_refusals: house.counters(
                "upstream_refusals_total",
                "Exchanges for which a service was not asked, by the code that says why.",
                &["service", "code"],
            )?,
            upstream_retries: house.counters(
                "upstream_retries_total",
                "Exchanges tried again on another endpoint or connection.",
                &["service"],
            )?,
            reloads: house.counters(
                "reloads_total",
                "Reloads of the configuration by result: applied, refused.",
                &["result"],
            )?,
            issuers: IssuerFamilies::new(&house)?,
            tls: TlsMetrics::new(&house)?,
            composer: composer_engine::Metrics::new()?,
            connections: house.gauge("connections", "Client connections open now.")?,
            requests_in_flight: house.gauge("requests_in_flight", "Requests under way.")?,
            lost: Lost::new(&house)?,
            streams: StreamMetrics::new(&house)?,
            sources: SourceMetrics::new(&house)?,
            identity: IdentityMetrics::new(&house)?,
            config_unix_seconds: house.gauge(
                "config_applied_unix_seconds",
                "When the running configuration was applied.",
            )?,
            registry: registry.clone(),
        })
    }

    pub(crate) fn route(&self, name: &str) -> RouteMetrics {
        RouteMetrics {
            by_class: CLASSES.map(|class| self.requests.with_label_values(&[name, class])),
            seconds: self.request_seconds.with_label_values(&[name]),
        }
    }

    pub(crate) fn service(&self, name: &str) -> ServiceMetrics {
        let faults = SERVICE_FAULTS.map(|fault| (&self.upstream_failures, fault.reply().code));
        let spared = SERVICE_SPARED.map(|code| (&self.upstream_refusals, code));
        let rejections = faults.into_iter().chain(spared);
        ServiceMetrics {
            first_byte_seconds: self.upstream_seconds.with_label_values(&[name]),
            retries: self.upstream_retries.with_label_values(&[name]),
            rejections: rejections
                .map(|(family, code)| (code, family.with_label_values(&[name, code])))
                .collect(),
        }
    }

    pub(crate) fn issuer(&self, name: &str, max_age: Duration) -> IssuerMetrics {
        self.issuers.issuer(name, max_age)
    }

    /// Forgets routes and services that are not configured any more, so that names cannot pile up.
    /// A series that was never there is as good as removed.
    pub(crate) fn forget_route(&self, name: &str) {
        for class in CLASSES {
            let _ = self.requests.remove_label_values(&[name, class]);
        }
        let _ = self.request_seconds.remove_label_values(&[name]);
    }

    pub(crate) fn forget_service(&self, name: &str) {
        for fault in SERVICE_FAULTS {
            let code = fault.reply().code;
            let _ = self.upstream_failures.remove_label_values(&[name, code]);
        }
        for code in SERVICE_SPARED {
            let _ = self.upstream_refusals.remove_label_values(&[name, code]);
        }
        let _ = self.upstream_seconds.remove_label_values(&[name]);
        let _ = self.upstream_retries.remove_label_values(&[name]);
    }

    pub(crate) fn forget_issuer(&self, name: &str) {
        self.issuers.forget(name);
    }

    pub(crate) fn count_rejection(&self, code: &str) {
        self.rejections.with_label_values(&[code]).inc();
    }

    pub(crate) fn count_reload(&self, result: &str) {
        self.reloads.with_label_values(&[result]).inc();
    }

    /// Everything in the text format; what services are doing is read now.
    pub(crate) fn render<'a>(
        &self,
        moments: impl Iterator<Item = ServiceMoment<'a>>,
    ) -> Result<String, prometheus::Error> {
        let now = moment::gather(moments)?;
        let mut families = self.registry.gather();
        families.extend(now);
        families.extend(self.composer.registry().gather());
        TextEncoder::new().encode_to_string(&families)
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

impl Lost {
    fn new(house: &House<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            log_lines: house.counter(
                "access_log_dropped_total",
                "Access lines lost because the disk was too slow or refused them.",
            )?,
            spans: house.counter(
                "spans_dropped_total",
                "Recorded requests that the collector of traces did not take.",
            )?,
        })
    }
}

impl ServiceMetrics {
    /// Counts a rejection, if it has to do with the service.
    pub(crate) fn count_rejection(&self, code: &str) {
        if let Some((_, counter)) = self.rejections.iter().find(|(known, _)| *known == code) {
            counter.inc();
        }
    }
}

/// Where metrics are made: all have our prefix and are registered at once.
struct House<'a> {
    registry: &'a Registry,
}

impl House<'_> {
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Made<IntCounterVec> {
        self.register(IntCounterVec::new(opts(name, help), labels)?)
    }

    fn counter(&self, name: &str, help: &str) -> Made<IntCounter> {
        self.register(IntCounter::with_opts(opts(name, help))?)
    }

    fn gauge_f64(&self, name: &str, help: &str) -> Made<Gauge> {
        self.register(Gauge::with_opts(opts(name, help))?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Made<IntGaugeVec> {
        self.register(IntGaugeVec::new(opts(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Made<IntGauge> {
        self.register(IntGauge::with_opts(opts(name, help))?)
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> Made<HistogramVec> {
        let opts = HistogramOpts {
            common_opts: opts(name, help),
            buckets: SECONDS.to_vec(),
        };
        self.register(HistogramVec::new(opts, labels)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Made<Histogram> {
        let opts = HistogramOpts {
            common_opts: opts(name, help),
            buckets: buckets.to_vec(),
        };
        self.register(Histogram::with_opts(opts)?)
    }

    fn register<T: Collector + Clone + 'static>(&self, made: T) -> Made<T> {
        self.registry.register(Box::new(made.clone()))?;
        Ok(made)
    }
}

type Made<T> = Result<T, prometheus::Error>;

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("tollgate_{name}"), help)
}
