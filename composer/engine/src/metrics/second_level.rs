//! What is counted of the second level.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::House;

#[derive(Debug, Clone)]
pub(super) struct SecondLevel {
    keys: IntCounterVec,
    errors: IntCounterVec,
    open: IntGaugeVec,
}

/// Of what a lookup shares with other composers, by keys.
#[derive(Debug, Clone)]
pub(crate) struct SharedMetrics {
    pub(crate) hits: IntCounter,
    pub(crate) misses: IntCounter,
    /// What was not an entity of its key.
    pub(crate) wrong: IntCounter,
    /// What Redis was not asked for, or did not answer in time.
    pub(crate) passed: IntCounter,
    pub(crate) stored: IntCounter,
    /// What was not to be stored any more: forgotten meanwhile, or there already.
    pub(crate) refused: IntCounter,
    pub(crate) dropped: IntCounter,
}

/// Of the connection to Redis.
#[derive(Debug, Clone)]
pub(crate) struct LevelMetrics {
    pub(crate) connect: IntCounter,
    pub(crate) find: IntCounter,
    pub(crate) store: IntCounter,
    pub(crate) forget: IntCounter,
    pub(crate) is_open: IntGauge,
}

impl SecondLevel {
    pub(super) fn new(house: &House<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            keys: house.counters(
                "second_level_keys_total",
                "Keys that were looked for in the second level or stored there, by what came of it: \
                 hit, miss, wrong, passed, stored, refused, dropped.",
                &["source", "outcome"],
            )?,
            errors: house.counters(
                "second_level_errors_total",
                "Commands that Redis did not carry out in time: connect, find, store, forget.",
                &["command"],
            )?,
            open: house.gauges(
                "second_level_open",
                "1 while the second level is asked, 0 while it is let be.",
            )?,
        })
    }

    pub(super) fn shared(&self, name: &str) -> SharedMetrics {
        let keys = |outcome| self.keys.with_label_values(&[name, outcome]);
        SharedMetrics {
            hits: keys("hit"),
            misses: keys("miss"),
            wrong: keys("wrong"),
            passed: keys("passed"),
            stored: keys("stored"),
            refused: keys("refused"),
            dropped: keys("dropped"),
        }
    }

    pub(super) fn level(&self) -> LevelMetrics {
        let failed = |command| self.errors.with_label_values(&[command]);
        LevelMetrics {
            connect: failed("connect"),
            find: failed("find"),
            store: failed("store"),
            forget: failed("forget"),
            is_open: self.open.with_label_values(&["redis"]),
        }
    }
}
