//! Random numbers for ids and choices: quick, unpredictable enough not to collide, never for secrets.

use std::cell::Cell;

thread_local! {
    static STATE: Cell<u64> = Cell::new(seed());
}

/// A fresh seed for each thread from the system, so that no two processes share a sequence.
fn seed() -> u64 {
    getrandom::u64().unwrap_or_else(|_| crate::clock::unix_micros())
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

pub(crate) fn next_u128() -> u128 {
    (u128::from(next_u64()) << 64) | u128::from(next_u64())
}
