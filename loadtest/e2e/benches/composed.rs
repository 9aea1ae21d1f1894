//! The test that no composed answer is another's, for as many requests as one likes: see `./dev soak`.
//!
//! `cargo bench -p e2e --bench composed -- 1000000`

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "it is a test that runs for longer"
)]

#[path = "../tests/it/composed"]
mod composed {
    pub(crate) mod privacy;
    mod service;
}

#[path = "../tests/it/stack"]
mod stack {
    #[expect(dead_code, reason = "the tests need more of it")]
    mod client;

    pub(crate) use client::{Answer, Client};
}

use std::error::Error;
use std::io::Write as _;

use composed::privacy::{self, Keys};

/// A broken key shows within the first few.
const FEW: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|it| it != "--bench");
    let count = arguments.next().ok_or("how many requests?")?.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut out = std::io::stdout();
    let broken = runtime.block_on(privacy::run(Keys::WithoutTheCaller, FEW));
    writeln!(out, "keys that do not say for whom: {broken:?}")?;
    let told = runtime.block_on(privacy::run(Keys::AsTheyAre, count));
    writeln!(out, "as they are: {told:?}")?;
    if broken.crossed == 0 {
        return Err("a broken key is not caught".into());
    }
    if told.crossed > 0 || told.shown_to_open > 0 {
        return Err("something of one caller was told another".into());
    }
    Ok(())
}
