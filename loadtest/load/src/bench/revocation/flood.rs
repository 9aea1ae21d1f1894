//! A flood of tokens that nobody issued, on a gateway that has a CPU to itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bench::layout::Layout;
use crate::bench::{BenchError, say};
use crate::fleet::{Fleet, FleetSettings};
use crate::revocation::{Flood, FloodSettings, Pace, Phase, flood};

/// Of the many that come first, and of those beside whom good requests are timed: each of the latter is
/// refused less often than would have it told 429.
const MASS_PER_SECOND: u32 = 10_000;
const PER_SECOND: u32 = 2000;
const PHASE_SECONDS: u32 = 3;
const ROUNDS_MAX: u32 = 15;
const MASS_PER_ROUND: u64 = 60_000;
const STRANGERS: u32 = 200;
const GOOD_PER_SECOND: u32 = 1000;
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
    bad: u64,
    seconds: f64,
    unauthorized: u64,
    limited: u64,
    odd: u64,
    lookups: u64,
    questions: u64,
    /// Commands of Redis a second, beside bad tokens and without them.
    commands_per_second: f64,
    commands_per_second_quiet: f64,
    good: u64,
    good_failed: u64,
    /// The slowest of all phases.
    refused_per_second: f64,
    p99_us: Vec<u64>,
    p99_us_unread: Vec<u64>,
    p99_us_quiet: Vec<u64>,
    /// Of the gateway for one request that it refused, for its token and without having read one.
    cpu_us: Vec<f64>,
    cpu_us_unread: Vec<f64>,
    rss_kib: u64,
    grown_kib: u64,
}

pub(super) async fn measure_flood(
    settings: &FleetSettings,
    forged: u64,
    seed: u64,
) -> Result<FloodRow, BenchError> {
    let layout = Layout::find()?;
    layout.pin_self()?;
    let settings = FleetSettings {
        gateways: 1,
        gateway_cpu: Some(layout.proxy_cpu),
        ..settings.clone()
    };
    let fleet = Fleet::start(&settings).await?;
    let flooding = FloodSettings {
        mass: Pace {
            requests: forged,
            per_second: MASS_PER_SECOND,
        },
        rounds: rounds(forged),
        each: Pace {
            requests: u64::from(PER_SECOND * PHASE_SECONDS),
            per_second: PER_SECOND,
        },
        strangers: STRANGERS,
        gives_way: true,
        good_per_second: GOOD_PER_SECOND,
        seed,
    };
    let row = FloodRow::of(&flood(&fleet, flooding).await?);
    say(&format!(
        "flood: p99 {:?} us; beside tokens that are not read {:?} us; alone {:?} us; CPU {:.1?} and {:.1?} us",
        row.p99_us, row.p99_us_unread, row.p99_us_quiet, row.cpu_us, row.cpu_us_unread
    ));
    Ok(row)
}

/// Less of both where less is asked for.
fn rounds(forged: u64) -> u32 {
    let rounds = u32::try_from(forged / MASS_PER_ROUND).unwrap_or(ROUNDS_MAX);
    rounds.clamp(1, ROUNDS_MAX)
}

impl FloodRow {
    fn of(it: &Flood) -> Self {
        let mass = std::slice::from_ref(&it.mass);
        let all = || {
            mass.iter()
                .chain(&it.quiet)
                .chain(&it.unread)
                .chain(&it.forged)
        };
        for note in all().flat_map(|phase| &phase.notes).take(8) {
            say(note);
        }
        let beside = || it.unread.iter().chain(&it.forged);
        let bad = || mass.iter().chain(&it.forged);
        let paces = beside().map(|phase| refused(phase) as f64 / phase.lasted.as_secs_f64());
        Self {
            bad: refused(&it.mass) + it.mass.odd,
            seconds: it.mass.lasted.as_secs_f64(),
            unauthorized: it.mass.unauthorized,
            limited: it.mass.limited,
            odd: mass.iter().chain(beside()).map(|phase| phase.odd).sum(),
            lookups: bad().map(|phase| phase.lookups).sum(),
            questions: bad().map(|phase| phase.questions).sum(),
            commands_per_second: commands_per_second(mass),
            commands_per_second_quiet: commands_per_second(&it.quiet),
            good: all().map(|phase| phase.good.count()).sum(),
            good_failed: all().map(|phase| phase.good_failed).sum(),
            refused_per_second: paces.fold(f64::from(PER_SECOND), f64::min),
            p99_us: p99_us(&it.forged),
            p99_us_unread: p99_us(&it.unread),
            p99_us_quiet: p99_us(&it.quiet),
            cpu_us: cpu_us(&it.forged, &it.quiet),
            cpu_us_unread: cpu_us(&it.unread, &it.quiet),
            rss_kib: it.rss_kib_before,
            grown_kib: it.rss_kib_after.saturating_sub(it.rss_kib_before),
        }
    }

