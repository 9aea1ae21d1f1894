//! What does a client see of a service that misbehaves?
//!
//! Every case is what a service does with one request, the answer a client must hear, whether the
//! client's connection goes on, and whether the service's connection is used again: RFC 9112 read
//! strictly, so that no answer can reach into the next. Each runs as a plain `GET` and as a chunked
//! `POST`, which different carriers take, for clients in HTTP/1.1, with TLS and without, and in HTTP/2.

mod case;
mod service;

mod answers;
mod bodies;
mod connections;
mod endings;
mod heads;
