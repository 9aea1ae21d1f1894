//! Do the rules hold together: against every attack that is written about, and whatever runs
//! beside them?

mod attacks;
mod edges;
mod interleavings;
mod keys;
mod life;
mod people;
mod process;
mod statements;
mod world;
