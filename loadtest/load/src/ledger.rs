//! Two books on the same requests, one kept by whoever sends them and one by the service: was each
//! sent on at most once, answered with its own answer, and none lost?
//!
//! A [`Client`] sends a seeded [`Mix`] and writes down what became of each request. An [`Upstream`]
//! writes down every head and body that reached it, whole or not, and does what it is told: answer,
//! wait, fail, close, reset, stop halfway, hang. [`compare()`] looks at both afterwards. Everything is
//! known from the id of a request: the bytes of its body and those of the answer it must get.
//!
//! Neither side retries, and neither trusts the HTTP library of what is between them.

mod client;
mod compare;
mod entry;
mod fate;
mod filling;
mod log;
mod mix;
mod upstream;

#[cfg(test)]
mod tests;

pub use client::{Client, Sending};
pub use compare::{Kind, Verdict, Violation, compare};
pub use entry::{Deed, Entry, Framing, Method, Parcel};
pub use fate::{Answered, Echo, Fate, Fault, Sent};
pub use filling::Digest;
pub use log::{Heard, State};
pub use mix::{Mix, interleave};
pub use upstream::{Habit, Upstream};

/// Field with the id, of requests and answers alike.
const ID: &str = "x-ledger-id";
/// Field that says what the upstream is to do.
const DEED: &str = "x-ledger-do";
/// Field that says how long the answer is to be, and how framed.
const ANSWER: &str = "x-ledger-answer";
