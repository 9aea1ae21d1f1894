//! Does the provider keep what it promises, whatever happens to it?

mod admin;
mod backup;
mod contract;
mod disk;
mod kills;
mod machine;
mod opening;
mod protocol;
mod sealing;
mod server;
mod sweep;
mod world;
mod writing;
