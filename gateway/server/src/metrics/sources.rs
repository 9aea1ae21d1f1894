//! What is counted of how the gateway learns about tokens.

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

use super::{House, Made};

/// In the order of [`Heard`].
const HEARD: [&str; 6] = ["found", "unknown", "behind", "failed", "skipped", "forged"];
/// In the order of [`Void`].
const VOID: [&str; 4] = ["gap", "unreadable", "another_server", "suspended"];
const QUESTIONS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// What Redis said when it was asked for a record.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Heard {
    Found,
    Unknown,
    /// It lacks what was read of the log already.
    Behind,
    Failed,
    /// It was not asked: there is no connection, or no proof that what it says is fresh.
    Skipped,
    /// What lay there is not what the identity provider has signed.
    Forged,
}

/// Why everything that was remembered is void.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Void {
    Gap,
    Unreadable,
    /// Redis is another one, or has another role.
    AnotherServer,
    /// This process stood still for longer than its lease.
    Suspended,
}

#[derive(Debug, Clone)]
pub(crate) struct SourceMetrics {
    pub(crate) log: LogMetrics,
    pub(crate) uses_lost: IntCounter,
    pub(crate) uses_waiting: IntGauge,
    pub(crate) questions: Histogram,
    pub(crate) questions_refused: IntCounter,
    pub(crate) stale_answers: IntCounter,
    call_failures: IntCounterVec,
    redis: [IntCounter; HEARD.len()],
}

/// Of the log, wherever it is read.
#[derive(Debug, Clone)]
pub(crate) struct LogMetrics {
    /// 1 while it is read in Redis.
    pub(crate) reads_redis: IntGauge,
    pub(crate) applied: IntGauge,
    pub(crate) changes: IntCounter,
    pub(crate) failures: IntCounter,
    pub(crate) proof_seconds: Histogram,
    switches: IntCounterVec,
    voids: [IntCounter; VOID.len()],
}

impl LogMetrics {
    fn new(house: &House<'_>) -> Made<Self> {
        let voids = house.counters(
            "identity_voids_total",
            "How often everything remembered of tokens became void, by reason: gap (of the log), \
             unreadable (entry of the log), another_server (Redis restarted or changed its role), \
             suspended (the process stood still).",
            &["reason"],
        )?;
        Ok(Self {
            voids: VOID.map(|reason| voids.with_label_values(&[reason])),
            switches: house.counters(
                "identity_log_switches_total",
                "How often the log was read elsewhere from then on, by where: redis, provider.",
                &["to"],
            )?,
            reads_redis: house.gauge(
                "identity_log_reads_redis",
                "1 while the log is read in Redis, 0 while it is read at the identity provider.",
            )?,
            applied: house.gauge(
                "identity_log_applied",
                "The number of the last change of the log that is in force here.",
            )?,
            changes: house.counter("identity_log_changes_total", "Changes read of the log.")?,
            failures: house.counter(
                "identity_log_failures_total",
                "Reads of the log at the identity provider that failed.",
            )?,
            proof_seconds: house.histogram(
                "identity_proof_age_seconds",
                "How old the proof that every change is known had become when a newer one came: no \
                 change was heard of later than that.",
                &super::SECONDS,
            )?,
        })
    }

    pub(crate) fn count_void(&self, void: Void) {
        if let Some(counter) = self.voids.get(void as usize) {
            counter.inc();
        }
    }

    /// `to` is `redis` or `provider`.
    pub(crate) fn count_switch(&self, to: &str) {
        self.switches.with_label_values(&[to]).inc();
    }
}

impl SourceMetrics {
    pub(super) fn new(house: &House<'_>) -> Made<Self> {
        let redis = house.counters(
            "identity_redis_lookups_total",
            "Look-ups of tokens in Redis by outcome: found, unknown, behind (it lacks what was read of \
             the log), failed, skipped (not connected, or its word cannot be believed now), forged (not \
             what the identity provider has signed).",
            &["outcome"],
        )?;
        Ok(Self {
            log: LogMetrics::new(house)?,
            redis: HEARD.map(|outcome| redis.with_label_values(&[outcome])),
            questions: house.histogram(
                "identity_questions",
                "Tokens asked about in one call to the identity provider.",
                &QUESTIONS,
            )?,
            call_failures: house.counters(
                "identity_call_failures_total",
                "Calls to the identity provider that failed, by what was called: resolve, report, \
                 uses, keys.",
                &["call"],
            )?,
            stale_answers: house.counter(
                "identity_stale_answers_total",
                "Answers of the identity provider that were older than the log, so not believed.",
            )?,
            questions_refused: house.counter(
                "identity_questions_refused_total",
                "Tokens not asked about because as many waited as may, or nobody answered for so long.",
            )?,
            uses_lost: house.counter(
                "identity_uses_lost_total",
                "Last uses of sessions that were not kept because as many waited as may.",
            )?,
            uses_waiting: house.gauge(
                "identity_uses_waiting",
                "Last uses of sessions not reported yet.",
            )?,
        })
    }

    pub(crate) fn count_heard(&self, heard: Heard) {
        if let Some(counter) = self.redis.get(heard as usize) {
            counter.inc();
        }
    }

    /// `call` is one of a few words.
    pub(crate) fn count_call_failed(&self, call: &str) {
        self.call_failures.with_label_values(&[call]).inc();
    }
    /// By themselves, for tests of what is counted.
    #[cfg(test)]
    pub(crate) fn registered(registry: &prometheus::Registry) -> Made<Self> {
        Self::new(&House { registry })
    }
}
