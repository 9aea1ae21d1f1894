//! What do known tokens cost Redis and the identity provider? Nothing per request.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::bench::BenchError;
use crate::closed::{Load, Request, Tally};
use crate::fleet::{Fleet, Gateway, Operator, Route, Wait};

use super::Case;
use super::lag::{dialogue, meet};

/// Tokens in use, over a connection each to every gateway.
const KNOWN: usize = 8;
/// For how long is looked at what the fleet does without these requests.
const WITHOUT: Duration = Duration::from_secs(3);
/// How much more than then is put up with: renewals, reports of uses, and the unevenness of a machine.
const MORE: f64 = 1.5;

#[derive(Debug)]
pub struct Lookups {
    pub requests: u64,
    pub tally: Tally,
    pub lasted: Duration,
    pub revocations: u64,
    /// Commands that Redis carried out in that time.
    pub redis_commands: u64,
    /// Tokens that the identity provider was asked about.
    pub idp_questions: u64,
    /// What may come about in that time without these requests: half as much again as was seen before
    /// them, while sessions were ended at the same pace.
    pub commands_allowed: u64,
}

/// Sends so many requests with known tokens while other sessions are ended at this pace.
pub async fn count_lookups(
    fleet: &Fleet,
    requests: u64,
    revocations_per_second: u32,
) -> Result<Lookups, BenchError> {
    let known = Case::issue(fleet, KNOWN, None).await?;
    for gateway in &fleet.gateways {
        let mut dialogue = dialogue(gateway);
        for case in &known {
            meet(&mut dialogue, &case.token).await?;
        }
    }
    let pace = Duration::from_secs(1) / revocations_per_second.max(1);
    let without = per_second_without(fleet, pace).await?;
    let stop = watch::Sender::new(false);
    let revoking = revoke(fleet.operator()?, pace, stop.subscribe());
    let before = Counts::read(fleet).await?;
    let began = Instant::now();
    let loads = fleet.gateways.iter().flat_map(|gateway| {
        let loads = known.iter().map(|case| load(gateway, case));
        loads.collect::<Vec<_>>()
    });
    let loads: Vec<_> = loads.collect();
    let share = requests.div_ceil(loads.len().max(1) as u64);
    let mut running = tokio::task::JoinSet::new();
    for load in loads {
        running.spawn(load.run(share));
    }
    let loading = async {
        let tallies = running.join_all().await;
        stop.send_replace(true);
        tallies
    };
    let (tallies, revocations) = tokio::join!(loading, revoking);
    let lasted = began.elapsed();
    let after = Counts::read(fleet).await?;
    let mut tally = Tally::default();
    tallies.iter().for_each(|it| tally.add(it));
    let revocations = revocations?;
    Ok(Lookups {
        requests: tally.answered() + tally.errors.total(),
        tally,
        lasted,
        revocations,
        redis_commands: after.redis - before.redis,
        idp_questions: after.idp - before.idp,
        commands_allowed: allowed(without, lasted),
    })
}

fn load(gateway: &Gateway, case: &Case) -> Load {
    let request: Request = Gateway::request(Route::Strict, &case.token.text);
    Load::new(gateway.address, request)
}

async fn revoke(
    mut operator: Operator,
    pace: Duration,
    stopped: watch::Receiver<bool>,
) -> Result<u64, BenchError> {
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0;
    while !*stopped.borrow() {
        ticks.tick().await;
        let case = Case::new(operator.issue(None).await?);
        case.end(&mut operator, Wait::None).await?;
        count += 1;
    }
    Ok(count)
}

/// Commands a second while sessions are ended and nobody else asks for anything.
async fn per_second_without(fleet: &Fleet, pace: Duration) -> Result<f64, BenchError> {
    let stop = watch::Sender::new(false);
    let revoking = revoke(fleet.operator()?, pace, stop.subscribe());
    let before = Counts::read(fleet).await?;
    let waiting = async {
        sleep(WITHOUT).await;
        stop.send_replace(true);
    };
    let ((), revoked) = tokio::join!(waiting, revoking);
    revoked?;
    let commands = Counts::read(fleet).await?.redis - before.redis;
    Ok(commands as f64 / WITHOUT.as_secs_f64())
}

fn allowed(per_second: f64, lasted: Duration) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of some thousands"
    )]
    let commands = (per_second * lasted.as_secs_f64() * MORE) as u64;
    commands
}

#[derive(Debug)]
struct Counts {
    redis: u64,
    idp: u64,
}

impl Counts {
    async fn read(fleet: &Fleet) -> Result<Self, BenchError> {
        let redis = match &fleet.redis {
            Some(redis) => redis.calls().await?.values().sum(),
            None => 0,
        };
        let idp = fleet.idp.metric("tollgate_idp_resolved_").await?;
        Ok(Self { redis, idp })
    }
}
