//! A flood of tokens that nobody issued, on a gateway that has a CPU to itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bench::layout::{Layout, go_first};
use crate::bench::stats::Factor;
use crate::bench::{BenchError, say};
use crate::closed::Histogram;
use crate::fleet::{Fleet, FleetSettings};
use crate::revocation::{Block, Flood, FloodSettings, Pace, Phase, Turn, Turns, flood};

/// Of the many that come first.
const MASS_PER_SECOND: u32 = 10_000;
const MASS_GOOD_PER_SECOND: u32 = 1000;
const QUIET: Duration = Duration::from_secs(10);
/// While turns are taken: both leave the gateway most of its CPU.
const PER_SECOND: u32 = 5000;
const GOOD_PER_SECOND: u32 = 2000;
const TURN: Duration = Duration::from_millis(100);
const BLOCKS_MAX: u32 = 400;
const BAD_PER_BLOCK: u64 = 500;
/// So many that each is refused less often than would have it told 429 while turns are taken.
const STRANGERS: u32 = 200;
/// Ten per cent is what is put up with.
const RATIO_MAX: f64 = 1.10;
/// What a bad token may cost the gateway itself, to one that it never read.
const CPU_RATIO_MAX: f64 = 1.25;
/// A flood that is slower than it should be says nothing.
const PACE_MIN: f64 = 0.95;
/// What buffers and counters of the gateway may still take after the connections were opened.
const GROWN_KIB_MAX: u64 = 2048;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FloodRow {
    /// In all, and how long those took that came first.
    bad: u64,
    seconds: f64,
    unauthorized: u64,
    limited: u64,
    odd: u64,
    lookups: u64,
    questions: u64,
    /// Commands of Redis a second, beside the mass of strangers and without any.
    commands_per_second: f64,
    commands_per_second_quiet: f64,
    rss_kib: u64,
    grown_kib: u64,
    good_failed: u64,
    /// Whether all that took part went before the rest of the machine.
    went_first: bool,
    turns: TurnsRow,
}

/// What turns have come to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct TurnsRow {
    blocks: usize,
    refused_per_second: f64,
    /// Of all good requests beside bad tokens, beside those that are not read, and alone.
    forged: Times,
    unread: Times,
    quiet: Times,
    /// Of p99 beside bad tokens to that of the others, from block to block.
    to_unread: Option<Factor>,
    to_quiet: Option<Factor>,
    /// What a refusal costs the gateway of its CPU, and the factor between both.
    cpu_us: f64,
    cpu_us_unread: f64,
    cpu_to_unread: Option<Factor>,
    /// The share of its CPU that the gateway had beside bad tokens.
    busy: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Times {
    requests: u64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
}

pub(super) async fn measure_flood(
    settings: &FleetSettings,
    forged: u64,
    seed: u64,
) -> Result<FloodRow, BenchError> {
    let layout = Layout::find()?;
    layout.pin_self()?;
    let went_first = go_first()?;
    let settings = FleetSettings {
        gateways: 1,
        gateway_cpu: Some(layout.proxy_cpu),
        ..settings.clone()
    };
    let fleet = Fleet::start(&settings).await?;
    let blocks = blocks(forged);
    let flooding = FloodSettings {
        mass: Pace {
            requests: forged.saturating_sub(u64::from(blocks) * BAD_PER_BLOCK),
            per_second: MASS_PER_SECOND,
        },
        quiet: QUIET,
        turns: Turns {
            blocks,
            each: TURN,
            strangers_per_second: PER_SECOND,
            good_per_second: GOOD_PER_SECOND,
        },
        strangers: STRANGERS,
        gives_way: true,
        good_per_second: MASS_GOOD_PER_SECOND,
        seed,
    };
    let row = FloodRow::of(&flood(&fleet, flooding).await?, went_first);
    say(&format!("flood: {:?}", row.turns));
    Ok(row)
}

