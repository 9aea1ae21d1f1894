//! Does the store keep what it promises, whatever happens to it?

mod backup;
mod contract;
mod disk;
mod kills;
mod machine;
mod opening;
mod sealing;
mod sweep;
mod world;
mod writing;
