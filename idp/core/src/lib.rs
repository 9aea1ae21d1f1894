//! The rules of the identity provider: who may have which token, for how long, and what ends it.
//!
//! No I/O, no clock, no randomness, no runtime. The server beside this crate reads and writes,
//! speaks HTTP, draws random bytes and computes argon2id; when, with what and what follows from it
//! is decided here.
//!
//! # How a rule is run
//!
//! A rule is a function `(view, request, now, random) -> Result<Decision, Need>`. It looks at
//! records through a [`view::View`]. What the view lacks it asks for with [`view::Need`], and it is
//! run again from its beginning once that was read. In the end it gives a
//! [`decision::Decision`]: an answer, the transaction that must be committed before anybody is
//! told, and what to write into the audit log. If the commit conflicts, the view is thrown away and
//! everything begins anew, with new random bytes. Whoever runs rules bounds the attempts.
//!
//! - **A transaction rests on all that was read.** Decisions that commit could have been taken one
//!   after the other, so a rule need not think of what others do meanwhile: if a session is ended
//!   while one of its tokens is refreshed, either the refresh came first and its token dies with
//!   the session, or it conflicts, looks again and is refused.
//! - **A rule trusts its view.** Everything else is checked: a request is bytes until a rule has read
//!   it, and whoever sent it is authenticated before what it is about is looked up.
//! - **Changes are announced by the write itself** ([`change`]), not by the rule.
//! - **Much is ended by one write**: sessions name the generations of their user, client, tenant
//!   and realm that they were begun under ([`record`]).
//! - **Time is the wall clock's, in seconds**, and all of it comes as one argument. A clock that is set
//!   back makes nobody's token older than it is; it only lets what would have ended live so much longer.

pub mod admin;
pub mod audit;
pub mod authorize;
pub mod change;
pub mod client;
pub mod decision;
pub mod handle;
pub mod id;
pub mod introspect;
pub mod keyring;
pub mod login;
pub mod notice;
pub mod parameters;
mod presented;
pub mod provider;
pub mod receipts;
pub mod record;
pub mod refusal;
pub mod relay;
pub mod resolve;
pub mod revoke;
pub mod scope;
pub mod seed;
pub mod session;
pub mod sign_out;
pub mod store;
pub mod token;
pub mod upkeep;
pub mod userinfo;
pub mod view;
pub mod withdraw;

#[cfg(test)]
mod tests;