    pub(super) fn rows(&self) -> [[String; 4]; 3] {
        let behind = [
            "flood: what it reached".to_owned(),
            format!("{} bad tokens in {:.0} s", self.bad, self.seconds),
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
        let beside = [
            "flood: good requests beside it".to_owned(),
            format!("{} good requests", self.good),
            format!(
                "{} failed; p99 {} µs beside {:.0} bad tokens/s, {:.2} times that beside as many that are \
                 not read ({} µs), {:.2} times that alone ({} µs)",
                self.good_failed,
                median(&self.p99_us),
                self.refused_per_second,
                self.ratio(&self.p99_us_unread),
                median(&self.p99_us_unread),
                self.ratio(&self.p99_us_quiet),
                median(&self.p99_us_quiet)
            ),
            format!("0 failed, {RATIO_MAX} times both"),
        ];
        let of_gateway = [
            "flood: what it costs the gateway".to_owned(),
            format!("{} rounds", self.cpu_us.len()),
            format!(
                "CPU {:.1} µs to refuse a bad token, {:.1} µs without having read one: {:.2} times",
                middle(self.cpu_us.iter().copied()),
                middle(self.cpu_us_unread.iter().copied()),
                self.cpu_ratio()
            ),
            format!("{CPU_RATIO_MAX} times"),
        ];
        [behind, beside, of_gateway]
    }

    pub(super) fn verdict(&self) -> Option<&'static str> {
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
                self.refused_per_second < f64::from(PER_SECOND) * PACE_MIN,
                "a flood was slower than it should be",
            ),
            (
                self.ratio(&self.p99_us_unread) > RATIO_MAX,
                "a bad token costs others more than none does",
            ),
            (
                self.ratio(&self.p99_us_quiet) > RATIO_MAX,
                "a flood of bad tokens slows good requests down",
            ),
            (
                self.cpu_ratio() > CPU_RATIO_MAX,
                "a bad token costs the gateway much more than none",
            ),
        ];
        let words = found.into_iter().find(|(is_so, _)| *is_so);
        words.map(|(_, words)| words)
    }

    /// The median of the ratios, each of two spans of time that follow each other.
    fn ratio(&self, to: &[u64]) -> f64 {
        let pairs = self.p99_us.iter().zip(to);
        middle(pairs.map(|(a, b)| *a as f64 / (*b).max(1) as f64))
    }

    fn cpu_ratio(&self) -> f64 {
        let pairs = self.cpu_us.iter().zip(&self.cpu_us_unread);
        middle(pairs.map(|(a, b)| a / b))
    }
}

fn refused(phase: &Phase) -> u64 {
    phase.unauthorized + phase.limited
}

/// Beyond what the gateway had of its CPU in the quiet phase of the same round.
fn cpu_us(phases: &[Phase], quiet: &[Phase]) -> Vec<f64> {
    let pairs = phases.iter().zip(quiet);
    let costs = pairs.map(|(phase, quiet)| {
        let share = phase.lasted.as_secs_f64() / quiet.lasted.as_secs_f64();
        let anyhow = quiet.cpu.as_secs_f64() * share;
        (phase.cpu.as_secs_f64() - anyhow) * 1e6 / refused(phase).max(1) as f64
    });
    costs.collect()
}

fn commands_per_second(phases: &[Phase]) -> f64 {
    let lasted: Duration = phases.iter().map(|phase| phase.lasted).sum();
    let commands: u64 = phases.iter().map(|phase| phase.redis_commands).sum();
    commands as f64 / lasted.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn p99_us(phases: &[Phase]) -> Vec<u64> {
    let us = |phase: &Phase| u64::try_from(phase.good.p99().as_micros()).unwrap_or(u64::MAX);
    phases.iter().map(us).collect()
}

fn median(values: &[u64]) -> u64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The median.
fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> FloodRow {
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
            good: 10,
            good_failed: 0,
            refused_per_second: f64::from(PER_SECOND) * PACE_MIN,
            p99_us: vec![110, 900, 110],
            p99_us_unread: vec![100, 100, 100],
            p99_us_quiet: vec![100, 100, 100],
            cpu_us: vec![12.5, 90.0, 12.5],
            cpu_us_unread: vec![10.0, 10.0, 10.0],
            rss_kib: 1,
            grown_kib: GROWN_KIB_MAX,
        }
    }

    #[test]
    fn a_flood_may_cost_a_little_in_most_rounds_and_nothing_else() {
        assert_eq!(row().verdict(), None);
        let changes: [fn(&mut FloodRow); 10] = [
            |row| row.lookups = 1,
            |row| row.questions = 1,
            |row| row.commands_per_second = 111.0,
            |row| row.odd = 1,
            |row| row.good_failed = 1,
            |row| row.grown_kib += 1,
            |row| row.refused_per_second -= 1.0,
            |row| row.p99_us_unread = vec![99, 99, 100],
            |row| row.p99_us_quiet = vec![99, 99, 100],
            |row| row.cpu_us = vec![12.6, 12.6, 1.0],
        ];
        for change in changes {
            let mut changed = row();
            change(&mut changed);
            assert!(changed.verdict().is_some(), "{changed:?}");
        }
    }

    #[test]
    fn what_a_refusal_costs_is_told_apart_from_what_customers_cost() {
        let phase = |cpu_ms, lasted, unauthorized| Phase {
            cpu: Duration::from_millis(cpu_ms),
            lasted: Duration::from_secs(lasted),
            unauthorized,
            ..Phase::default()
        };
        let (quiet, flooded) = ([phase(100, 2, 0)], [phase(300, 4, 10_000)]);
        let found = cpu_us(&flooded, &quiet);
        assert!((found[0] - 10.0).abs() < 1e-9, "{found:?}");
    }
}
