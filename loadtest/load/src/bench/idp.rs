//! What does a call to the identity provider cost beside npm `oidc-provider`, and do people who sign in
//! slow down machines that ask for tokens?
//!
//! Ours keeps every token in its store and syncs it to the disk before it answers; the peer keeps its
//! own in memory alone and forgets them with the process. Both get the same calls from the same load.

pub(super) mod call;
mod crowd;
mod form;
pub(super) mod provider;
mod sessions;
mod summary;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;

use super::conditions::{Conditions, version};
use super::cpu::CpuTimes;
use super::layout::Layout;
use super::memory::rss_kib;
use super::report::save;
use super::wrk::{LoadErrors, Wrk};
use super::{BenchError, Outcome, fds, say};
use call::{Call, issue_request};
use crowd::Crowd;
use provider::{Provider, Which};
use summary::{IdpReport, Memory};

pub use sessions::{SessionsOptions, sessions};

const WARM_UP_SECONDS: u64 = 1;
/// Connections of the machines whose latency is measured beside people who sign in.
const MACHINES: usize = 8;
/// Time such a machine rests after an answer: it shall feel delays, not saturate a CPU.
const REST: Duration = Duration::from_millis(2);

/// What to run.
#[derive(Clone, Debug)]
pub struct IdpOptions {
    pub rounds: u32,
    pub seconds: u64,
    pub connections: usize,
    /// People who sign in at the same time.
    pub people: usize,
    /// The identity provider's binary; without one its rows are missing.
    pub tollgate: Option<PathBuf>,
    /// The folder that `oidc-provider` was installed into; without one its rows are missing.
    pub peer: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
}

/// What one provider did with one kind of call in one round.
#[derive(Clone, Debug, Serialize)]
struct Sample {
    round: u32,
    provider: &'static str,
    call: &'static str,
    requests: u64,
    requests_per_second: f64,
    cpu_us_per_call: f64,
    /// CPU time over wall time.
    core_share: f64,
    p50_us: f64,
    p99_us: f64,
    errors: LoadErrors,
    /// Not 0 means that CPU time was lost to the account.
    threads_ended: usize,
}

/// What machines felt of people who signed in.
#[derive(Clone, Debug, Serialize)]
struct Beside {
    round: u32,
    alone_p99_us: u64,
    beside_p99_us: u64,
    p99_ratio: f64,
    calls: u64,
    logins: u64,
    /// Logins that were told to come again later.
    put_off: u64,
}

/// Measures, writes `idp.md` and `idp.json`.
pub async fn idp(options: IdpOptions) -> Result<Outcome, BenchError> {
    fds::raise_limit()?;
    let layout = Layout::find()?;
    layout.pin_self()?;
    let dir = tempfile::tempdir().map_err(BenchError::io("cannot make a temporary folder"))?;
    let conditions = note(&options, layout).await?;
    let programs = [
        (Which::Tollgate, options.tollgate.as_deref()),
        (Which::OidcProvider, options.peer.as_deref()),
    ];
    let mut missing = Vec::new();
    let mut providers = Vec::new();
    for (which, program) in programs {
        match program {
            Some(program) => {
                providers
                    .push(Provider::start(which, program, dir.path(), layout.proxy_cpu).await?);
            }
            None => missing.push(which.name()),
        }
    }
    let mut memory = Vec::new();
    for provider in &providers {
        let at_rest_kib = rss_kib(&provider.process.family()?)?;
        memory.push((provider.which.name(), at_rest_kib));
    }
    let samples = measure_calls(&options, &providers, dir.path()).await?;
    let besides = match providers.iter().find(|it| it.which == Which::Tollgate) {
        Some(ours) => measure_people(&options, ours).await?,
        None => Vec::new(),
    };
    let report = IdpReport {
        bench: "idp",
        conditions,
        memory: memory_of(&providers, memory)?,
        missing,
        rounds: samples,
        people: options.people,
        besides,
    };
    let table = report.tables();
    let files = save(&options.out, "idp", &report.markdown(&table), &report)?;
    Ok(Outcome {
        table,
        files,
        broken: report.verdict(),
        missing: report.missing,
    })
}

async fn note(options: &IdpOptions, layout: Layout) -> Result<Conditions, BenchError> {
    let mut versions = vec![version("wrk", Path::new("wrk"), "-v").await?];
    if let Some(peer) = &options.peer {
        versions.insert(0, version("node", Path::new("node"), "--version").await?);
        versions.insert(0, provider::peer_version(peer)?);
    }
    if let Some(tollgate) = &options.tollgate {
        versions.insert(0, version("tollgate", tollgate, "--version").await?);
    }
    let said = if layout.is_shared() {
        "provider and load share the one CPU there is"
    } else {
        "provider alone on one CPU, load on another; loopback; store on a disk"
    };
    let flags = format!(
        "rounds: {} of {} s; keep-alive connections: {}; people: {}",
        options.rounds, options.seconds, options.connections, options.people
    );
    Conditions::of(said, versions, flags).await
}

