//! `load`: the bench on the command line.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use load::bench::{
    self, BenchError, EdgeOptions, IdleOptions, InstructionsOptions, Outcome, ReloadOptions,
};
use tokio::signal::unix::{SignalKind, signal};

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
    /// Memory per idle keep-alive connection.
    Idle(Idle),
    /// What a reload of 5,000 routes costs the requests under way.
    Reload(Reload),
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
        Bench::Edge(Edge {
            rounds,
            seconds,
            connections,
            common,
        }) => {
            let Common { tollgate, out } = common;
            let connections = connections.into();
            bench::edge(EdgeOptions {
                rounds,
                seconds,
                connections,
                tollgate,
                out,
            })
            .await
        }
        Bench::Idle(Idle {
            rounds,
            connections,
            common,
        }) => {
            let Common { tollgate, out } = common;
            let connections = connections.into();
            bench::idle(IdleOptions {
                rounds,
                connections,
                tollgate,
                out,
            })
            .await
        }
        Bench::Reload(Reload {
            rounds,
            seconds,
            common,
        }) => {
            let Common { tollgate, out } = common;
            bench::reload(ReloadOptions {
                rounds,
                seconds,
                tollgate,
                out,
            })
            .await
        }
        Bench::Instructions(Instructions { check, common }) => {
            let Common { tollgate, out } = common;
            bench::instructions(InstructionsOptions {
                tollgate,
                out,
                check,
            })
            .await
        }
    }
}

fn show(outcome: &Outcome) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", outcome.table)?;
    for file in &outcome.files {
        writeln!(stdout, "written: {}", file.display())?;
    }
    for name in &outcome.missing {
        writeln!(stdout, "missing: {name} was not measured (see --tollgate)")?;
    }
    if let Some(promise) = &outcome.broken {
        writeln!(stdout, "broken: {promise}")?;
    }
    Ok(())
}
