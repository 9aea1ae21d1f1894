//! Services that speak HTTP/2, and what a client in HTTP/1.1 sees of them.

mod answers;
mod bodies;
mod connections;
mod frames;
mod misbehaving;
mod repeated;
mod service;
pub(crate) mod sound;
mod streams;
