//! What services and their endpoints are doing at the moment of a scrape.

use gateway_upstream::BreakerState;
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec, Registry};

use super::{House, Made};

const STATES: [(&str, BreakerState); 3] = [
    ("closed", BreakerState::Closed),
    ("open", BreakerState::Open),
    ("half_open", BreakerState::HalfOpen),
];

#[derive(Debug)]
pub(crate) struct ServiceMoment<'a> {
    pub(crate) service: &'a str,
    pub(crate) breaker: BreakerState,
    pub(crate) ejections: u64,
    pub(crate) endpoints: Vec<EndpointMoment<'a>>,
}

#[derive(Debug)]
pub(crate) struct EndpointMoment<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) is_ready: bool,
    pub(crate) in_flight: usize,
    pub(crate) spares: usize,
}

pub(super) fn gather<'a>(
    moments: impl Iterator<Item = ServiceMoment<'a>>,
) -> Result<Vec<MetricFamily>, prometheus::Error> {
    let registry = Registry::new();
    let families = Families::new(&House {
        registry: &registry,
    })?;
    for moment in moments {
        families.set(&moment);
    }
    Ok(registry.gather())
}

struct Families {
    in_flight: IntGaugeVec,
    spares: IntGaugeVec,
    healthy: IntGaugeVec,
    ejections: IntCounterVec,
    breaker: IntGaugeVec,
}

impl Families {
    fn new(house: &House<'_>) -> Made<Self> {
        let endpoint = ["service", "endpoint"];
        Ok(Self {
            in_flight: house.gauges(
                "endpoint_in_flight",
                "Exchanges under way with an endpoint.",
                &endpoint,
            )?,
            spares: house.gauges(
                "endpoint_spare_connections",
                "Connections kept for reuse; of an HTTP/2 endpoint all that are open, for they are shared.",
                &endpoint,
            )?,
            healthy: house.gauges(
                "endpoint_healthy",
                "1, or 0 while an endpoint is ejected or fails its probes.",
                &endpoint,
            )?,
            ejections: house.counters(
                "upstream_ejections_total",
                "How many times an endpoint was ejected for failing.",
                &["service"],
            )?,
            breaker: house.gauges(
                "upstream_breaker_state",
                "1 for the state the breaker is in: closed, open, half_open.",
                &["service", "state"],
            )?,
        })
    }

    fn set(&self, moment: &ServiceMoment<'_>) {
        let service = moment.service;
        let ejections = self.ejections.with_label_values(&[service]);
        ejections.inc_by(moment.ejections);
        for (state, known) in STATES {
            let gauge = self.breaker.with_label_values(&[service, state]);
            gauge.set(i64::from(known == moment.breaker));
        }
        for endpoint in &moment.endpoints {
            let labels = [service, endpoint.endpoint];
            for (gauges, count) in [
                (&self.in_flight, endpoint.in_flight),
                (&self.spares, endpoint.spares),
                (&self.healthy, usize::from(endpoint.is_ready)),
            ] {
                let gauge = gauges.with_label_values(&labels);
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }
}
