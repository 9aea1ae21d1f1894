//! Does a gateway know what it must, and no more, whatever becomes of Redis and the identity provider?
//!
//! The provider is a script that speaks real HTTP, Redis is a real server of the test's own. Leases
//! are longer than anything that a busy machine holds up, except where they are to run out.

mod calls;
mod failures;
mod forged;
mod provider;
mod redis_server;
mod revocation;
mod scripted_redis;
mod site;
mod stopped;
mod telling;
