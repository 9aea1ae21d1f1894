//! `load`: the bench on the command line.

mod outcome;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use load::bench::{
    self, AuthOptions, BenchError, ChaosOptions, DrainOptions, EdgeOptions, Http2Options,
    IdleOptions, IdpOptions, InstructionsOptions, Outcome, PeersOptions, ReloadOptions,
    RevocationOptions, SessionsOptions, SlowOptions,
};
use outcome::show;
use tokio::signal::unix::{SignalKind, signal};

use compose::Compose;

#[path = "main/compose.rs"]
mod compose;

/// 128 + SIGINT, as a shell has it.
const INTERRUPTED: u8 = 130;

/// Load and measurement for Tollgate.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Measure the gateway beside nginx and HAProxy on this machine.
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// CPU time per proxied request.
    Edge(Edge),
    /// CPU time per request with a credential, beside nginx, HAProxy and Envoy.
    Auth(Auth),
    /// CPU time and latency per proxied request of clients in HTTP/2; needs h2load.
    #[command(name = "h2")]
    Http2(Http2),
    /// Everybody in one run: CPU, latency at a fixed load and memory, job by job.
    Peers(Peers),
    /// Memory per idle keep-alive connection.
    Idle(Idle),
    /// CPU time per request of the generator itself (`tollgate load`), beside wrk.
    Load(Edge),
    /// CPU time per call to the identity provider, beside npm oidc-provider.
    Idp(Idp),
    /// Memory of an identity provider that keeps a million sessions.
    Sessions(Sessions),
    /// CPU time per composed list, beside a client that joins it itself.
    Compose(Compose),
    /// What a reload of 5,000 routes costs the requests under way.
    Reload(Reload),
    /// What stops under load cost the requests under way.
    Drain(Drain),
    /// What clients that drip their heads cost everybody else.
    Slow(Slow),
    /// How soon tokens that are taken back are refused by four gateways, and what known ones cost.
    Revocation(Revocation),
    /// The table of failures: break one thing after the other, and look at every answer.
    Chaos(Chaos),
    /// User-mode instructions per proxied request; needs valgrind and nothing else.
    Instructions(Instructions),
}

