//! How things are broken and mended.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::Breakage;
use crate::bench::BenchError;
use crate::faults::{Conduct, FaultProxy, Mishap, Plan, Way};
use crate::fleet::{Fleet, Gateway, Limit, Member, Redis};

const SLOW: Duration = Duration::from_millis(300);
/// A page of the store, whose file is far longer, as that of an access log soon is.
const FULL_BYTES: u64 = 4096;
/// Who comes to a process that cannot take anybody.
const CROWD: usize = 64;
/// Who drips at each gateway, and how fast.
const DRIPPING: usize = 100;
const DRIP_EVERY: Duration = Duration::from_millis(100);
/// What a gateway takes, and what it does not.
const RIGHT: &str = "staleness: tolerant";
const WRONG: &str = "staleness: whatever";
/// In the middle of the head of an answer.
const BREAK_OFF_AT: u64 = 30;

/// What is kept up while something is broken.
#[derive(Debug)]
pub(in crate::revocation) struct Broken {
    pub(super) began: Instant,
    pub(super) cpu_before: Duration,
    crowd: Vec<TcpStream>,
    busy: JoinSet<()>,
}

pub(in crate::revocation) async fn break_it(
    fleet: &mut Fleet,
    breakage: Breakage,
) -> Result<Broken, BenchError> {
    let mut broken = Broken {
        began: Instant::now(),
        cpu_before: Duration::ZERO,
        crowd: Vec::new(),
        busy: JoinSet::new(),
    };
    match breakage {
        Breakage::Nothing => {}
        Breakage::RedisKilled => redis(fleet)?.kill(),
        Breakage::RedisPaused => redis(fleet)?.pause(),
        Breakage::RedisFlushed => redis(fleet)?.flush().await?,
        Breakage::RedisFull => redis(fleet)?.allow_bytes(1).await?,
        // What is written from now on it will not have.
        Breakage::RedisReplaced => replica(fleet)?.pause(),
        Breakage::RedisCut => to_redis(fleet).for_each(FaultProxy::freeze),
        Breakage::RedisSlow => slow_down(to_redis(fleet), SLOW).await?,
        Breakage::RelayCut => fleet.idp.to_redis.iter().for_each(FaultProxy::freeze),
        Breakage::RelaySlow => slow_down(fleet.idp.to_redis.iter(), SLOW).await?,
        Breakage::IdpKilled => fleet.idp.member.kill(),
        Breakage::IdpPaused => fleet.idp.member.pause(),
        Breakage::IdpCut => to_idp(fleet).for_each(FaultProxy::freeze),
        Breakage::IdpSlow => slow_down(to_idp(fleet), SLOW).await?,
        Breakage::IdpDiskFull => {
            let full = Limit::FileBytes(Some(FULL_BYTES));
            fleet.idp.member.limit(full)?;
        }
        Breakage::IdpFilesSpent | Breakage::GatewayFilesSpent => {
            spend_files(fleet, breakage, &mut broken).await?;
        }
        Breakage::IdpClock(off) => fleet.idp.member.set_clock(off)?,
        Breakage::BothCut => to_both(fleet).for_each(FaultProxy::freeze),
        Breakage::GatewayKilled => first_gateway(fleet)?.member.kill(),
        Breakage::GatewayPaused => first_gateway(fleet)?.member.pause(),
        Breakage::GatewayStopped => first_gateway(fleet)?.member.stop().await,
        Breakage::GatewaysReloaded => {}
        Breakage::GatewaysMisled => mislead(fleet, RIGHT, WRONG)?,
        Breakage::GatewayDiskFull => {
            let full = Limit::FileBytes(Some(FULL_BYTES));
            first_gateway(fleet)?.member.limit(full)?;
        }
        Breakage::GatewayClock(off) => first_gateway(fleet)?.member.set_clock(off)?,
        Breakage::EndpointDead => follow(endpoint(fleet), &Plan::Refuse).await?,
        Breakage::EndpointHalfOpen => endpoint(fleet).for_each(FaultProxy::freeze),
        Breakage::ServiceDead => follow(fleet.to_service.iter(), &Plan::Refuse).await?,
        Breakage::ServiceHalfOpen => fleet.to_service.iter().for_each(FaultProxy::freeze),
        Breakage::ServiceSlow => slow_down(fleet.to_service.iter(), SLOW).await?,
        Breakage::ServiceBreaksOff => answer_with(fleet, BREAK_OFF_AT, Mishap::Reset).await?,
        Breakage::ServiceBabbles => {
            let nonsense = b"\0 is no answer\r\n".to_vec();
            answer_with(fleet, 0, Mishap::Replace(nonsense)).await?;
        }
        Breakage::ClientsDrip => drip(fleet, &mut broken),
    }
    Ok(broken)
}

