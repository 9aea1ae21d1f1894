//! An open-loop generator: requests are sent when they are due, whether or not those before them were
//! answered, and their latency counts from when they were due.
//!
//! A closed loop ([`crate::closed`]) sends its next request when the answer to the last one has come. A
//! server that stands still for a second then delays one request for each connection, and all that would
//! have come in that second are never sent and never seen. Here they are due, wait, and are measured.
//!
//! Each worker is a thread with connections of its own, which share nothing but a flag to stop. What
//! the generator itself is late by is measured beside: it says when not the server was the limit.

pub(crate) mod answer;
mod caller;
mod deal;
mod login;
pub(crate) mod poll;
mod problem;
mod record;
mod report;
mod revoking;
mod run;
mod scenario;
pub(crate) mod schedule;
mod secure;
mod streams;
mod template;
mod values;
mod watch;
mod wire;
mod worker;
mod yaml;

pub use problem::{Place, Problem, Problems};
pub use record::{Failures, Kind, Moment, Record};
pub use report::{Comparison, Environment, Report, Setting, compare, page};
pub use revoking::Revoked;
pub use run::{Phase, Progress, Ran, RunError, run};
pub use scenario::{Connections, Planned, Protocol, Scenario, Target, Watch};
pub use schedule::{Arrivals, Rate};
pub use watch::{Point, Watched};

#[cfg(test)]
mod tests;
