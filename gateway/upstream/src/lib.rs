//! How a service is treated: whether it is asked at all, which endpoint, how often, how long.
//!
//! The same for proxied and for composed calls. No I/O, no clock and no chance: the caller brings
//! the time and random numbers, and reports what happened. What it does is a [`Call`]:
//!
//! ```text
//! Service::admit ──► Call ──► pick ──► … ──► answered ──► … the rest of the answer
//!    └► Refusal               ▲  └► may_retry ─┘  └──────► failed
//!                             └──────┘
//! ```
//!
//! A call that is dropped gives back all it holds, however it ended.

pub mod breaker;
pub mod budget;
pub mod call;
pub mod ejection;
pub mod endpoint;
mod pace;
pub mod policy;
pub mod probe;
pub mod service;
mod window;

pub use breaker::{BreakerState, Change};
pub use call::{ATTEMPTS_MAX, Call, Fault, News, Picked, TimeLimit};
pub use endpoint::Endpoint;
pub use policy::{Policy, Probe, Protocol, Timeouts};
pub use service::{Kind, Refusal, Service};
