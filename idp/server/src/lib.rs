//! The process of the identity provider.
//!
//! What is decided, and why, is the business of `idp-core`; here is what its rules are run on.

mod admin;
pub mod audit;
mod clock;
mod credential;
mod desk;
mod farewell;
mod internal;
mod keys;
mod listener;
mod metrics;
mod pages;
pub mod passwords;
mod problem;
mod protocol;
mod random;
mod receipts;
mod relay;
mod running;
mod secret_file;
mod seeds;
mod spawn;
pub mod store;
mod upkeep;
mod withdrawal;

pub use credential::CredentialError;
pub use farewell::TrustError;
pub use keys::{MaterialError, RingError};
pub use random::NoRandom;
pub use relay::{BeginError, RedisSettingsError};
pub use running::{Addresses, Idp, StartError};
pub use secret_file::SecretFileError;
pub use seeds::SeedError;
