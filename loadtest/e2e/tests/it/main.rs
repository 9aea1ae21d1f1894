//! What Tollgate promises, and the rules this repository keeps, as tests.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails as a test does: on the spot"
)]

mod stack;

mod drain;
mod join;
mod large_files;
mod newcomer;
mod reload;
mod tidy;
