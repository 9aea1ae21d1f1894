//! What is measured: the gateway, its peers and how each of them is set up.
//!
//! All of them get one worker, keep-alive on both sides without a limit that matters, one route
//! and the same upstream. What differs beyond that is said in [`Row::setup`] and printed in the
//! report.

pub(super) mod envoy;
pub(super) mod haproxy;
pub(super) mod nginx;
mod template;
pub(super) mod tollgate;
mod varnish;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::BenchError;
use super::round::Subject;
use super::upstream;
use crate::closed::{Expect, Load, Request, Tally};
use crate::process::{Launch, Process};

pub(super) use template::{
    ENVOY_FORWARD, ENVOY_SIGNED, ENVOY_TOKEN, HAPROXY_TOKEN, NGINX_TOKEN, TOLLGATE_IDP,
    TOLLGATE_TOKEN, UPSTREAM,
};

const READY_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One row of a table: a peer in one set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Tollgate,
    Nginx,
    Haproxy,
    Envoy,
    Varnish,
    NginxUnbuffered,
    NginxNoLog,
    HaproxyNoLog,
    /// For clients in HTTP/2 without TLS, as is the next.
    TollgateHttp2,
    NginxHttp2,
}

impl Row {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tollgate => "tollgate",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::Varnish => "varnish",
            Self::NginxUnbuffered => "nginx-unbuffered",
            Self::NginxNoLog => "nginx-no-log",
            Self::HaproxyNoLog => "haproxy-no-log",
            Self::TollgateHttp2 => "tollgate-h2",
            Self::NginxHttp2 => "nginx-h2",
        }
    }

    pub(super) fn has_log(self) -> bool {
        match self {
            Self::Tollgate
            | Self::Nginx
            | Self::Haproxy
            | Self::Envoy
            | Self::Varnish
            | Self::NginxUnbuffered
            | Self::TollgateHttp2
            | Self::NginxHttp2 => true,
            Self::NginxNoLog | Self::HaproxyNoLog => false,
        }
    }

    pub(super) fn is_tollgate(self) -> bool {
        matches!(self, Self::Tollgate | Self::TollgateHttp2)
    }

    pub(super) fn setup(self) -> &'static str {
        match self {
            Self::Tollgate | Self::TollgateHttp2 => {
                "JSON access log to a file, metrics; nothing is switched off"
            }
            Self::Nginx | Self::NginxHttp2 => {
                "JSON access log to a file, buffer=64k flush=1s; no metrics"
            }
            Self::Haproxy => {
                "httplog to its standard output, a file, one write per line; own statistics"
            }
            Self::Envoy => "access log to a file; own statistics",
            Self::Varnish => {
                "pass mode: nothing is looked up or kept; varnishncsa writes its log to a file; own \
                 statistics"
            }
            Self::NginxUnbuffered => "JSON access log to a file, one write per request (default)",
            Self::NginxNoLog => "no access log",
            Self::HaproxyNoLog => "no log; own statistics",
        }
    }
}

/// What every peer is told about its surroundings.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) dir: PathBuf,
    pub(super) upstream: SocketAddr,
    pub(super) connections_max: usize,
    /// The limit on open files, of every process.
    pub(super) files_max: usize,
    pub(super) proxy_cpu: usize,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// Where the load goes; elsewhere only where one address speaks one protocol.
    pub(super) load: SocketAddr,
    pub(super) process: Process,
    pub(super) log: Log,
}

/// Where a peer's access log goes, so that it can be seen that there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Log {
    Off,
    File(PathBuf),
}

impl Log {
    /// Bytes in the file since it was emptied last; it is emptied, for a long bench writes a lot.
    pub(super) fn take_file_bytes(&self) -> Result<u64, BenchError> {
        let Self::File(path) = self else { return Ok(0) };
        let taken = fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| {
                let bytes = file.metadata()?.len();
                file.set_len(0)?;
                Ok(bytes)
            });
        taken.map_err(BenchError::io("cannot look at a peer's access log"))
    }
}

