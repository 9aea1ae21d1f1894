//! The test of refreshes at once, for as many families as one likes: see `./dev soak`.
//!
//! `cargo bench -p idp-server --bench refresh -- 10000`

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "it is a test that runs for longer"
)]

#[path = "../tests/it/refresh/families.rs"]
mod families;
#[path = "../tests/it/seeds.rs"]
mod seeds;
#[path = "../tests/it/server.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod server;
#[path = "../tests/it/visitor.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod visitor;

use std::error::Error;
use std::io::Write as _;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|it| it != "--bench");
    let count = arguments.next().ok_or("how many families?")?.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(families::try_families(count));
    writeln!(
        std::io::stdout(),
        "{count} families, each refreshed by 64 at once: one successor each, none killed by \
         mistake, every one ended by its replay"
    )?;
    Ok(())
}
