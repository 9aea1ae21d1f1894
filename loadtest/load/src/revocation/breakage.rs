//! What breaks, how it is mended, and what was seen meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::bench::BenchError;
use crate::closed::{Dialogue, Limits};
use crate::dice::Dice;
use crate::faults::{Conduct, FaultProxy, Plan, Way};
use crate::fleet::{Fleet, Gateway, Operator, Redis, Route, Token, Wait};

use super::{Case, Cases, Findings, Watch, WatchSettings};

/// Tokens in use from the beginning, and tokens that come up only while something is broken.
const KNOWN: usize = 150;
const FRESH: usize = 50;
/// Between two sessions that are ended.
const REVOKE_EVERY: Duration = Duration::from_millis(40);
/// Between two requests on a connection: enough of them to see, and the machine is not the limit.
const REST: Duration = Duration::from_millis(10);
const STEADY: Duration = Duration::from_millis(1500);
/// Nobody waits longer for everything to be well again.
const PATIENCE: Duration = Duration::from_secs(30);
const SLOW: Duration = Duration::from_millis(300);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    Nothing,
    RedisKilled,
    RedisPaused,
    RedisFlushed,
    /// Its replica, which lacks the last writes, takes its place.
    RedisReplaced,
    /// Between the gateways and Redis.
    RedisCut,
    RedisSlow,
    /// Between the identity provider and Redis.
    RelayCut,
    RelaySlow,
    IdpKilled,
    IdpPaused,
    /// Between the gateways and the identity provider.
    IdpCut,
    IdpSlow,
    /// Redis and the identity provider, for the gateways.
    BothCut,
    GatewayKilled,
    GatewayPaused,
}

impl Breakage {
    pub const ALL: [Self; 16] = [
        Self::Nothing,
        Self::RedisKilled,
        Self::RedisPaused,
        Self::RedisFlushed,
        Self::RedisReplaced,
        Self::RedisCut,
        Self::RedisSlow,
        Self::RelayCut,
        Self::RelaySlow,
        Self::IdpKilled,
        Self::IdpPaused,
        Self::IdpCut,
        Self::IdpSlow,
        Self::BothCut,
        Self::GatewayKilled,
        Self::GatewayPaused,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::RedisKilled => "Redis killed, back empty",
            Self::RedisPaused => "Redis paused",
            Self::RedisFlushed => "Redis flushed",
            Self::RedisReplaced => "Redis replaced by a replica that lags",
            Self::RedisCut => "gateways cut off from Redis",
            Self::RedisSlow => "slow line to Redis",
            Self::RelayCut => "relay cut off from Redis",
            Self::RelaySlow => "slow line of the relay",
            Self::IdpKilled => "identity provider killed",
            Self::IdpPaused => "identity provider paused",
            Self::IdpCut => "gateways cut off from the identity provider",
            Self::IdpSlow => "slow line to the identity provider",
            Self::BothCut => "gateways cut off from both",
            Self::GatewayKilled => "a gateway killed",
            Self::GatewayPaused => "a gateway paused",
        }
    }

    /// Whether it can happen where there is no Redis.
    #[must_use]
    pub fn needs_redis(self) -> bool {
        match self {
            Self::RedisKilled
            | Self::RedisPaused
            | Self::RedisFlushed
            | Self::RedisReplaced
            | Self::RedisCut
            | Self::RedisSlow
            | Self::RelayCut
            | Self::RelaySlow => true,
            Self::Nothing
            | Self::IdpKilled
            | Self::IdpPaused
            | Self::IdpCut
            | Self::IdpSlow
            | Self::BothCut
            | Self::GatewayKilled
            | Self::GatewayPaused => false,
        }
    }
}

/// What was seen while something was broken, and how soon all was well again.
#[derive(Clone, Debug)]
pub struct Endured {
    pub breakage: Breakage,
    pub findings: Findings,
    pub revocations: u64,
    /// From the mending until every gateway lets a good token through and refuses a bad one.
    pub recovered: Duration,
}