/// Fewer where less is asked for.
fn blocks(forged: u64) -> u32 {
    let blocks = u32::try_from(forged / BAD_PER_BLOCK / 2).unwrap_or(BLOCKS_MAX);
    blocks.clamp(1, BLOCKS_MAX)
}

impl FloodRow {
    fn of(it: &Flood, went_first: bool) -> Self {
        for note in it.quiet.notes.iter().chain(&it.mass.notes).take(8) {
            say(note);
        }
        let turns = || it.blocks.iter().flat_map(Block::turns);
        let bad = || it.blocks.iter().map(|block| &block.forged);
        let sum = |count: fn(&Turn) -> u64| -> u64 { bad().map(count).sum() };
        Self {
            bad: refused(&it.mass) + it.mass.odd + sum(|it| it.unauthorized + it.limited + it.odd),
            seconds: it.mass.lasted.as_secs_f64(),
            unauthorized: it.mass.unauthorized + sum(|it| it.unauthorized),
            limited: it.mass.limited + sum(|it| it.limited),
            odd: it.mass.odd + turns().map(|turn| turn.odd).sum::<u64>(),
            lookups: it.mass.lookups + it.lookups,
            questions: it.mass.questions + it.questions,
            commands_per_second: commands_per_second(&it.mass),
            commands_per_second_quiet: commands_per_second(&it.quiet),
            rss_kib: it.rss_kib_before,
            grown_kib: it.rss_kib_after.saturating_sub(it.rss_kib_before),
            good_failed: it.quiet.good_failed
                + it.mass.good_failed
                + turns().map(|turn| turn.good_failed).sum::<u64>(),
            went_first,
            turns: TurnsRow::of(&it.blocks),
        }
    }

    pub(super) fn rows(&self) -> [[String; 4]; 4] {
        let behind = [
            "flood: what it reached".to_owned(),
            format!(
                "{} bad tokens, the first in {:.0} s{}",
                self.bad,
                self.seconds,
                if self.went_first { ", real time" } else { "" }
            ),
            format!(
                "{} look-ups, {} questions; Redis {:.1} commands/s, {:.1} without; {} times 401, {} times \
                 429, {} others; memory {} KiB, +{}",
                self.lookups,
                self.questions,
                self.commands_per_second,
                self.commands_per_second_quiet,
                self.unauthorized,
                self.limited,
                self.odd,
                self.rss_kib,
                self.grown_kib
            ),
            format!("0, 0, 0 others, memory +{GROWN_KIB_MAX} KiB at most"),
        ];
        let [beside, alone, of_gateway] = self.turns.rows(self.good_failed);
        [behind, beside, alone, of_gateway]
    }

    pub(super) fn verdict(&self) -> Option<&'static str> {
        let turns = &self.turns;
        let found = [
            (
                self.lookups + self.questions > 0,
                "a bad token cost a look-up",
            ),
            (
                self.commands_per_second > self.commands_per_second_quiet * RATIO_MAX,
                "a flood of bad tokens reached Redis",
            ),
            (self.odd > 0, "a bad token was not refused"),
            (self.good_failed > 0, "a flood cost somebody an answer"),
            (self.grown_kib > GROWN_KIB_MAX, "a flood took memory"),
            (
                turns.refused_per_second < f64::from(PER_SECOND) * PACE_MIN,
                "a flood was slower than it should be",
            ),
            (
                is_above(turns.to_unread),
                "a bad token costs others more than none does",
            ),
            (
                is_above(turns.to_quiet),
                "a flood of bad tokens slows good requests down",
            ),
            (
                !is_below(turns.to_unread) || !is_below(turns.to_quiet),
                "it cannot be told whether a flood of bad tokens costs others something",
            ),
            (
                turns
                    .cpu_to_unread
                    .is_none_or(|it| it.estimate > CPU_RATIO_MAX),
                "a bad token costs the gateway much more than none",
            ),
        ];
        let words = found.into_iter().find(|(is_so, _)| *is_so);
        words.map(|(_, words)| words)
    }
}

impl Block {
    fn turns(&self) -> [&Turn; 3] {
        [&self.quiet, &self.unread, &self.forged]
    }
}

