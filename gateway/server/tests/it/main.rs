//! The gateway on real sockets: clients and services are scripted byte by byte.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod client;
mod edge;
mod site;
mod socket;
mod transcript;
mod upstream;

mod admin;
mod answers;
mod bodies;
mod carriers;
mod composed;
mod forgery;
mod forwarding;
mod framing;
mod grpc;
mod h2_services;
mod health;
mod http2;
mod identity;
mod issuers;
mod lifecycle;
mod misbehaving;
mod routing;
mod telemetry;
mod tls;
mod traces;
mod upstreams;
mod websocket;
