//! Does any input make a parser panic, read what it should not, or disagree with a second reader?
//!
//! One binary for all targets: `TOLLGATE_FUZZ_TARGET` names one, and libFuzzer, whose flags it takes, makes the
//! inputs, guided by what they reach. `./dev fuzz` builds and runs it. What is found becomes a
//! seed beside the parser's tests, where every run of the suite replays it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

mod edge;
mod text;
#[path = "../../../idp/token/tests/it/corpus/targets.rs"]
mod token;

/// Each takes any bytes; true if it read them.
type Target = fn(&[u8]) -> bool;

/// Those of that name: some bytes are read in two ways.
static CHOSEN: LazyLock<Vec<Target>> = LazyLock::new(|| {
    let name = std::env::var("TOLLGATE_FUZZ_TARGET").unwrap_or_default();
    let all = [&edge::TARGETS[..], &text::TARGETS, &token::TARGETS].concat();
    let of_name = all.into_iter().filter(|(known, _)| *known == name);
    let chosen: Vec<_> = of_name.map(|(_, target)| target).collect();
    assert!(!chosen.is_empty(), "there is no target {name:?}");
    chosen
});

fuzz_target!(|bytes: &[u8]| {
    for target in &*CHOSEN {
        target(bytes);
    }
});
