//! What the contract promises, seen from outside.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails as a test does: on the spot"
)]

mod corpus;
mod projection;
mod race;
mod redis;
mod wycheproof;