impl TurnsRow {
    fn of(blocks: &[Block]) -> Self {
        let of = |turn: fn(&Block) -> &Turn| blocks.iter().map(turn);
        let (forged, unread) = (of(|it| &it.forged), of(|it| &it.unread));
        let refused = forged.clone().chain(unread.clone());
        let refused: u64 = refused.map(|turn| turn.unauthorized + turn.limited).sum();
        let seconds = TURN.as_secs_f64() * blocks.len() as f64;
        let p99 = |turn: fn(&Block) -> &Turn| of(turn).map(|turn| us(turn.good.p99()));
        let cpu = |turn: fn(&Block) -> &Turn| {
            let more = blocks
                .iter()
                .map(move |block| us(turn(block).cpu) - us(block.quiet.cpu));
            more.map(|us| us / (f64::from(PER_SECOND) * TURN.as_secs_f64()))
        };
        let mean =
            |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / blocks.len() as f64;
        let spent: f64 = forged.clone().map(|turn| turn.cpu.as_secs_f64()).sum();
        Self {
            blocks: blocks.len(),
            refused_per_second: refused as f64 / (2.0 * seconds),
            forged: Times::of(forged),
            unread: Times::of(unread),
            quiet: Times::of(of(|it| &it.quiet)),
            to_unread: Factor::of(p99(|it| &it.forged).zip(p99(|it| &it.unread))),
            to_quiet: Factor::of(p99(|it| &it.forged).zip(p99(|it| &it.quiet))),
            cpu_us: mean(&mut cpu(|it| &it.forged)),
            cpu_us_unread: mean(&mut cpu(|it| &it.unread)),
            cpu_to_unread: Factor::of(cpu(|it| &it.forged).zip(cpu(|it| &it.unread))),
            busy: spent / seconds,
        }
    }

    fn rows(&self, good_failed: u64) -> [[String; 4]; 3] {
        let good = self.forged.requests + self.unread.requests + self.quiet.requests;
        let beside = [
            "flood: good requests beside bad tokens".to_owned(),
            format!("{good} good requests, {} blocks of turns", self.blocks),
            format!(
                "p99 beside {:.0} bad tokens/s is {} times that beside as many that are not read; of all \
                 requests {}, beside what is not read {}; {good_failed} failed",
                self.refused_per_second,
                tell(self.to_unread),
                self.forged,
                self.unread,
            ),
            format!("{RATIO_MAX} times with a confidence of 97.5 %, 0 failed"),
        ];
        let alone = [
            "flood: good requests beside it, and alone".to_owned(),
            format!("{} blocks of turns", self.blocks),
            format!(
                "p99 beside bad tokens is {} times that alone; of all requests alone {}",
                tell(self.to_quiet),
                self.quiet
            ),
            format!("{RATIO_MAX} times with a confidence of 97.5 %"),
        ];
        let of_gateway = [
            "flood: what it costs the gateway".to_owned(),
            format!("{} blocks of turns", self.blocks),
            format!(
                "CPU {:.1} µs to refuse a bad token, {:.1} µs without having read one: {} times; {:.0} % of \
                 a CPU in all",
                self.cpu_us,
                self.cpu_us_unread,
                tell(self.cpu_to_unread),
                self.busy * 100.0
            ),
            format!("{CPU_RATIO_MAX} times"),
        ];
        [beside, alone, of_gateway]
    }
}

impl Times {
    fn of<'a>(turns: impl Iterator<Item = &'a Turn>) -> Self {
        let mut all = Histogram::default();
        turns.for_each(|turn| all.add(&turn.good));
        Self {
            requests: all.count(),
            p50_us: us(all.p50()),
            p99_us: us(all.p99()),
            p999_us: us(all.p999()),
        }
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            p50_us,
            p99_us,
            p999_us,
            ..
        } = self;
        write!(f, "p50 {p50_us:.0}, p99 {p99_us:.0}, p99.9 {p999_us:.0} µs")
    }
}