/// Breaks something for a while, under load and with sessions being ended all the time.
pub async fn endure(
    fleet: &mut Fleet,
    breakage: Breakage,
    (hold, lease): (Duration, Duration),
    seed: u64,
) -> Result<Endured, BenchError> {
    let known: Cases = Arc::new(Case::issue(fleet, KNOWN, None).await?);
    let fresh: Cases = Arc::new(Case::issue(fleet, FRESH, None).await?);
    let settings = WatchSettings {
        gateways: fleet.gateways.iter().map(|it| it.address).collect(),
        connections: 1,
        routes: vec![Route::Strict, Route::Tolerant],
        lease,
        grace: Duration::from_secs(60) + lease,
        pause: REST,
        seed,
    };
    let watch = Watch::keep(&settings, &known);
    let revoking = Revoking::begin(fleet.operator()?, &known, seed);
    sleep(STEADY).await;

    break_it(fleet, breakage).await?;
    let late_watch = Watch::keep(&settings, &fresh);
    sleep(hold).await;
    let mended = Instant::now();
    mend(fleet, breakage).await?;
    let good = known.last().map(|case| case.token.clone());
    let recovered = recover(fleet, good.as_ref(), mended).await?;

    sleep(STEADY).await;
    let revocations = revoking.end().await;
    let mut findings = watch.end().await;
    findings.add(&late_watch.end().await);
    Ok(Endured {
        breakage,
        findings,
        revocations,
        recovered,
    })
}

async fn break_it(fleet: &mut Fleet, breakage: Breakage) -> Result<(), BenchError> {
    match breakage {
        Breakage::Nothing => {}
        Breakage::RedisKilled => redis(fleet)?.kill(),
        Breakage::RedisPaused => redis(fleet)?.pause(),
        Breakage::RedisFlushed => redis(fleet)?.flush().await?,
        Breakage::RedisReplaced => {
            // What is written from now on it will not have.
            replica(fleet)?.pause();
        }
        Breakage::RedisCut => to_redis(fleet).for_each(FaultProxy::freeze),
        Breakage::RedisSlow => slow_down(to_redis(fleet), SLOW).await?,
        Breakage::RelayCut => fleet.idp.to_redis.iter().for_each(FaultProxy::freeze),
        Breakage::RelaySlow => slow_down(fleet.idp.to_redis.iter(), SLOW).await?,
        Breakage::IdpKilled => fleet.idp.member.kill(),
        Breakage::IdpPaused => fleet.idp.member.pause(),
        Breakage::IdpCut => to_idp(fleet).for_each(FaultProxy::freeze),
        Breakage::IdpSlow => slow_down(to_idp(fleet), SLOW).await?,
        Breakage::BothCut => to_idp(fleet)
            .chain(to_redis(fleet))
            .for_each(FaultProxy::freeze),
        Breakage::GatewayKilled => first_gateway(fleet)?.member.kill(),
        Breakage::GatewayPaused => first_gateway(fleet)?.member.pause(),
    }
    Ok(())
}

