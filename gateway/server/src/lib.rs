//! The gateway process: sockets in, sockets out, and everything that waits.
//!
//! What to do with a request is decided in `gateway-core`, how a service is treated in
//! `gateway-upstream`. Here the bytes move: an accept loop, a connection loop that reads and judges
//! every head itself, a carrier (pingora) for exchanges that were judged, reload, drain, telemetry.
//! pingora is named in `carrier` and nowhere else.

mod access_log;
mod account;
mod admin;
mod answer;
mod carrier;
mod ceiling;
mod clock;
mod composed;
mod connection;
mod errand;
mod exchange;
mod gateway;
mod identity;
mod lifecycle;
mod listener;
mod metrics;
mod probes;
mod random;
mod reload;
mod running;
mod snapshot;
mod spawn;
mod streams;
mod stripe;
mod tls;
mod traces;
mod unread;
mod wire;

pub use carrier::Carriers;
pub use identity::connection_info;
pub use reload::{ReloadError, Reloader, warn_of};
pub use running::{Addresses, Applied, Example, Running, StartError};
pub use spawn::spawn;
