//! What holds of Redis as these tests imagine it holds of a real one, and what composers make of it
//! is right in any order.

mod entities;
mod model;
mod orders;
mod scripts;

#[path = "../../tests/it/redis_server.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod redis_server;
