//! What a composer runs with.

use std::sync::Arc;
use std::time::Duration;

use composer_core::Plan;
use gateway_upstream::Policy;

use crate::redis::Redis;

/// What is composed, and the services it is composed of.
#[derive(Debug, Clone)]
pub struct Composer {
    /// With at least one endpoint.
    pub plan: Arc<Plan>,
    pub services: Vec<Policy>,
    /// Where lookups that say so share their records; none where no lookup does.
    pub second_level: Option<SecondLevel>,
}

/// A Redis that composers fill for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondLevel {
    pub redis: Redis,
    /// How long a request waits for it.
    pub timeout: Duration,
}
