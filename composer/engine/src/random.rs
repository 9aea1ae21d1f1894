//! Random numbers for choices, jitter and hash seeds: quick, never for secrets.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Duration;

thread_local! {
    static STATE: Cell<u64> = Cell::new(seed());
}

/// Seeds differ from thread to thread and from process to process, as those of hash maps do.
fn seed() -> u64 {
    RandomState::new().hash_one(std::thread::current().id())
}

/// The next number of this thread: SplitMix64.
pub(crate) fn next_u64() -> u64 {
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mut mixed = next;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

/// Nine to eleven tenths of a time, so that what began together does not end together.
pub(crate) fn about(whole: Duration) -> Duration {
    let tenth = whole / 10;
    let part = (tenth.as_nanos() * 2 * u128::from(next_u64() >> 32)) >> 32;
    whole - tenth + Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}
