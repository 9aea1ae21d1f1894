//! The test of kills over HTTP, for as many kills as one likes: see `./dev soak`.
//!
//! `cargo bench -p e2e --bench kills -- 500`

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "it is a test that runs for longer"
)]

#[path = "../tests/it/provider/kills.rs"]
mod kills;
#[path = "../tests/it/provider/site.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod site;

#[path = "../tests/it/stack"]
mod stack {
    #[expect(dead_code, reason = "the tests need more of it")]
    mod binary;
    #[expect(dead_code, reason = "the tests need more of it")]
    mod client;

    pub(crate) use binary::Tollgate;
    pub(crate) use client::{Answer, Client, PATIENCE};
}

use std::error::Error;
use std::io::Write as _;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|it| it != "--bench");
    let count = arguments.next().ok_or("how many kills?")?.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let told = runtime.block_on(kills::run(site::Site::new(), count));
    writeln!(
        std::io::stdout(),
        "{} kills of a real process under load: {} acknowledged changes were there, {} that nobody was \
         told of too, none was half done",
        told.kills,
        told.acknowledged,
        told.unacknowledged
    )?;
    Ok(())
}
