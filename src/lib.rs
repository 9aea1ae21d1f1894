//! Boots any mix of Tollgate's roles in one process.
//!
//! The verbs of the binary, the end-to-end tests and load runs all start roles through [`Stack`], so
//! that what is tested is what is run. Nothing is decided here.

mod stack;

pub use stack::{BootError, Plan, Stack};
