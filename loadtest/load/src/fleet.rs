//! A fleet, each of it a process of its own: an identity provider, gateways before a service, and
//! Redis where it is wanted.
//!
//! Every line between them goes through a [`FaultProxy`]: each gateway's to the identity provider
//! and to Redis, and the identity provider's to Redis. So a test can kill, pause and start again
//! whoever it likes, and cut or slow down any one line. What is started here ends with it.

mod clock;
mod member;
pub(crate) mod metrics;
mod operator;
mod redis;
mod service;
mod site;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::bench::{BenchError, read, write};
use crate::closed::Request;
use crate::faults::{FaultProxy, Plan};
use crate::process::Launch;

pub use member::{Limit, Member};
pub use operator::{Done, Operator, Token, Wait};
pub use redis::Redis;
pub use service::{Seen, Service};
pub use site::{ACCESS_LIFE, BRIEF, BRIEF_LIFE, CLIENT, Route, USER};

use clock::Clock;
use site::{GatewaySite, IdpSite, free_addresses};

/// Names of processes are fixed texts, so a fleet has no more gateways than these.
const GATEWAY_NAMES: [&str; 4] = ["gateway-1", "gateway-2", "gateway-3", "gateway-4"];

/// What a fleet is made of.
#[derive(Clone, Debug)]
pub struct FleetSettings {
    /// The binary.
    pub tollgate: PathBuf,
    /// At most four.
    pub gateways: usize,
    pub has_redis: bool,
    pub lease: Duration,
    pub grace: Duration,
    /// How long a session may lie unused.
    pub idle: Duration,
    /// Where the gateways' routes lead.
    pub service: SocketAddr,
    /// Lines to the service, each of which the gateways take for an endpoint; without any they reach
    /// it without anything in between.
    pub service_lines: usize,
    /// Whether every process has a wall clock of its own, which can be set.
    pub has_clocks: bool,
    /// Whether gateways write a line of each request to a file.
    pub has_access_logs: bool,
    /// Where alone gateways may run; anywhere if none is named.
    pub gateway_cpu: Option<usize>,
    /// What gateways may take to remember tokens, if not what an operator would find.
    pub cache_mib: Option<u32>,
}

impl FleetSettings {
    /// Four gateways with the defaults that an operator would find.
    #[must_use]
    pub fn new(tollgate: PathBuf, service: SocketAddr) -> Self {
        Self {
            tollgate,
            gateways: GATEWAY_NAMES.len(),
            has_redis: true,
            lease: Duration::from_secs(1),
            grace: Duration::from_secs(60),
            idle: Duration::from_secs(15 * 60),
            service,
            service_lines: 0,
            has_clocks: false,
            has_access_logs: false,
            gateway_cpu: None,
            cache_mib: None,
        }
    }

    /// With lines to the service, clocks and access logs, so that whatever can break can be broken.
    #[must_use]
    pub fn breakable(tollgate: PathBuf, service: SocketAddr) -> Self {
        Self {
            service_lines: 2,
            has_clocks: true,
            has_access_logs: true,
            ..Self::new(tollgate, service)
        }
    }
}

/// Fields are dropped in order: who asks ends before who is asked.
#[derive(Debug)]
pub struct Fleet {
    pub gateways: Vec<Gateway>,
    pub idp: Idp,
    pub redis: Option<Redis>,
    /// What writes of the first one reach, if it was asked for.
    pub replica: Option<Redis>,
    /// From all gateways to the endpoints of the service.
    pub to_service: Vec<FaultProxy>,
    folder: TempDir,
}

#[derive(Debug)]
pub struct Idp {
    pub member: Member,
    pub public: SocketAddr,
    pub(crate) internal: SocketAddr,
    admin_key: PathBuf,
    /// Its line to Redis.
    pub to_redis: Option<FaultProxy>,
}

#[derive(Debug)]
pub struct Gateway {
    pub member: Member,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub to_idp: FaultProxy,
    pub to_redis: Option<FaultProxy>,
    file: PathBuf,
}

