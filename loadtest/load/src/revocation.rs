//! Are tokens refused when they must be, and only then, whatever breaks?
//!
//! Everything here runs against a [`Fleet`]: real processes, real sockets. A *case* is one token with
//! the moments at which its end was asked for and acknowledged. Whoever tries it judges each answer by
//! these two alone: a token whose end nobody has asked for is never refused, and one whose end was
//! acknowledged more than a lease ago is never let through where staleness is strict.
//!
//! Whoever shows too many bad tokens from one address is told 429 in place of 401: that is a refusal as
//! well, and must never happen to a good one.
//!
//! All moments are of one clock, that of this process.
//!
//! [`Fleet`]: crate::fleet::Fleet

mod breakage;
mod case;
mod endure;
mod everywhere;
mod flood;
pub(crate) mod forgery;
mod idleness;
mod lag;
mod lookups;
mod recall;
mod receipts;
mod watch;

pub use breakage::Breakage;
pub use case::{Case, Cases};
pub use endure::{Endured, Spell, endure};
pub use everywhere::{Everywhere, end_everywhere};
pub use flood::{Block, Flood, FloodSettings, Pace, Phase, Turn, Turns, flood};
pub use idleness::{Idleness, slide};
pub use lag::{Lag, measure_lag};
pub use lookups::{Lookups, count_lookups};
pub use recall::{Recall, recall};
pub use receipts::{Receipts, take_receipts};
pub use watch::{Findings, Watch, WatchSettings};
