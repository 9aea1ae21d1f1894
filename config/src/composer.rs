//! What a composer runs with.

use std::sync::Arc;

use composer_core::Plan;
use gateway_upstream::Policy;

/// What is composed, and the services it is composed of.
#[derive(Debug, Clone)]
pub struct Composer {
    /// With at least one endpoint.
    pub plan: Arc<Plan>,
    pub services: Vec<Policy>,
}