fn memory_of(
    providers: &[Provider],
    at_rest: Vec<(&'static str, u64)>,
) -> Result<Vec<Memory>, BenchError> {
    let pairs = providers.iter().zip(at_rest);
    let sizes = pairs.map(|(running, (provider, at_rest_kib))| {
        Ok(Memory {
            provider,
            at_rest_kib,
            after_kib: rss_kib(&running.process.family()?)?,
        })
    });
    sizes.collect()
}

/// Providers take turns within a kind of call, and kinds within a round.
async fn measure_calls(
    options: &IdpOptions,
    providers: &[Provider],
    dir: &Path,
) -> Result<Vec<Sample>, BenchError> {
    for (call, provider) in turns(providers) {
        let wrk = call.load(provider, dir, options.connections).await?;
        wrk.run(provider.address, WARM_UP_SECONDS).await?;
    }
    let mut samples = Vec::new();
    for round in 1..=options.rounds {
        for (call, provider) in turns(providers) {
            let wrk = call.load(provider, dir, options.connections).await?;
            let sample = measure(&wrk, options.seconds, (call, provider, round)).await?;
            call.check(provider).await?;
            say(&format!(
                "round {round}/{}  {:<10} {:<13} {:7.1} us/call  {:6.0} calls/s  core {:.2}  {} errors",
                options.rounds,
                sample.call,
                sample.provider,
                sample.cpu_us_per_call,
                sample.requests_per_second,
                sample.core_share,
                sample.errors.total(),
            ));
            samples.push(sample);
        }
    }
    Ok(samples)
}

fn turns(providers: &[Provider]) -> impl Iterator<Item = (Call, &Provider)> {
    let calls = Call::ALL.into_iter();
    calls.flat_map(move |call| providers.iter().map(move |provider| (call, provider)))
}

async fn measure(
    wrk: &Wrk,
    seconds: u64,
    (call, provider, round): (Call, &Provider, u32),
) -> Result<Sample, BenchError> {
    let family = provider.process.family()?;
    let before = CpuTimes::read(&family)?;
    let report = wrk.run(provider.address, seconds).await?;
    let spent = CpuTimes::read(&family)?.since(&before);
    if report.requests == 0 || report.errors.status > 0 {
        return Err(provider.wrong_answer(&format!("{}: {report:?}", call.name())));
    }
    let requests = report.requests as f64;
    Ok(Sample {
        round,
        provider: provider.which.name(),
        call: call.name(),
        requests: report.requests,
        requests_per_second: report.requests_per_second,
        cpu_us_per_call: spent.ns as f64 / 1e3 / requests,
        core_share: spent.ns as f64 / 1e9 * report.requests_per_second / requests,
        p50_us: report.p50_us,
        p99_us: report.p99_us,
        errors: report.errors,
        threads_ended: spent.threads_ended,
    })
}

async fn measure_people(
    options: &IdpOptions,
    provider: &Provider,
) -> Result<Vec<Beside>, BenchError> {
    let mut besides = Vec::new();
    for round in 1..=options.rounds {
        let (alone_p99_us, _) = machines_feel(options, provider).await?;
        let crowd = Crowd::gather(provider, options.people).await;
        let (beside_p99_us, calls) = machines_feel(options, provider).await?;
        let tally = crowd.stop().await;
        if let Some(fault) = tally.fault {
            return Err(provider.wrong_answer(&format!("a login: {fault}")));
        }
        let beside = Beside {
            round,
            alone_p99_us,
            beside_p99_us,
            p99_ratio: beside_p99_us as f64 / alone_p99_us as f64,
            calls,
            logins: tally.logins,
            put_off: tally.put_off,
        };
        say(&format!(
            "round {round}/{}  p99 {alone_p99_us} us alone, {beside_p99_us} us beside {} logins ({} put off): x{:.2}",
            options.rounds, beside.logins, beside.put_off, beside.p99_ratio,
        ));
        besides.push(beside);
    }
    Ok(besides)
}

/// The p99 of machines that ask for tokens, and how many calls it is of.
async fn machines_feel(
    options: &IdpOptions,
    provider: &Provider,
) -> Result<(u64, u64), BenchError> {
    let mut load = provider.load(issue_request(provider));
    load.connections = MACHINES;
    load.pause = REST;
    let running = load.start();
    sleep(Duration::from_secs(options.seconds)).await;
    let tally = running.stop().await;
    if !tally.is_clean() {
        return Err(provider.wrong_answer(&tally.to_string()));
    }
    let p99 = tally.latency.p99().as_micros();
    Ok((u64::try_from(p99).unwrap_or(u64::MAX), tally.ok))
}