/// That a factor is more than it may be, and that it is not: neither may be known.
fn is_above(factor: Option<Factor>) -> bool {
    factor.is_some_and(|it| it.low > RATIO_MAX)
}

fn is_below(factor: Option<Factor>) -> bool {
    factor.is_some_and(|it| it.high <= RATIO_MAX)
}

fn tell(factor: Option<Factor>) -> String {
    factor.map_or_else(|| "?".to_owned(), |it| it.to_string())
}

fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn refused(phase: &Phase) -> u64 {
    phase.unauthorized + phase.limited
}

fn commands_per_second(phase: &Phase) -> f64 {
    phase.redis_commands as f64 / phase.lasted.as_secs_f64().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> FloodRow {
        let factor = |estimate, high| Factor {
            estimate,
            low: 0.9,
            high,
        };
        FloodRow {
            bad: 100,
            seconds: 1.0,
            unauthorized: 60,
            limited: 40,
            odd: 0,
            lookups: 0,
            questions: 0,
            commands_per_second: 105.0,
            commands_per_second_quiet: 100.0,
            rss_kib: 1,
            grown_kib: GROWN_KIB_MAX,
            good_failed: 0,
            went_first: true,
            turns: TurnsRow {
                refused_per_second: f64::from(PER_SECOND) * PACE_MIN,
                to_unread: Some(factor(1.0, RATIO_MAX)),
                to_quiet: Some(factor(1.0, RATIO_MAX)),
                cpu_to_unread: Some(factor(CPU_RATIO_MAX, 2.0)),
                ..TurnsRow::default()
            },
        }
    }

    #[test]
    fn a_flood_may_cost_a_little_and_whoever_cannot_tell_has_not_shown_it() {
        assert_eq!(row().verdict(), None);
        let changes: [fn(&mut FloodRow); 14] = [
            |row| row.lookups = 1,
            |row| row.questions = 1,
            |row| row.commands_per_second = 111.0,
            |row| row.odd = 1,
            |row| row.good_failed = 1,
            |row| row.grown_kib += 1,
            |row| row.turns.refused_per_second -= 1.0,
            |row| row.turns.to_unread.as_mut().unwrap().high += 0.001,
            |row| row.turns.to_unread = None,
            |row| row.turns.to_unread.as_mut().unwrap().low = 1.11,
            |row| row.turns.to_quiet.as_mut().unwrap().high += 0.001,
            |row| row.turns.to_quiet = None,
            |row| row.turns.cpu_to_unread.as_mut().unwrap().estimate += 0.001,
            |row| row.turns.cpu_to_unread = None,
        ];
        for change in changes {
            let mut changed = row();
            change(&mut changed);
            assert!(changed.verdict().is_some(), "{changed:?}");
        }
    }

    #[test]
    fn turns_are_compared_block_by_block() {
        let turn = |us, cpu_ms, refused| {
            let mut good = Histogram::default();
            good.record(Duration::from_micros(us));
            Turn {
                good,
                unauthorized: refused,
                cpu: Duration::from_millis(cpu_ms),
                ..Turn::default()
            }
        };
        // The machine is ten times as slow in every second block.
        let blocks: Vec<_> = [1, 10].repeat(10);
        let blocks = blocks.into_iter().map(|slow| Block {
            quiet: turn(100 * slow, 10, 0),
            unread: turn(110 * slow, 20, 500),
            forged: turn(121 * slow, 22, 500),
        });
        let found = TurnsRow::of(&blocks.collect::<Vec<_>>());
        let is_near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.01;
        assert!(is_near(found.to_unread.unwrap().estimate, 1.1), "{found:?}");
        assert!(is_near(found.to_quiet.unwrap().high, 1.21), "{found:?}");
        assert!(is_near(found.cpu_us, 24.0) && is_near(found.cpu_us_unread, 20.0));
        assert!(is_near(found.cpu_to_unread.unwrap().low, 1.2), "{found:?}");
        assert!(is_near(found.busy, 0.22) && is_near(found.refused_per_second, 5000.0));
    }
}
