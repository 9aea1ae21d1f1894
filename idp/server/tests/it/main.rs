//! Does the provider keep what it promises, whatever happens to it?

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod admin;
mod backup;
mod consents;
mod contract;
mod disk;
mod farewell;
mod followers;
mod gateway;
mod hostile;
mod internal;
mod journal;
mod kills;
mod machine;
mod opening;
mod pages;
mod plain;
mod projection;
mod protocol;
mod receipts;
mod redis_server;
mod refresh;
mod relay;
mod rotation;
mod sealing;
mod seeds;
mod server;
mod sweep;
mod visitor;
mod world;
mod writing;
