//! How a service is treated: which endpoint is asked next, how long it may take.
//!
//! The same for proxied and for composed calls. No I/O and no clock: the caller brings random
//! numbers and reports what happened.

pub mod endpoint;
pub mod policy;
pub mod service;

pub use endpoint::{Endpoint, InFlight};
pub use policy::{Policy, Timeouts};
pub use service::Service;
