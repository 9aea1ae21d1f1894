//! What gateway and identity provider agree on: what a token looks like, who may be believed about
//! it, for how long, and when what was learned about it is void.
//!
//! Both sides speak in these types and meet nowhere else. No I/O, no clock, no randomness, no
//! runtime: times and random bytes come in as arguments, decisions go out as values. The one
//! exception is the nonce of an ES256 signature, which the cryptographic library draws itself.

pub mod ask;
pub mod digest;
pub mod epoch;
pub mod external;
pub mod fence;
pub mod filter;
pub mod follow;
mod json;
pub mod kills;
pub mod lease;
pub mod log;
pub mod membership;
pub mod projection;
pub mod reference;
pub mod refresh;
pub mod seal;
pub mod session;
pub mod time;
pub mod value;

pub use json::MemberError;
