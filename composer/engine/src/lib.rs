//! Carries the plans of `composer-core` out: with the fewest calls, each to a service that is treated
//! as for any other request, and with caches that hold nothing of one caller for another.

mod answers;
mod asked_as;
mod cache;
mod client;
mod clock;
mod engine;
mod forget;
mod generations;
mod invalidate;
mod metrics;
#[cfg(test)]
mod orders;
pub mod paths;
mod queue;
mod random;
mod records;
mod reply;
mod run;
mod scope;
mod second_level;
pub mod serve;
mod spawn;
mod table;
mod validators;

pub use asked_as::{MISDIRECTED, is_asked_as_this_machine};
pub use clock::Clock;
pub use engine::{Engine, Incomplete, Setup};
pub use forget::{Stale, Unforgettable};
pub use invalidate::{Misread, invalidate};
pub use metrics::Metrics;
pub use reply::Reply;
pub use run::Request;
pub use scope::Asker;
pub use second_level::SecondLevel;
pub use spawn::spawn;
