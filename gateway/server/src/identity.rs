//! Who is asking? What the gateway knows of tokens, and how it learns about them.
//!
//! Decisions are those of `gateway-core`; what gateway and identity provider agree on is said in
//! `idp-token`. Here is what keeps that knowledge fresh: the log is followed, in Redis or at the
//! identity provider ([`log`]); what is not known is looked up, there and there ([`sources`]). What
//! cannot be told is unknown, and never taken for bad.

mod asking;
mod credential;
mod following;
mod http;
mod keys;
mod knowledge;
mod log;
mod patience;
mod proof;
mod provider;
mod redis;
mod reports;
mod shelf;
mod sources;
mod uses;
mod value_tokens;
mod waking;