async fn mend(fleet: &mut Fleet, breakage: Breakage) -> Result<(), BenchError> {
    match breakage {
        Breakage::Nothing | Breakage::RedisFlushed => {}
        Breakage::RedisKilled => redis(fleet)?.restart().await?,
        Breakage::RedisPaused => redis(fleet)?.resume(),
        Breakage::RedisReplaced => replace(fleet).await?,
        Breakage::RedisCut => to_redis(fleet).for_each(FaultProxy::thaw),
        Breakage::RedisSlow => slow_down(to_redis(fleet), Duration::ZERO).await?,
        Breakage::RelayCut => fleet.idp.to_redis.iter().for_each(FaultProxy::thaw),
        Breakage::RelaySlow => slow_down(fleet.idp.to_redis.iter(), Duration::ZERO).await?,
        Breakage::IdpKilled => fleet.idp.member.restart().await?,
        Breakage::IdpPaused => fleet.idp.member.resume(),
        Breakage::IdpCut => to_idp(fleet).for_each(FaultProxy::thaw),
        Breakage::IdpSlow => slow_down(to_idp(fleet), Duration::ZERO).await?,
        Breakage::BothCut => to_idp(fleet)
            .chain(to_redis(fleet))
            .for_each(FaultProxy::thaw),
        Breakage::GatewayKilled => first_gateway(fleet)?.member.restart().await?,
        Breakage::GatewayPaused => first_gateway(fleet)?.member.resume(),
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
    let plan = Plan::Always(Conduct::both(&way));
    for line in lines {
        line.set(plan.clone()).await.map_err(line_error())?;
        // A connection keeps the conduct that it began with.
        line.sever().await.map_err(line_error())?;
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

/// Waits until every gateway tells good from bad again, by a token that is ended for this.
async fn recover(
    fleet: &Fleet,
    good: Option<&Token>,
    since: Instant,
) -> Result<Duration, BenchError> {
    let mut operator = fleet.operator()?;
    let bad = bad_token(&mut operator, since).await?;
    let cases: [(_, &[u16]); 2] = [(good, &[200]), (bad.as_ref(), &[401, 429])];
    for gateway in &fleet.gateways {
        for (token, statuses) in cases {
            let Some(token) = token else { continue };
            await_answer(gateway, (token, statuses), since).await;
        }
    }
    Ok(since.elapsed())
}

/// Tries until it is answered so, or for as long as anybody waits.
async fn await_answer(gateway: &Gateway, (token, statuses): (&Token, &[u16]), since: Instant) {
    while since.elapsed() < PATIENCE && !is_answered(gateway, token, statuses).await {
        sleep(LOOK_EVERY).await;
    }
}

/// `None` if the identity provider does not come back in time.
async fn bad_token(operator: &mut Operator, since: Instant) -> Result<Option<Token>, BenchError> {
    while since.elapsed() < PATIENCE {
        let issued = operator.issue(None).await;
        let Ok(token) = issued else {
            sleep(LOOK_EVERY).await;
            continue;
        };
        if operator
            .end_session(&token.session, Wait::None)
            .await
            .is_ok()
        {
            return Ok(Some(token));
        }
    }
    Ok(None)
}

async fn is_answered(gateway: &Gateway, token: &Token, statuses: &[u16]) -> bool {
    let mut dialogue = Dialogue::new(gateway.address, Limits::default());
    let request = Gateway::request(Route::Strict, &token.text);
    let answered = timeout(PATIENCE, dialogue.ask(&request)).await;
    matches!(answered, Ok(Ok(answer)) if statuses.contains(&answer.status))
}

/// Ends one session after the other, all but the last.
struct Revoking {
    stop: watch::Sender<bool>,
    ending: JoinSet<u64>,
}

impl Revoking {
    fn begin(mut operator: Operator, cases: &Cases, seed: u64) -> Self {
        let (stop, stopped) = watch::channel(false);
        let cases = Arc::clone(cases);
        let mut dice = Dice::of(seed, &["revoking"]);
        let mut ending = JoinSet::new();
        ending.spawn(async move {
            let mut count = 0;
            let but_the_last = cases.len().saturating_sub(1);
            while !*stopped.borrow() {
                sleep(REVOKE_EVERY).await;
                let Some(case) = cases.get(dice.below(but_the_last)) else {
                    break;
                };
                if case.acknowledged().is_none() {
                    // Nobody may be there to be asked: then it is over or not.
                    count += u64::from(case.end(&mut operator, Wait::None).await.is_ok());
                }
            }
            count
        });
        Self { stop, ending }
    }

    async fn end(self) -> u64 {
        self.stop.send_replace(true);
        self.ending.join_all().await.iter().sum()
    }
}
