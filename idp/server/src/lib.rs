//! The process of the identity provider.
//!
//! What is decided, and why, is the business of `idp-core`; here is what its rules are run on.

mod audit;
mod clock;
mod desk;
mod keys;
mod listener;
mod protocol;
mod random;
mod secret_file;
mod spawn;
pub mod store;

pub use secret_file::SecretFileError;
