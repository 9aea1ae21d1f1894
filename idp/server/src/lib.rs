//! The process of the identity provider.
//!
//! What is decided, and why, is the business of `idp-core`; here is what its rules are run on.

pub mod store;
