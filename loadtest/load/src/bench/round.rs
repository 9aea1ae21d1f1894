//! One measurement of one peer.

use std::net::SocketAddr;

use serde::Serialize;

use super::cpu::CpuTimes;
use super::h2load::H2load;
use super::peer::{Log, Peer};
use super::wrk::{LoadErrors, Wrk, WrkReport};
use super::{BenchError, say};
use crate::process::Process;

/// What one peer did in one round.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample {
    pub(super) round: u32,
    pub(super) peer: &'static str,
    pub(super) requests: u64,
    pub(super) requests_per_second: f64,
    pub(super) cpu_ns: u64,
    pub(super) cpu_us_per_request: f64,
    /// CPU time over wall time: near 1 the proxy was the limit, as it should be.
    pub(super) core_share: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) log_bytes: u64,
    pub(super) errors: LoadErrors,
    /// Not 0 means that CPU time was lost to the account.
    pub(super) threads_ended: usize,
}

/// Who measures: the load, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gauge<'a> {
    pub(super) generator: Generator<'a>,
    pub(super) seconds: u64,
}

/// Who is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) process: &'a Process,
    pub(super) log: &'a Log,
    /// Where the load goes.
    pub(super) load: SocketAddr,
}

/// Who makes the load.
#[derive(Clone, Copy, Debug)]
pub(super) enum Generator<'a> {
    Wrk(&'a Wrk),
    H2load(&'a H2load),
}

impl Generator<'_> {
    pub(super) async fn run(
        self,
        target: SocketAddr,
        seconds: u64,
    ) -> Result<WrkReport, BenchError> {
        match self {
            Self::Wrk(wrk) => wrk.run(target, seconds).await,
            Self::H2load(h2load) => h2load.run(target, seconds).await,
        }
    }
}

/// Measures every peer in turn, round after round, each by its own gauge.
pub(super) async fn take_turns(
    turns: &[(Gauge<'_>, &Peer)],
    rounds: u32,
) -> Result<Vec<Sample>, BenchError> {
    let names = turns.iter().map(|(_, peer)| peer.process.name().len());
    let width = names.max().unwrap_or(0);
    let mut samples = Vec::new();
    for round in 1..=rounds {
        for (gauge, peer) in turns {
            let sample = gauge.measure(peer.subject(), round).await?;
            say(&format!(
                "round {round}/{rounds}  {:<width$} {:6.2} us/request  core {:.2}  {} errors",
                sample.peer,
                sample.cpu_us_per_request,
                sample.core_share,
                sample.errors.total(),
            ));
            samples.push(sample);
        }
    }
    Ok(samples)
}

impl Gauge<'_> {
    pub(super) async fn measure(
        &self,
        subject: Subject<'_>,
        round: u32,
    ) -> Result<Sample, BenchError> {
        let Subject { process, log, load } = subject;
        let family = process.family()?;
        log.take_file_bytes()?;
        let before = CpuTimes::read(&family)?;
        let report = self.generator.run(load, self.seconds).await?;
        let spent = CpuTimes::read(&family)?.since(&before);
        let log_bytes = log.take_file_bytes()?;
        if report.requests == 0 {
            let tally = "not one request was answered".to_owned();
            return Err(BenchError::WrongAnswer {
                name: process.name(),
                tally,
            });
        }
        let requests = report.requests as f64;
        let wall_s = requests / report.requests_per_second;
        Ok(Sample {
            round,
            peer: process.name(),
            requests: report.requests,
            requests_per_second: report.requests_per_second,
            cpu_ns: spent.ns,
            cpu_us_per_request: spent.ns as f64 / 1e3 / requests,
            core_share: spent.ns as f64 / 1e9 / wall_s,
            p50_us: report.p50_us,
            p99_us: report.p99_us,
            log_bytes,
            errors: report.errors,
            threads_ended: spent.threads_ended,
        })
    }
}
