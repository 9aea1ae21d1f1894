//! What is counted before HTTP begins.

use prometheus::{IntCounter, IntGaugeVec};

use super::{House, Made};

/// In the order of [`Handshake`].
const RESULTS: [&str; 3] = ["ok", "failed", "timed_out"];

/// How a TLS handshake ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Handshake {
    Ok,
    Failed,
    TimedOut,
}

#[derive(Debug)]
pub(crate) struct TlsMetrics {
    handshakes: [IntCounter; RESULTS.len()],
    certificate_expiry: IntGaugeVec,
}

impl TlsMetrics {
    pub(super) fn new(house: &House<'_>) -> Made<Self> {
        let handshakes = house.counters(
            "tls_handshakes_total",
            "TLS handshakes by result: ok, failed (also by clients that left), timed_out.",
            &["result"],
        )?;
        Ok(Self {
            handshakes: RESULTS.map(|result| handshakes.with_label_values(&[result])),
            certificate_expiry: house.gauges(
                "tls_certificate_expiry_unix_seconds",
                "When the first certificate of a listener ceases to be valid.",
                &["listener"],
            )?,
        })
    }

    pub(crate) fn count(&self, ended: Handshake) {
        if let Some(counter) = self.handshakes.get(ended as usize) {
            counter.inc();
        }
    }

    /// Listeners are those the process was started with, so there is a bounded number of them.
    pub(crate) fn note_certificates(&self, listener: &str, expires_unix_seconds: u64) {
        let gauge = self.certificate_expiry.with_label_values(&[listener]);
        gauge.set(i64::try_from(expires_unix_seconds).unwrap_or(i64::MAX));
    }
}
