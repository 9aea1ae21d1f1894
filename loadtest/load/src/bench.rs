//! The bench: what does the gateway cost beside its peers, on this machine, in this run?
//!
//! Absolute numbers of a shared machine drift by tens of per cent; what holds is the *paired
//! ratio*: the cost of one peer divided by that of the reference in the same round, seconds
//! apart, with the same load and the same upstream. So every bench runs its peers in turn,
//! round after round, and reports medians of ratios beside the medians.
//!
//! It starts every process it measures, checks that it answers correctly before it measures it,
//! and ends it whatever happens. It never writes a path or a host name into a report.

mod auth;
mod chaos;
mod compose;
mod conditions;
mod cpu;
mod drain;
mod edge;
mod fds;
mod gateway;
mod h2;
mod h2load;
mod idle;
mod idp;
mod instructions;
mod layout;
mod load;
mod memory;
mod peer;
mod peers;
mod reload;
mod report;
mod revocation;
mod round;
mod slow;
mod stats;
mod upstream;
mod workbench;
mod wrk;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

pub(crate) use cpu::cpu_time;
pub(crate) use memory::rss_kib;
pub(crate) use peer::wait_until_ready;

pub use auth::{AuthOptions, auth};
pub use chaos::{ChaosOptions, chaos};
pub use compose::{ComposeOptions, compose};
pub use drain::{DrainOptions, drain};
pub use edge::{EdgeOptions, edge};
pub use h2::{Http2Options, http2};
pub use idle::{IdleOptions, idle};
pub use idp::{IdpOptions, SessionsOptions, idp, sessions};
pub use instructions::{InstructionsOptions, instructions};
pub use load::load;
pub use peers::{PeersOptions, QuoteError, newest_report, peers, quote, quote_peers, quote_text};
pub use reload::{ReloadOptions, large_file, reload};
pub use revocation::{RevocationOptions, revocation};
pub use slow::{SlowOptions, slow};

/// What a finished bench has to say besides its report.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The table, for a terminal.
    pub table: String,
    pub files: Vec<PathBuf>,
    /// Rows that should have been there: the run is not a result for them.
    pub missing: Vec<&'static str>,
    /// The promise that the figures break, in words.
    pub broken: Option<String>,
}

impl Outcome {
    /// Of a bench that could not begin.
    fn without(name: &'static str) -> Self {
        Self {
            table: String::new(),
            files: Vec::new(),
            missing: vec![name],
            broken: None,
        }
    }
}

#[derive(Debug, Error)]
pub enum BenchError {
    #[error("{what}")]
    Io { what: String, source: io::Error },
    #[error("{what} is not as expected: {text:?}")]
    Unreadable { what: &'static str, text: String },
    #[error("{name} ended before it was ready; it said: {said}")]
    Ended { name: &'static str, said: String },
    #[error("{name} was not ready in time; it said: {said}")]
    NotReady { name: &'static str, said: String },
    #[error("{document} cannot quote the report")]
    Quote {
        document: String,
        source: QuoteError,
    },
    #[error("{name} does not answer correctly: {tally}")]
    WrongAnswer { name: &'static str, tally: String },
    #[error("{program} failed: {said}")]
    Failed { program: &'static str, said: String },
    #[error("{connections} connections need {needed} open files, the limit is {limit}")]
    TooFewFiles {
        connections: usize,
        needed: usize,
        limit: usize,
    },
    #[error("{lost} of {connections} connections were closed by {name} before it was measured")]
    Lost {
        name: &'static str,
        lost: usize,
        connections: usize,
    },
}

impl BenchError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Progress goes to standard error, the table alone to standard output.
fn say(line: &str) {
    // Nobody is harmed when the terminal has gone away.
    let _ = writeln!(io::stderr(), "{line}");
}

pub(crate) fn read(path: impl AsRef<Path>, what: &str) -> Result<String, BenchError> {
    std::fs::read_to_string(path).map_err(BenchError::io(format!("cannot read {what}")))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    std::fs::write(path, text).map_err(BenchError::io(format!("cannot write {}", path.display())))
}
