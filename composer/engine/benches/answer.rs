//! What does one composed answer cost on the thread that makes it?
//!
//! `cargo bench -p composer-engine --bench answer -- 2000`: the transfer history of 100 rows with all
//! members known. Services run on a thread of their own, so what is measured is the engine with its
//! two calls, and nothing of theirs.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on ends"
)]

#[path = "../tests/it/history.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod history;
#[path = "../tests/it/service.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod service;
#[path = "../tests/it/site.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod site;

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use composer_engine::Clock;
use rustix::time::{ClockId, clock_gettime};

use history::{Services, expected};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|it| it != "--bench");
    let count: u32 = arguments.next().ok_or("how many answers?")?.parse()?;
    let (told, draft) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = runtime();
        runtime.block_on(async {
            let services = Services::start().await;
            told.send(services.draft()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let draft = draft.recv()?;
    runtime().block_on(async {
        let site = draft.ready().await;
        for _ in 0..count / 10 + 1 {
            assert_eq!(site.get(&["7"], "alice").await.body(), expected());
        }
        let clock = Clock::default();
        let mut waits = Vec::new();
        let before = spent();
        for _ in 0..count {
            let began = clock.now();
            let answered = site.get(&["7"], "alice").await;
            waits.push(clock.now() - began);
            assert_eq!(answered.status(), 200);
        }
        let each = (spent() - before) / count;
        waits.sort_unstable();
        let at = |part: usize| waits[(waits.len() - 1) * part / 100].as_micros();
        writeln!(
            std::io::stdout(),
            "{count} warm answers of {} rows: {} us CPU each; p50 {} us, p99 {} us",
            history::ROWS,
            each.as_micros(),
            at(50),
            at(99),
        )
    })?;
    Ok(())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// CPU time of this thread, on which the whole engine runs.
fn spent() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}
