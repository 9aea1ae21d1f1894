//! Three things that take turns, often and in an order of chance: customers alone, beside strangers whose
//! tokens nobody reads, and beside strangers who show them.
//!
//! A machine that is disturbed now and then disturbs whatever has its turn. So one turn is short, all three
//! kinds come in each block of them, and what is compared are turns of the same block. In both of those with
//! strangers, requests are due at the same moments.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::bench::BenchError;
use crate::closed::Histogram;
use crate::dice::Dice;
use crate::fleet::Route;
use crate::open::schedule::{Arrivals, Rate, Schedule};

use super::crowd::{Crowd, Due, Seen};
use super::{Strangers, Town, start_thread, stranger_address};

/// The first block is left out: connections are new in it.
const WARM_UP_BLOCKS: usize = 1;
/// What begins a turn is not timed: it may meet the end of the one before.
const GUARD: Duration = Duration::from_millis(10);
/// All are connected by then.
const GATHERING: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug)]
pub struct Turns {
    pub blocks: u32,
    /// How long one turn lasts.
    pub each: Duration,
    pub strangers_per_second: u32,
    pub good_per_second: u32,
}

/// What was seen in one turn.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// Of requests with good tokens that were answered.
    pub good: Histogram,
    /// Good ones that were not answered 200.
    pub good_failed: u64,
    /// Answers 401 to strangers.
    pub unauthorized: u64,
    /// Answers 429 to them.
    pub limited: u64,
    /// Requests of theirs that were answered anything else, or not at all.
    pub odd: u64,
    /// What the gateway had of its CPU.
    pub cpu: Duration,
}

/// A turn of each kind.
#[derive(Clone, Debug, Default)]
pub struct Block {
    pub quiet: Turn,
    pub unread: Turn,
    pub forged: Turn,
}

/// Whose turn it is, and in which block.
#[derive(Clone, Debug)]
struct Plan {
    turns: Vec<(usize, Strangers)>,
    settings: Turns,
    seed: u64,
}

impl Plan {
    fn new(settings: Turns, seed: u64) -> Self {
        let blocks = WARM_UP_BLOCKS + settings.blocks as usize;
        let mut dice = Dice::of(seed, &["turns"]);
        let mut turns = Vec::new();
        for block in 0..blocks {
            let mut kinds = [Strangers::None, Strangers::Unread, Strangers::Forged];
            dice.shuffle(&mut kinds);
            turns.extend(kinds.map(|kind| (block, kind)));
        }
        Self {
            turns,
            settings,
            seed,
        }
    }

    /// What is due of customers, or of strangers where it is their turn.
    fn dues(self, whose: &'static str, per_second: u32) -> impl Iterator<Item = Due> {
        let each = self.settings.each;
        let turns = self.turns.into_iter().enumerate();
        let comes = move |kind| whose == GOOD || kind != Strangers::None;
        let turns = turns.filter(move |(_, (_, kind))| comes(*kind));
        turns.flat_map(move |(slice, (block, _))| {
            let rate = Rate::constant(f64::from(per_second), each);
            let seed = Dice::of(self.seed, &[whose, &block.to_string()]).throw();
            let moments = Schedule::new((rate, Arrivals::Poisson), (0, 1), seed);
            let begins = each * u32::try_from(slice).unwrap_or(u32::MAX);
            moments.map(move |moment| Due {
                at: begins + moment,
                slice,
                is_timed: moment >= GUARD,
            })
        })
    }
}

const GOOD: &str = "good";
const BAD: &str = "bad";

