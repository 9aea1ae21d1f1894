//! A process of a fleet, which can end and be started again as it was.

use std::net::SocketAddr;

use crate::bench::{BenchError, rss_kib, wait_until_ready};
use crate::process::{Launch, Process};

#[derive(Debug)]
pub struct Member {
    launch: Launch,
    /// Where it says that it is ready.
    ready: (SocketAddr, &'static str),
    process: Process,
}

impl Member {
    pub(super) async fn start(
        launch: Launch,
        ready: (SocketAddr, &'static str),
    ) -> Result<Self, BenchError> {
        let mut process = Process::start(launch.clone())?;
        wait_until_ready(&mut process, ready.0, ready.1).await?;
        Ok(Self {
            launch,
            ready,
            process,
        })
    }

    /// Starts it again, once it was ended.
    pub async fn restart(&mut self) -> Result<(), BenchError> {
        self.process = Process::start(self.launch.clone())?;
        wait_until_ready(&mut self.process, self.ready.0, self.ready.1).await
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Holds it: it is there, and does nothing.
    pub fn pause(&self) {
        self.process.pause();
    }

    pub fn resume(&self) {
        self.process.resume();
    }

    /// Asks it to leave and waits until it has.
    pub async fn stop(&mut self) {
        self.process.terminate();
        while !self.process.has_ended() {
            tokio::time::sleep(crate::process::POLL).await;
        }
    }

    /// What of its memory is in use.
    pub fn rss_kib(&self) -> Result<u64, BenchError> {
        rss_kib(&self.process.family()?)
    }

    /// The end of what it printed.
    pub fn said(&self) -> String {
        self.process.said()
    }
}
