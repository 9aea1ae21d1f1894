//! The gateway on real sockets: clients and services are scripted byte by byte.

mod client;
mod edge;
mod upstream;

mod answers;
mod bodies;
mod forwarding;
mod lifecycle;
mod telemetry;
mod upstreams;
