//! The engine over real sockets, against services that do what a test says.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod alone;
mod bars;
mod batches;
mod calls;
mod faults;
mod history;
mod oracle;
mod redis_server;
mod reuse;
mod service;
mod sharing;
mod site;
mod tables;
