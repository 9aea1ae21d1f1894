//! What the gateway decides: is this head sound, which route does it take, what goes upstream
//! in its name, and which answer does a refusal get?
//!
//! No I/O, no clock, no randomness, no runtime: bytes, times and random numbers come in as
//! arguments, decisions go out as values. The server beside this crate moves the bytes.

pub mod admission;
pub mod answer;
pub mod caller;
pub mod challenge;
pub mod chunked;
pub mod credential;
pub mod fields;
pub mod forward;
pub mod head;
pub mod host;
pub mod http2;
pub mod ids;
pub mod key_rhythm;
pub mod level;
pub mod limits;
pub mod path;
pub mod peer;
pub mod query;
pub mod rejection;
pub mod route;
pub mod routes;
pub mod share;
pub mod trailers;
pub mod upgrade;
pub mod verdict;

#[cfg(test)]
mod sample;