impl Fleet {
    pub async fn start(settings: &FleetSettings) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::io("cannot make a folder"))?;
        let names = GATEWAY_NAMES.iter().take(settings.gateways);
        let mut free = free_addresses(4 + 2 * settings.gateways)?.into_iter();
        let mut take = || free.next().ok_or_else(no_address);
        let (public, internal, first, second) = (take()?, take()?, take()?, take()?);
        let redis = match settings.has_redis {
            true => Some(Redis::start(first, folder_in(folder.path(), "redis")?, None).await?),
            false => None,
        };
        let replica = match &redis {
            Some(redis) => {
                let dir = folder_in(folder.path(), "replica")?;
                Some(Redis::start(second, dir, Some(redis.address)).await?)
            }
            None => None,
        };
        let redis_at = redis.as_ref().map(|redis| redis.address);
        let to_redis = line(redis_at).await?;
        let site = IdpSite {
            public,
            internal,
            redis: to_redis.as_ref().map(FaultProxy::address),
        };
        let dir = folder_in(folder.path(), "idp")?;
        let idp = Idp::start(settings, &site, &dir, to_redis).await?;
        let to_service = service_lines(settings).await?;
        let endpoints = endpoints(settings, &to_service);
        let mut gateways = Vec::new();
        for name in names {
            let place = (take()?, take()?);
            let dir = folder_in(folder.path(), name)?;
            let lines = (line(Some(internal)).await?, line(redis_at).await?);
            let site = (&site, dir.as_path(), endpoints.as_slice());
            gateways.push(Gateway::launch((settings, name), site, place, lines)?);
        }
        // Each takes a second for its first proof of the lease, and all of them the same one.
        for gateway in &mut gateways {
            gateway.member.wait().await?;
        }
        Ok(Self {
            gateways,
            idp,
            redis,
            replica,
            to_service,
            folder,
        })
    }

    /// Whoever gives orders to the identity provider; the address stays when that is started anew.
    pub fn operator(&self) -> Result<Operator, BenchError> {
        let key = read(&self.idp.admin_key, "the administrator's credential")?;
        Ok(Operator::new(self.idp.internal, key.trim().to_owned()))
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Idp {
    async fn start(
        settings: &FleetSettings,
        site: &IdpSite,
        dir: &Path,
        to_redis: Option<FaultProxy>,
    ) -> Result<Self, BenchError> {
        let file = dir.join("tollgate.yaml");
        write(&file, &site.file(settings, dir))?;
        let clock = clock(settings, dir)?;
        let launch = launch(settings, ("idp", "idp"), (dir, &file), clock.as_ref());
        let mut member = Member::launch(launch, (site.internal, "/readyz"), clock)?;
        member.wait().await?;
        Ok(Self {
            member,
            public: site.public,
            internal: site.internal,
            admin_key: dir.join("admin.key"),
            to_redis,
        })
    }

    /// What the file of a gateway says of it, if that reaches it without anything in between.
    #[must_use]
    pub(crate) fn section(&self) -> String {
        format!(
            "idp:\n  issuer: \"http://{}\"\n  internal: \"{}\"\n  key_file: \"{}\"\n  audience: [pay]\n",
            self.public,
            self.internal,
            self.admin_key.with_file_name("gateway.key").display()
        )
    }

    /// Tells a verb of the binary that is for operators where it is.
    pub fn name_to(&self, command: &mut Command) {
        command.arg("--idp").arg(self.internal.to_string());
        command.arg("--key-file").arg(&self.admin_key);
    }

    /// The sum of its metrics whose names begin so.
    pub async fn metric(&self, beginning: &str) -> Result<u64, BenchError> {
        metrics::sum(self.internal, beginning).await
    }
}

impl Gateway {
    fn launch(
        (settings, name): (&FleetSettings, &'static str),
        (idp, dir, endpoints): (&IdpSite, &Path, &[SocketAddr]),
        (address, admin): (SocketAddr, SocketAddr),
        (to_idp, to_redis): (Option<FaultProxy>, Option<FaultProxy>),
    ) -> Result<Self, BenchError> {
        let to_idp = to_idp.ok_or_else(no_address)?;
        let site = GatewaySite {
            listen: address,
            admin,
            idp: to_idp.address(),
            redis: to_redis.as_ref().map(FaultProxy::address),
            endpoints,
        };
        let file = dir.join("tollgate.yaml");
        write(&file, &site.file(settings, idp, dir))?;
        let clock = clock(settings, dir)?;
        let mut launch = launch(settings, (name, "gateway"), (dir, &file), clock.as_ref());
        launch.cpu = settings.gateway_cpu;
        Ok(Self {
            member: Member::launch(launch, (admin, "/readyz"), clock)?,
            address,
            admin,
            to_idp,
            to_redis,
            file,
        })
    }

    /// What is sent to one of its routes.
    #[must_use]
    pub fn request(route: Route, token: &str) -> Request {
        Request::get(route.path()).header("Authorization", format!("Bearer {token}"))
    }

    /// Changes the file that it was started with, for the next time it is read.
    pub fn rewrite(&self, old: &str, new: &str) -> Result<(), BenchError> {
        let text = read(&self.file, "the file of a gateway")?;
        if !text.contains(old) {
            return Err(BenchError::Unreadable {
                what: "the file of a gateway",
                text,
            });
        }
        write(&self.file, &text.replace(old, new))
    }

    /// The sum of its metrics whose names begin so.
    pub async fn metric(&self, beginning: &str) -> Result<u64, BenchError> {
        metrics::sum(self.admin, beginning).await
    }
}

/// A file that may not grow is an error to the process, as a full disk is, and not a signal.
const LAUNCH: &str = "trap '' XFSZ; exec \"$@\"";

fn launch(
    settings: &FleetSettings,
    (name, verb): (&'static str, &str),
    (dir, file): (&Path, &Path),
    clock: Option<&Clock>,
) -> Launch {
    let mut arguments: Vec<OsString> = vec!["-c".into(), LAUNCH.into(), "sh".into()];
    arguments.extend(clock.map(Clock::command).unwrap_or_default());
    arguments.extend([settings.tollgate.clone().into(), verb.into()]);
    arguments.extend(["--config".into(), file.into()]);
    Launch {
        name,
        program: "sh".into(),
        arguments,
        dir: dir.to_owned(),
        cpu: None,
    }
}

fn clock(settings: &FleetSettings, dir: &Path) -> Result<Option<Clock>, BenchError> {
    settings.has_clocks.then(|| Clock::new(dir)).transpose()
}

async fn service_lines(settings: &FleetSettings) -> Result<Vec<FaultProxy>, BenchError> {
    let mut lines = Vec::new();
    for _ in 0..settings.service_lines {
        lines.extend(line(Some(settings.service)).await?);
    }
    Ok(lines)
}

fn endpoints(settings: &FleetSettings, lines: &[FaultProxy]) -> Vec<SocketAddr> {
    if lines.is_empty() {
        return vec![settings.service];
    }
    lines.iter().map(FaultProxy::address).collect()
}

/// A line on which everything passes, for now.
async fn line(to: Option<SocketAddr>) -> Result<Option<FaultProxy>, BenchError> {
    let Some(to) = to else { return Ok(None) };
    let started = FaultProxy::start(to, Plan::default()).await;
    started
        .map(Some)
        .map_err(BenchError::io("cannot start a line"))
}

fn folder_in(folder: &Path, name: &str) -> Result<PathBuf, BenchError> {
    let dir = folder.join(name);
    std::fs::create_dir_all(&dir).map_err(BenchError::io("cannot make a folder"))?;
    Ok(dir)
}

fn no_address() -> BenchError {
    BenchError::Unreadable {
        what: "the number of gateways",
        text: "more than there are addresses for".to_owned(),
    }
}
