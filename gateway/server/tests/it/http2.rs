//! HTTP/2 with clients: the same answers as over HTTP/1.1, and no more trouble.
//!
//! Well-behaved clients are the h2 crate's; those that attack write their frames byte by byte.

pub(crate) mod client;
mod raw;
mod service;
pub(crate) mod transcript;

mod bodies;
mod endings;
mod floods;
mod flow;
mod heads;
mod lifetime;
mod secured;
