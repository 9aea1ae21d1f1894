//! What Tollgate promises, and the rules this repository keeps, as tests.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails as a test does: on the spot"
)]

use mimalloc::MiMalloc;

mod stack;

mod composed;
mod drain;
mod join;
mod large_files;
mod ledger;
mod newcomer;
mod provider;
mod reload;
mod revocation;
mod scenarios;
mod secrets;
mod shared;
mod tidy;
mod tls;

/// That of the binary: another one would make other memory and, under its locks, other stalls.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;