pub(in crate::revocation) async fn mend(
    fleet: &mut Fleet,
    breakage: Breakage,
) -> Result<(), BenchError> {
    match breakage {
        Breakage::Nothing
        | Breakage::RedisFlushed
        | Breakage::GatewaysReloaded
        | Breakage::ClientsDrip => {}
        Breakage::RedisKilled => redis(fleet)?.restart().await?,
        Breakage::RedisPaused => redis(fleet)?.resume(),
        Breakage::RedisFull => redis(fleet)?.allow_bytes(0).await?,
        Breakage::RedisReplaced => replace(fleet).await?,
        Breakage::RedisCut => to_redis(fleet).for_each(FaultProxy::thaw),
        Breakage::RedisSlow => slow_down(to_redis(fleet), Duration::ZERO).await?,
        Breakage::RelayCut => fleet.idp.to_redis.iter().for_each(FaultProxy::thaw),
        Breakage::RelaySlow => slow_down(fleet.idp.to_redis.iter(), Duration::ZERO).await?,
        Breakage::IdpKilled => fleet.idp.member.restart().await?,
        Breakage::IdpPaused => fleet.idp.member.resume(),
        Breakage::IdpCut => to_idp(fleet).for_each(FaultProxy::thaw),
        Breakage::IdpSlow => slow_down(to_idp(fleet), Duration::ZERO).await?,
        Breakage::IdpDiskFull => fleet.idp.member.limit(Limit::FileBytes(None))?,
        Breakage::IdpFilesSpent | Breakage::GatewayFilesSpent => {
            spender(fleet, breakage)?.0.limit(Limit::Files(None))?;
        }
        Breakage::IdpClock(_) => fleet.idp.member.set_clock(0)?,
        Breakage::BothCut => to_both(fleet).for_each(FaultProxy::thaw),
        Breakage::GatewayKilled | Breakage::GatewayStopped => {
            first_gateway(fleet)?.member.restart().await?;
        }
        Breakage::GatewayPaused => first_gateway(fleet)?.member.resume(),
        Breakage::GatewaysMisled => mislead(fleet, WRONG, RIGHT)?,
        Breakage::GatewayDiskFull => {
            let enough = Limit::FileBytes(None);
            first_gateway(fleet)?.member.limit(enough)?;
        }
        Breakage::GatewayClock(_) => first_gateway(fleet)?.member.set_clock(0)?,
        Breakage::EndpointHalfOpen => endpoint(fleet).for_each(FaultProxy::thaw),
        Breakage::ServiceHalfOpen => fleet.to_service.iter().for_each(FaultProxy::thaw),
        Breakage::EndpointDead
        | Breakage::ServiceDead
        | Breakage::ServiceSlow
        | Breakage::ServiceBreaksOff
        | Breakage::ServiceBabbles => follow(fleet.to_service.iter(), &Plan::default()).await?,
    }
    Ok(())
}
/// The primary dies with what the replica does not have, and that takes its place.
async fn replace(fleet: &mut Fleet) -> Result<(), BenchError> {
    redis(fleet)?.kill();
    let replica = replica(fleet)?;
    replica.resume();
    replica.promote().await?;
    let address = replica.address;
    for line in to_redis(fleet).chain(fleet.idp.to_redis.iter()) {
        line.aim(address).await.map_err(line_error())?;
        line.sever().await.map_err(line_error())?;
    }
    Ok(())
}

async fn slow_down(
    lines: impl Iterator<Item = &FaultProxy>,
    delay: Duration,
) -> Result<(), BenchError> {
    let way = Way {
        delay,
        ..Way::default()
    };
    follow(lines, &Plan::Always(Conduct::both(&way))).await
}

