//! Once an order was answered with a receipt, does any gateway go by what was before?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::bench::BenchError;
use crate::closed::Dialogue;
use crate::dice::Dice;
use crate::fleet::{Done, Fleet, Gateway, Operator, Route, Wait};

use super::lag::{dialogue, meet};
use super::{Case, Cases};

const AT_ONCE: usize = 16;
const PAUSE_MAX: Duration = Duration::from_millis(400);
const REST_MAX: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipts {
    /// Orders that were answered with a receipt.
    pub whole: u64,
    /// Orders that could not be confirmed in time.
    pub begun: u64,
    /// Requests begun after a receipt that were let through.
    pub accepted: u64,
    pub refused: u64,
    pub unknown: u64,
    pub pauses: u64,
}

/// Ends so many sessions, each with a receipt, while gateways are held now and then.
pub async fn take_receipts(fleet: &Fleet, runs: usize, seed: u64) -> Result<Receipts, BenchError> {
    let cases: Cases = Arc::new(Case::issue(fleet, runs, None).await?);
    let next = Arc::new(AtomicUsize::new(0));
    let mut taking = JoinSet::new();
    for _ in 0..AT_ONCE {
        let taker = Taker {
            operator: fleet.operator()?,
            gateways: fleet.gateways.iter().map(dialogue).collect(),
        };
        taking.spawn(taker.run(Arc::clone(&cases), Arc::clone(&next)));
    }
    let stop = watch::Sender::new(false);
    let taken = async {
        let taken = taking.join_all().await;
        stop.send_replace(true);
        taken
    };
    let (taken, pauses) = tokio::join!(taken, pause(fleet, stop.subscribe(), seed));
    let mut sum = Receipts {
        pauses,
        ..Receipts::default()
    };
    for receipts in taken {
        let it = receipts?;
        sum.whole += it.whole;
        sum.begun += it.begun;
        sum.accepted += it.accepted;
        sum.refused += it.refused;
        sum.unknown += it.unknown;
    }
    Ok(sum)
}

/// Holds one gateway after the other for a while.
async fn pause(fleet: &Fleet, stopped: watch::Receiver<bool>, seed: u64) -> u64 {
    let mut dice = Dice::of(seed, &["pauses"]);
    let mut count = 0;
    while !*stopped.borrow() {
        sleep(dice.duration(REST_MAX)).await;
        if let Some(gateway) = fleet.gateways.get(dice.below(fleet.gateways.len())) {
            gateway.member.pause();
            sleep(dice.duration(PAUSE_MAX)).await;
            gateway.member.resume();
            count += 1;
        }
    }
    count
}

struct Taker {
    operator: Operator,
    gateways: Vec<Dialogue>,
}

impl Taker {
    async fn run(mut self, cases: Cases, next: Arc<AtomicUsize>) -> Result<Receipts, BenchError> {
        let mut sum = Receipts::default();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(place) else {
                return Ok(sum);
            };
            for gateway in &mut self.gateways {
                meet_in_time(gateway, case).await?;
            }
            match case.end(&mut self.operator, Wait::All).await? {
                Done::Begun => sum.begun += 1,
                Done::Whole => {
                    sum.whole += 1;
                    self.try_everywhere(case, &mut sum).await;
                }
            }
        }
    }

    async fn try_everywhere(&mut self, case: &Case, sum: &mut Receipts) {
        let request = Gateway::request(Route::Strict, &case.token.text);
        for gateway in &mut self.gateways {
            match gateway.ask(&request).await.map(|answer| answer.status) {
                Ok(200) => sum.accepted += 1,
                Ok(401 | 429) => sum.refused += 1,
                Ok(_) | Err(_) => sum.unknown += 1,
            }
        }
    }
}

/// A gateway that was held does not know what is good until it has caught up.
async fn meet_in_time(gateway: &mut Dialogue, case: &Case) -> Result<(), BenchError> {
    let mut met = meet(gateway, &case.token).await;
    for _ in 0..MEETINGS_MAX {
        if met.is_ok() {
            return met;
        }
        sleep(Duration::from_millis(20)).await;
        met = meet(gateway, &case.token).await;
    }
    met
}

const MEETINGS_MAX: usize = 200;
