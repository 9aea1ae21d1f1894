//! Who is asking: known and unknown, good and bad, and nobody there to be asked.

pub(crate) mod provider;
pub(crate) mod town;

mod budget;
mod degraded;
mod lasting;
mod lookups;
mod revocation;
mod telling;
mod values;
