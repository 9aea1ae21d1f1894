//! How is one answer made of several, and which calls does that take?
//!
//! A [`declaration`] is compiled to a [`plan`] once; for every request the plan says which calls may
//! go out, what is to be looked up, and how the bytes of the answers become the bytes of one. No I/O,
//! no clock and no chance: whoever carries a plan out brings the time and what came back.
//!
//! ```text
//! Declaration ── compile ──► Plan ── Composition ──► tasks … what came back ──► Answer
//! ```

pub mod answer;
pub mod call;
pub mod cause;
mod compile;
pub mod compose;
pub mod declaration;
mod explain;
mod expression;
pub mod fill;
pub mod freshness;
pub mod json;
pub mod keys;
mod openapi;
mod pieces;
pub mod plan;
pub mod records;
mod same;
pub mod status;
pub mod stored;

pub use answer::Answer;
pub use call::Call;
pub use cause::Cause;
pub use compile::{Fault, Hint, compile};
pub use compose::Composition;
pub use declaration::Declaration;
pub use explain::explain;
pub use json::Json;
pub use keys::Key;
pub use openapi::openapi;
pub use plan::Plan;

#[cfg(test)]
mod sample;