#[derive(Debug, Args)]
struct Edge {
    /// Times every peer is measured, in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Length of one measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Keep-alive connections of the load.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Auth {
    /// Times every guard is measured, in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Length of one measurement; value tokens live ten minutes, and so long may all of it take.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=15))]
    seconds: u64,
    /// Keep-alive connections of the load.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Envoy's binary; without it the run lacks its rows and fails at its end.
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// See what memory a gateway needs that remembers so many sessions at once; a million take minutes.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=2_000_000))]
    sessions: Option<u64>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Http2 {
    /// Times every peer is measured, in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Length of one measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections of the load.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Requests under way on each connection.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=100))]
    streams: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Peers {
    /// Times every set-up is measured, in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Length of one measurement, of which each round has two; value tokens live ten minutes, and so long
    /// may all of it take.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=15))]
    seconds: u64,
    /// Keep-alive connections of the load.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Envoy's binary; without it Envoy takes no part.
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The folder that npm's oidc-provider was installed into; without it that takes no part.
    #[arg(long, value_name = "DIR")]
    oidc_provider: Option<PathBuf>,
    /// Measure nothing: quote the newest report in the folder of reports in this document.
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Idle {
    /// Times every peer is measured, in turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Connections that are opened and left idle.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Idp {
    /// Times every kind of call is measured, in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Length of one measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Keep-alive connections of the load.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// People who sign in at the same time.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    people: u16,
    /// The folder that npm's oidc-provider was installed into; without it the run lacks its rows and
    /// fails at its end.
    #[arg(long, value_name = "DIR")]
    peer: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Sessions {
    /// Sessions that are begun, all of them live to the end.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    sessions: u64,
    /// Keep-alive connections of the load.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// People who sign in at the same time.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    people: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Reload {
    /// Times both phases are measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Length of one phase.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Drain {
    /// Times the gateway is started, loaded and stopped.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    stops: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Slow {
    /// Times both phases are measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Connections that drip.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Revocation {
    /// Sessions that are ended one by one, with Redis and as many without.
    #[arg(long, default_value_t = 10_000)]
    revocations: usize,
    /// Requests with known tokens while others are taken back.
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// Orders that wait for all gateways, while these are held now and then.
    #[arg(long, default_value_t = 10_000)]
    receipts: usize,
    /// Sessions of a user who is signed out everywhere.
    #[arg(long, default_value_t = 100_000)]
    sessions: usize,
    /// Sessions that are used, then left alone.
    #[arg(long, default_value_t = 200)]
    idling: usize,
    /// Requests with tokens that nobody issued, beside good ones.
    #[arg(long, default_value_t = 1_000_000)]
    forged: u64,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Chaos {
    /// How long each thing stays broken.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Times everything is broken.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Everything once and briefly, without a report.
    #[arg(long)]
    short: bool,
    /// Only what has this in its name, without a report.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Instructions {
    /// Hold the count against the report in the folder, and fail past five per cent more.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// The gateway's binary; without it the run lacks its row and fails at its end.
    #[arg(long, value_name = "PATH")]
    tollgate: Option<PathBuf>,
    /// Folder of the reports.
    #[arg(long, value_name = "DIR", default_value = "loadtest/reports")]
    out: PathBuf,
}

// One thread: it is the parent of every process of the bench, and they end with it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let Verb::Bench(bench) = Arguments::parse().verb;
    let mut terminated = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    // Whichever way the bench is left, dropping it ends what it has started.
    let outcome = tokio::select! {
        outcome = run(bench) => outcome?,
        _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(INTERRUPTED)),
        _ = terminated.recv() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    show(&outcome)?;
    if outcome.missing.is_empty() && outcome.broken.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

async fn run(bench: Bench) -> Result<Outcome, BenchError> {
    match bench {
        Bench::Edge(edge) => bench::edge(edge.into()).await,
        Bench::Auth(auth) => bench::auth(auth.into()).await,
        Bench::Http2(http2) => bench::http2(http2.into()).await,
        Bench::Peers(Peers {
            readme: Some(readme),
            common,
            ..
        }) => bench::quote(&common.out, &readme),
        Bench::Peers(peers) => bench::peers(peers.into()).await,
        Bench::Idle(idle) => bench::idle(idle.into()).await,
        Bench::Load(edge) => bench::load(edge.into()).await,
        Bench::Idp(idp) => bench::idp(idp.into()).await,
        Bench::Sessions(sessions) => bench::sessions(sessions.into()).await,
        Bench::Compose(compose) => bench::compose(compose.into()).await,
        Bench::Reload(reload) => bench::reload(reload.into()).await,
        Bench::Drain(drain) => bench::drain(drain.into()).await,
        Bench::Slow(slow) => bench::slow(slow.into()).await,
        Bench::Revocation(revocation) => bench::revocation(revocation.into()).await,
        Bench::Chaos(chaos) => bench::chaos(chaos.into()).await,
        Bench::Instructions(instructions) => bench::instructions(instructions.into()).await,
    }
}

impl From<Edge> for EdgeOptions {
    fn from(given: Edge) -> Self {
        Self {
            rounds: given.rounds,
            seconds: given.seconds,
            connections: given.connections.into(),
            tollgate: given.common.tollgate,
            out: given.common.out,
        }
    }
}

impl From<Auth> for AuthOptions {
    fn from(given: Auth) -> Self {
        Self {
            rounds: given.rounds,
            seconds: given.seconds,
            connections: given.connections.into(),
            tollgate: given.common.tollgate,
            envoy: given.envoy,
            sessions: given.sessions,
            out: given.common.out,
        }
    }
}

impl From<Http2> for Http2Options {
    fn from(given: Http2) -> Self {
        Self {
            rounds: given.rounds,
            seconds: given.seconds,
            connections: given.connections.into(),
            streams: given.streams.into(),
            tollgate: given.common.tollgate,
            out: given.common.out,
        }
    }
}

impl From<Peers> for PeersOptions {
    fn from(given: Peers) -> Self {
        Self {
            rounds: given.rounds,
            seconds: given.seconds,
            connections: given.connections.into(),
            tollgate: given.common.tollgate,
            envoy: given.envoy,
            oidc_provider: given.oidc_provider,
            out: given.common.out,
        }
    }
}

impl From<Idle> for IdleOptions {
    fn from(given: Idle) -> Self {
        Self {
            rounds: given.rounds,
            connections: given.connections.into(),
            tollgate: given.common.tollgate,
            out: given.common.out,
        }
    }
}

impl From<Idp> for IdpOptions {
    fn from(given: Idp) -> Self {
        Self {
            rounds: given.rounds,
            seconds: given.seconds,
            connections: given.connections.into(),
            people: given.people.into(),
            tollgate: given.common.tollgate,
            peer: given.peer,
            out: given.common.out,
        }
    }
}

impl From<Sessions> for SessionsOptions {
    fn from(given: Sessions) -> Self {
        Self {
            sessions: given.sessions,
            connections: given.connections.into(),
            people: given.people.into(),
            tollgate: given.common.tollgate,
            out: given.common.out,
        }
    }
}

impl From<Reload> for ReloadOptions {
    fn from(given: Reload) -> Self {
        Self {
            rounds: given.rounds,
            seconds: given.seconds,
            tollgate: given.common.tollgate,
            out: given.common.out,
        }
    }
}

impl From<Drain> for DrainOptions {
    fn from(given: Drain) -> Self {
        Self {
            stops: given.stops,
            tollgate: given.common.tollgate,
            out: given.common.out,
        }
    }
}

impl From<Slow> for SlowOptions {
    fn from(given: Slow) -> Self {
        Self {
            rounds: given.rounds,
            connections: given.connections.into(),
            tollgate: given.common.tollgate,
            out: given.common.out,
        }
    }
}

impl From<Revocation> for RevocationOptions {
    fn from(given: Revocation) -> Self {
        Self {
            revocations: given.revocations,
            requests: given.requests,
            receipts: given.receipts,
            sessions: given.sessions,
            idling: given.idling,
            forged: given.forged,
            tollgate: given.common.tollgate,
            out: given.common.out,
        }
    }
}

impl From<Chaos> for ChaosOptions {
    fn from(given: Chaos) -> Self {
        Self {
            hold: Duration::from_secs(given.seconds),
            rounds: given.rounds,
            is_short: given.short,
            only: given.only,
            tollgate: given.common.tollgate,
            out: given.common.out,
        }
    }
}

impl From<Instructions> for InstructionsOptions {
    fn from(given: Instructions) -> Self {
        Self {
            check: given.check,
            tollgate: given.common.tollgate,
            out: given.common.out,
        }
    }
}
