//! A process of a fleet, which can end and be started again as it was.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::bench::{BenchError, cpu_time, rss_kib, wait_until_ready};
use crate::process::{Launch, Process};

use super::clock::Clock;

/// What a process may have of something, which the kernel enforces from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// No file grows past this, as on a full disk.
    FileBytes(Option<u64>),
    /// No more open files than these; what is open stays open.
    Files(Option<usize>),
}

const FILES_PLENTY: usize = 1024;

#[derive(Debug)]
pub struct Member {
    launch: Launch,
    /// Where it says that it is ready.
    ready: (SocketAddr, &'static str),
    /// Its own, if it was started with one that can be set.
    clock: Option<Clock>,
    process: Process,
}

impl Member {
    /// Starts it, and does not wait until it is ready.
    pub(super) fn launch(
        launch: Launch,
        ready: (SocketAddr, &'static str),
        clock: Option<Clock>,
    ) -> Result<Self, BenchError> {
        let process = Process::start(launch.clone())?;
        Ok(Self {
            launch,
            ready,
            clock,
            process,
        })
    }

    /// Waits until it is ready.
    pub(super) async fn wait(&mut self) -> Result<(), BenchError> {
        wait_until_ready(&mut self.process, self.ready.0, self.ready.1).await
    }

    /// Starts it again, once it was ended.
    pub async fn restart(&mut self) -> Result<(), BenchError> {
        self.process = Process::start(self.launch.clone())?;
        self.wait().await
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

    /// Has it load its configuration again.
    pub fn hang_up(&self) {
        self.process.hang_up();
    }

    /// Puts its wall clock so many seconds before or behind everybody else's.
    pub fn set_clock(&self, seconds: i64) -> Result<(), BenchError> {
        let clock = self.clock.as_ref().ok_or(BenchError::Unreadable {
            what: "the clock of a member",
            text: "it was started with that of the machine".to_owned(),
        })?;
        clock.set(seconds)
    }

    /// Sets a limit on the running process, or takes it away. The hard limit stays as it is, so that
    /// this needs no rights.
    pub fn limit(&self, limit: Limit) -> Result<(), BenchError> {
        let limit = match limit {
            Limit::FileBytes(Some(bytes)) => format!("--fsize={bytes}:"),
            Limit::FileBytes(None) => "--fsize=unlimited:".to_owned(),
            Limit::Files(Some(files)) => format!("--nofile={files}:"),
            // What a process usually begins with, and far more than a test opens.
            Limit::Files(None) => format!("--nofile={FILES_PLENTY}:"),
        };
        let output = Command::new("prlimit")
            .args(["--pid", &self.process.id().to_string(), &limit])
            .output()
            .map_err(BenchError::io("cannot start prlimit"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(BenchError::Failed {
            program: "prlimit",
            said,
        })
    }

    /// How many files it has open.
    pub fn files(&self) -> Result<usize, BenchError> {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.process.id()));
        let open = open.map_err(BenchError::io("cannot list open files"))?;
        Ok(open.count())
    }

    /// What it has had of CPUs since its start.
    pub fn cpu_time(&self) -> Result<Duration, BenchError> {
        cpu_time(&[self.process.id()])
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
