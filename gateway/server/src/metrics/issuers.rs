//! What becomes of the tokens of other issuers, and how they are asked.

use std::time::Duration;

use idp_token::time::UnixSeconds;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::{House, Made};

/// The metrics of all issuers.
#[derive(Debug)]
pub(super) struct IssuerFamilies {
    verdicts: IntCounterVec,
    asked: IntCounterVec,
    max_age: IntGaugeVec,
    keys: IntGaugeVec,
    keys_left_out: IntGaugeVec,
    keys_at: IntGaugeVec,
}

/// Those of one.
#[derive(Debug, Clone)]
pub(crate) struct IssuerMetrics {
    verdicts: [IntCounter; Verdict::ALL.len()],
    asked: [IntCounter; Asking::ALL.len()],
    keys: IntGauge,
    keys_left_out: IntGauge,
    keys_at: IntGauge,
}

/// What came of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Remembered,
    Good,
    Bad,
    Unknown,
}

/// What came of asking an issuer, for keys or about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    Answered,
    Failed,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Remembered, Self::Good, Self::Bad, Self::Unknown];

    const fn word(self) -> &'static str {
        match self {
            Self::Remembered => "remembered",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }
}

impl Asking {
    const ALL: [Self; 2] = [Self::Answered, Self::Failed];

    const fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
        }
    }
}

impl IssuerFamilies {
    pub(super) fn new(house: &House<'_>) -> Made<Self> {
        Ok(Self {
            verdicts: house.counters(
                "issuer_verdicts_total",
                "Tokens of other issuers by what came of them: remembered, good, bad, unknown.",
                &["issuer", "verdict"],
            )?,
            asked: house.counters(
                "issuer_asked_total",
                "Times another issuer was asked for keys or about a token, by result.",
                &["issuer", "result"],
            )?,
            max_age: house.gauges(
                "issuer_max_age_seconds",
                "How long a token may be believed here after its issuer took it back.",
                &["issuer"],
            )?,
            keys: house.gauges(
                "issuer_keys",
                "Keys of another issuer that tokens are verified with.",
                &["issuer"],
            )?,
            keys_left_out: house.gauges(
                "issuer_keys_left_out",
                "Keys of another issuer that are of no use here.",
                &["issuer"],
            )?,
            keys_at: house.gauges(
                "issuer_keys_fetched_unix_seconds",
                "When the keys of another issuer were last fetched.",
                &["issuer"],
            )?,
        })
    }

    pub(super) fn issuer(&self, name: &str, max_age: Duration) -> IssuerMetrics {
        let seconds = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
        self.max_age.with_label_values(&[name]).set(seconds);
        IssuerMetrics {
            verdicts: Verdict::ALL
                .map(|verdict| self.verdicts.with_label_values(&[name, verdict.word()])),
            asked: Asking::ALL.map(|result| self.asked.with_label_values(&[name, result.word()])),
            keys: self.keys.with_label_values(&[name]),
            keys_left_out: self.keys_left_out.with_label_values(&[name]),
            keys_at: self.keys_at.with_label_values(&[name]),
        }
    }

    pub(super) fn forget(&self, name: &str) {
        for verdict in Verdict::ALL {
            let _ = self.verdicts.remove_label_values(&[name, verdict.word()]);
        }
        for result in Asking::ALL {
            let _ = self.asked.remove_label_values(&[name, result.word()]);
        }
        for family in [
            &self.max_age,
            &self.keys,
            &self.keys_left_out,
            &self.keys_at,
        ] {
            let _ = family.remove_label_values(&[name]);
        }
    }
}

impl IssuerMetrics {
    pub(crate) fn count(&self, verdict: Verdict) {
        let [remembered, good, bad, unknown] = &self.verdicts;
        let counter = match verdict {
            Verdict::Remembered => remembered,
            Verdict::Good => good,
            Verdict::Bad => bad,
            Verdict::Unknown => unknown,
        };
        counter.inc();
    }

    pub(crate) fn count_asked(&self, result: Asking) {
        let [answered, failed] = &self.asked;
        match result {
            Asking::Answered => answered.inc(),
            Asking::Failed => failed.inc(),
        }
    }

    pub(crate) fn note_keys(&self, of_use: usize, left_out: usize) {
        self.keys.set(i64::try_from(of_use).unwrap_or(i64::MAX));
        let left_out = i64::try_from(left_out).unwrap_or(i64::MAX);
        self.keys_left_out.set(left_out);
    }

    pub(crate) fn note_keys_at(&self, now: UnixSeconds) {
        self.keys_at.set(i64::try_from(now.0).unwrap_or(i64::MAX));
    }
}
