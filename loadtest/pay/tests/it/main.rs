//! The pay services as their clients see them: real sockets, every test with its own set.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails as a test does: on the spot"
)]

mod banking;
mod boot;
mod faults;
mod issuer;
mod join;
mod limits;
mod membership;
mod money;
mod remittance;
mod trust;
mod world;