impl Town<'_> {
    pub(super) async fn take_turns(&self, settings: Turns) -> Result<Vec<Block>, BenchError> {
        let plan = Plan::new(settings, self.settings.seed);
        let began = Instant::now() + GATHERING;
        let customers = self.start_customers(plan.clone(), began)?;
        let strangers = self.start_strangers(plan.clone(), began)?;
        let mut cpu = Vec::new();
        for turn in 0..=plan.turns.len() {
            let turn = u32::try_from(turn).unwrap_or(u32::MAX);
            sleep_until(began + settings.each * turn).await;
            cpu.push(self.gateway.member.cpu_time()?);
        }
        let (good, bad) = (finish(customers).await?, finish(strangers).await?);
        let mut blocks = vec![Block::default(); WARM_UP_BLOCKS + settings.blocks as usize];
        let seen = good.into_iter().zip(bad).zip(cpu.windows(2));
        for ((block, kind), ((good, bad), cpu)) in plan.turns.into_iter().zip(seen) {
            let &[before, after] = cpu else { continue };
            let Some(block) = blocks.get_mut(block) else {
                continue;
            };
            let turn = Turn::of(good, &bad, after.saturating_sub(before));
            match kind {
                Strangers::None => block.quiet = turn,
                Strangers::Unread => block.unread = turn,
                Strangers::Forged => block.forged = turn,
            }
        }
        Ok(blocks.split_off(WARM_UP_BLOCKS))
    }

    fn start_customers(&self, plan: Plan, began: Instant) -> Result<Sending, BenchError> {
        let target = self.gateway.address;
        let tokens = self.customers.iter();
        let wires = tokens.map(|token| wire("Authorization", &token.text));
        let wires: Vec<_> = wires.collect();
        start_thread("customers", false, move || {
            let crowd = Crowd::gather(target, wires.iter().map(|_| None), plan.turns.len());
            let per_second = plan.settings.good_per_second;
            crowd?.send(plan.dues(GOOD, per_second), began, |lane, _, out| {
                out.extend_from_slice(wires.get(lane).map_or(&[], Vec::as_slice));
            })
        })
    }

    fn start_strangers(&self, plan: Plan, began: Instant) -> Result<Sending, BenchError> {
        let target = self.gateway.address;
        let models = Arc::clone(&self.models);
        let mut dice = Dice::of(self.settings.seed, &["strangers"]);
        let count = self.settings.strangers.max(1);
        let fields: Vec<_> = plan.turns.iter().map(|(_, kind)| kind.field()).collect();
        start_thread("strangers", self.settings.gives_way, move || {
            let sources = (0..count).map(|number| Some(stranger_address(number)));
            let crowd = Crowd::gather(target, sources, plan.turns.len());
            let per_second = plan.settings.strangers_per_second;
            let mut number = 0;
            crowd?.send(plan.dues(BAD, per_second), began, |_, slice, out| {
                let token = models.bad(number, &mut dice).unwrap_or_default();
                number += 1;
                let field = fields.get(slice).copied().unwrap_or_default();
                out.extend_from_slice(&wire(field, &token));
            })
        })
    }
}

type Sending = oneshot::Receiver<std::io::Result<Vec<Seen>>>;

async fn finish(sending: Sending) -> Result<Vec<Seen>, BenchError> {
    let sent = sending.await;
    let sent = sent.map_err(|_| crate::revocation::lag::wrong("a thread broke".to_owned()))?;
    sent.map_err(BenchError::io("cannot reach the gateway"))
}

fn wire(field: &str, token: &str) -> Vec<u8> {
    let path = Route::Strict.path();
    format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n{field}: Bearer {token}\r\n\r\n").into_bytes()
}

impl Turn {
    fn of(good: Seen, bad: &Seen, cpu: Duration) -> Self {
        let total = |seen: &Seen| seen.statuses.values().sum::<u64>() + seen.unanswered;
        let with = |seen: &Seen, status| seen.statuses.get(&status).copied().unwrap_or_default();
        let (unauthorized, limited) = (with(bad, 401), with(bad, 429));
        Self {
            good_failed: total(&good) - with(&good, 200),
            unauthorized,
            limited,
            odd: total(bad) - unauthorized - limited,
            good: good.took,
            cpu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Turns = Turns {
        blocks: 20,
        each: Duration::from_millis(500),
        strangers_per_second: 1000,
        good_per_second: 1000,
    };

    #[test]
    fn every_block_has_each_kind_once_and_not_always_in_the_same_order() {
        let plan = Plan::new(SETTINGS, 1);
        assert_eq!(plan.turns.len(), 3 * (WARM_UP_BLOCKS + 20));
        let (blocks, rest) = plan.turns.as_chunks::<3>();
        assert!(rest.is_empty());
        for (number, block) in blocks.iter().enumerate() {
            for kind in [Strangers::None, Strangers::Unread, Strangers::Forged] {
                assert!(block.contains(&(number, kind)), "{block:?}");
            }
        }
        let firsts: Vec<_> = blocks.iter().map(|[(_, first), ..]| *first).collect();
        assert!(firsts.contains(&Strangers::None) && firsts.contains(&Strangers::Forged));
    }

    #[test]
    fn both_floods_of_a_block_are_due_at_the_same_moments_and_nothing_is_while_it_is_quiet() {
        let plan = Plan::new(SETTINGS, 1);
        let of = |whose| {
            let mut moments = vec![Vec::new(); plan.turns.len()];
            for due in plan.clone().dues(whose, 1000) {
                let begins = SETTINGS.each * u32::try_from(due.slice).unwrap();
                let moment = due.at.checked_sub(begins).unwrap();
                assert!(moment < SETTINGS.each && due.is_timed == (moment >= GUARD));
                moments[due.slice].push(moment);
            }
            moments
        };
        let (good, bad) = (of(GOOD), of(BAD));
        for (slice, (block, kind)) in plan.turns.iter().enumerate() {
            assert!(good[slice].len() > 350, "{kind:?}");
            let first = block * 3;
            let same = |all: &[Vec<Duration>]| all[slice] == all[first];
            assert!(same(&good), "{block} {kind:?}");
            assert_eq!(bad[slice].is_empty(), *kind == Strangers::None, "{block}");
        }
    }
}
