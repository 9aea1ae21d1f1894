//! The pay services: what an edge gateway of a payments company has behind it.
//!
//! Four HTTP services, as a payments backend would build them: **membership** (who is a member),
//! **banking** (which banks there are, and payouts to them), **money** (balances, transfers,
//! charges) and **remittance** (sending money, which takes the other three, over HTTP). They start
//! with deterministic data, keep what is written in memory, and forget it when they stop. On an
//! admin port they can be told to misbehave, down to the bytes on the socket.
//!
//! ```text
//! listener ── desk ── guard ── routes of one service ── its state
//!    │          │       │
//!    │          │       └ verifies tokens, if any are asked for
//!    │          └ counts the request, deals out faults
//!    └ connections, deadlines, raw bytes of spoiled answers
//! ```
//!
//! Architecture Invariant: no state is global. Any number of sets can live in one process.
//!
//! Architecture Invariant: services share code but no state. What one knows of another it was told
//! over HTTP, or both work it out from the same seed.
//!
//! Architecture Invariant: no lock is held across an await, and everything that grows has a limit
//! with a stated policy.
//!
//! Who is asking is checked when [`Settings::trust`] says whose tokens to believe: then every
//! endpoint wants a value token and verifies it itself, as a service behind a gateway should. The
//! admin port asks for nothing.

mod admin;
mod answer;
mod banking;
mod boot;
mod client;
mod clock;
mod decimal;
mod desk;
mod digits;
mod faults;
mod idempotency;
mod ids;
mod listener;
mod membership;
mod money;
mod problem;
mod remittance;
mod request;
mod seed;
mod service;
mod settings;
mod spoiled;
mod tasks;
mod trust;

pub use boot::{Addresses, BootError, Pay};
pub use clock::Clock;
pub use listener::ConnectionLimits;
pub use remittance::peers::Patience;
pub use seed::{Sizes, SizesError};
pub use settings::{Listen, Memory, Settings};
pub use trust::{JwksUrlError, KeyRefresh, Trust};