/// A peer as it is about to be started.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) launch: Launch,
    pub(super) log: Log,
    pub(super) load: SocketAddr,
    /// Where it says that it is ready, if it has such a place.
    pub(super) ready: Option<SocketAddr>,
}

impl Peer {
    /// Starts it, waits until it is ready and sees that it answers correctly. A program is given where it
    /// is not one of the system's.
    pub(super) async fn start(
        row: Row,
        site: &Site,
        program: Option<&Path>,
    ) -> Result<Self, BenchError> {
        let addresses = free_addresses()?;
        let [address, _] = addresses;
        let plan = match row {
            Row::Tollgate | Row::TollgateHttp2 => {
                tollgate::plan(row, site, (given(row, program)?, addresses))?
            }
            Row::Nginx | Row::NginxUnbuffered | Row::NginxNoLog | Row::NginxHttp2 => {
                nginx::plan(row, site, addresses)?
            }
            Row::Envoy => {
                let launched = (given(row, program)?, addresses);
                envoy::envoy(row.name(), site, launched, (ENVOY_FORWARD, &[]))?
            }
            Row::Varnish => varnish::plan(row, site, address)?,
            Row::Haproxy | Row::HaproxyNoLog => haproxy::plan(row, site, address)?,
        };
        let peer = Self::launch(plan, address).await?;
        peer.check().await?;
        Ok(peer)
    }

    /// Starts it and waits until it says that it is ready, or answers whatever it likes.
    pub(super) async fn launch(plan: Plan, address: SocketAddr) -> Result<Self, BenchError> {
        let mut process = Process::start(plan.launch)?;
        match plan.ready {
            Some(admin) => wait_until_ready(&mut process, admin, "/readyz").await?,
            None => wait_until(&mut process, (address, "/"), |tally| tally.answered() > 0).await?,
        }
        Ok(Self {
            address,
            load: plan.load,
            process,
            log: plan.log,
        })
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            process: &self.process,
            log: &self.log,
            load: self.load,
        }
    }

    /// One request must bring back exactly the body of the upstream.
    async fn check(&self) -> Result<(), BenchError> {
        let expect = Expect::new(|_, answer| answer.body == upstream::BODY.as_bytes());
        let load = Load::new(self.address, Request::get("/v1/accounts/1"));
        let tally = Load {
            expect: Some(expect),
            ..load
        }
        .run(1)
        .await;
        if tally.is_clean() {
            return Ok(());
        }
        let said = self.process.said();
        Err(BenchError::WrongAnswer {
            name: self.process.name(),
            tally: format!("{tally}\n{said}"),
        })
    }
}

fn given(row: Row, program: Option<&Path>) -> Result<&Path, BenchError> {
    program.ok_or_else(|| BenchError::Failed {
        program: row.name(),
        said: "no binary was given".to_owned(),
    })
}

/// Asks until it answers 2xx.
pub(crate) async fn wait_until_ready(
    process: &mut Process,
    address: SocketAddr,
    path: &str,
) -> Result<(), BenchError> {
    wait_until(process, (address, path), Tally::is_clean).await
}

async fn wait_until(
    process: &mut Process,
    (address, path): (SocketAddr, &str),
    is_it: impl Fn(&Tally) -> bool,
) -> Result<(), BenchError> {
    let deadline = Instant::now() + READY_WITHIN;
    while !is_it(&Load::new(address, Request::get(path)).run(1).await) {
        let name = process.name();
        if process.has_ended() {
            return Err(BenchError::Ended {
                name,
                said: process.said(),
            });
        }
        if Instant::now() > deadline {
            return Err(BenchError::NotReady {
                name,
                said: process.said(),
            });
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Two loopback addresses nobody listens on: the second for an admin listener, or another protocol.
pub(super) fn free_addresses() -> Result<[SocketAddr; 2], BenchError> {
    let bind = || TcpListener::bind("127.0.0.1:0");
    // Both are held until both are known, or they might be the same.
    let found = bind().and_then(|first| {
        let second = bind()?;
        Ok([first.local_addr()?, second.local_addr()?])
    });
    found.map_err(BenchError::io("cannot find a free port"))
}