async fn follow(lines: impl Iterator<Item = &FaultProxy>, plan: &Plan) -> Result<(), BenchError> {
    for line in lines {
        line.set(plan.clone()).await.map_err(line_error())?;
        // A connection keeps the conduct that it began with.
        line.sever().await.map_err(line_error())?;
    }
    Ok(())
}

/// Something happens to every answer of the service.
async fn answer_with(fleet: &Fleet, at: u64, mishap: Mishap) -> Result<(), BenchError> {
    let conduct = Conduct {
        down: Way::mishap(at, mishap),
        ..Conduct::default()
    };
    follow(fleet.to_service.iter(), &Plan::Always(conduct)).await
}

/// Nothing more can be opened, and a crowd comes.
async fn spend_files(
    fleet: &mut Fleet,
    breakage: Breakage,
    broken: &mut Broken,
) -> Result<(), BenchError> {
    let (member, address) = spender(fleet, breakage)?;
    member.limit(Limit::Files(Some(member.files()?)))?;
    broken.cpu_before = member.cpu_time()?;
    broken.began = Instant::now();
    for _ in 0..CROWD {
        let come = TcpStream::connect(address).await;
        broken
            .crowd
            .push(come.map_err(BenchError::io("nobody listens"))?);
    }
    Ok(())
}

pub(super) fn spender(
    fleet: &mut Fleet,
    breakage: Breakage,
) -> Result<(&Member, SocketAddr), BenchError> {
    if breakage == Breakage::IdpFilesSpent {
        return Ok((&fleet.idp.member, fleet.idp.internal));
    }
    let gateway = first_gateway(fleet)?;
    Ok((&gateway.member, gateway.address))
}

/// Clients who send a byte of their head now and then.
fn drip(fleet: &Fleet, broken: &mut Broken) {
    for gateway in &fleet.gateways {
        for _ in 0..DRIPPING {
            broken.busy.spawn(drip_at(gateway.address));
        }
    }
}

async fn drip_at(address: SocketAddr) {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return;
    };
    let head = b"GET /strict/1 HTTP/1.1\r\nHost: pay.example\r\nX: ";
    let mut ticks = interval(DRIP_EVERY);
    for byte in head.iter().cycle() {
        ticks.tick().await;
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

/// Changes the files of all gateways and has them loaded.
fn mislead(fleet: &Fleet, old: &str, new: &str) -> Result<(), BenchError> {
    for gateway in &fleet.gateways {
        gateway.rewrite(old, new)?;
        gateway.member.hang_up();
    }
    Ok(())
}

fn line_error() -> impl FnOnce(std::io::Error) -> BenchError {
    BenchError::io("a line cannot be changed")
}

fn to_redis(fleet: &Fleet) -> impl Iterator<Item = &FaultProxy> {
    fleet.gateways.iter().filter_map(|it| it.to_redis.as_ref())
}

fn to_idp(fleet: &Fleet) -> impl Iterator<Item = &FaultProxy> {
    fleet.gateways.iter().map(|it| &it.to_idp)
}

fn to_both(fleet: &Fleet) -> impl Iterator<Item = &FaultProxy> {
    to_idp(fleet).chain(to_redis(fleet))
}

/// One of those of the service.
fn endpoint(fleet: &Fleet) -> impl Iterator<Item = &FaultProxy> {
    fleet.to_service.iter().take(1)
}

fn redis(fleet: &mut Fleet) -> Result<&mut Redis, BenchError> {
    fleet.redis.as_mut().ok_or_else(|| not_there("Redis"))
}

fn replica(fleet: &Fleet) -> Result<&Redis, BenchError> {
    fleet.replica.as_ref().ok_or_else(|| not_there("a replica"))
}

fn first_gateway(fleet: &mut Fleet) -> Result<&mut Gateway, BenchError> {
    fleet
        .gateways
        .first_mut()
        .ok_or_else(|| not_there("a gateway"))
}

fn not_there(what: &'static str) -> BenchError {
    BenchError::Unreadable {
        what,
        text: "there is none in this fleet".to_owned(),
    }
}
