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
const PHASE_SECONDS: u32 = 2;
const ROUNDS_MAX: u32 = 25;
const MASS_PER_ROUND: u64 = 40_000;
const STRANGERS: u32 = 100;
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
    /// In the slowest of all phases.
    refused_per_second: f64,
    p99_us: Vec<f64>,
    p99_us_unread: Vec<f64>,
    p99_us_quiet: Vec<f64>,
    /// What the gateway had of its CPU, in microseconds of a second.
    cpu_us: Vec<f64>,
    cpu_us_unread: Vec<f64>,
    cpu_us_quiet: Vec<f64>,
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
        "flood: p99 {:?} us; beside tokens that are not read {:?} us; alone {:?} us",
        row.p99_us, row.p99_us_unread, row.p99_us_quiet
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
            cpu_us: cpu_us(&it.forged),
            cpu_us_unread: cpu_us(&it.unread),
            cpu_us_quiet: cpu_us(&it.quiet),
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
                "{} failed; p99 {:.0} µs beside {:.0} bad tokens/s, {:.2} times that beside as many that \
                 are not read ({:.0} µs), {:.2} times that alone ({:.0} µs)",
                self.good_failed,
                least(&self.p99_us),
                self.refused_per_second,
                self.ratio_to(&self.p99_us_unread),
                least(&self.p99_us_unread),
                self.ratio_to(&self.p99_us_quiet),
                least(&self.p99_us_quiet)
            ),
            format!("0 failed, {RATIO_MAX} times both"),
        ];
        let of_gateway = [
            "flood: what it costs the gateway".to_owned(),
            format!("{} rounds", self.cpu_us.len()),
            format!(
                "CPU {:.1} µs to refuse a bad token, {:.1} µs without having read one: {:.2} times",
                self.cost_us(&self.cpu_us),
                self.cost_us(&self.cpu_us_unread),
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
                exceeds(self.ratio_to(&self.p99_us_unread), RATIO_MAX),
                "a bad token costs others more than none does",
            ),
            (
                exceeds(self.ratio_to(&self.p99_us_quiet), RATIO_MAX),
                "a flood of bad tokens slows good requests down",
            ),
            (
                exceeds(self.cpu_ratio(), CPU_RATIO_MAX),
                "a bad token costs the gateway much more than none",
            ),
        ];
        let words = found.into_iter().find(|(is_so, _)| *is_so);
        words.map(|(_, words)| words)
    }

    fn ratio_to(&self, others: &[f64]) -> f64 {
        least(&self.p99_us) / least(others)
    }

    /// What a refusal costs, beyond what the gateway does anyhow.
    fn cost_us(&self, cpu_us: &[f64]) -> f64 {
        (least(cpu_us) - least(&self.cpu_us_quiet)) / f64::from(PER_SECOND)
    }

    fn cpu_ratio(&self) -> f64 {
        self.cost_us(&self.cpu_us) / self.cost_us(&self.cpu_us_unread)
    }
}

/// What could not be measured does.
fn exceeds(found: f64, max: f64) -> bool {
    found.is_nan() || found > max
}

fn refused(phase: &Phase) -> u64 {
    phase.unauthorized + phase.limited
}

fn cpu_us(phases: &[Phase]) -> Vec<f64> {
    let of = |phase: &Phase| phase.cpu.as_secs_f64() * 1e6 / phase.lasted.as_secs_f64();
    phases.iter().map(of).collect()
}

fn commands_per_second(phases: &[Phase]) -> f64 {
    let lasted: Duration = phases.iter().map(|phase| phase.lasted).sum();
    let commands: u64 = phases.iter().map(|phase| phase.redis_commands).sum();
    commands as f64 / lasted.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn p99_us(phases: &[Phase]) -> Vec<f64> {
    let us = |phase: &Phase| phase.good.p99().as_secs_f64() * 1e6;
    phases.iter().map(us).collect()
}

/// Of the quarter that was disturbed the least: whatever else a machine does makes a figure worse, and
/// none better.
fn least(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 4).copied().unwrap_or(f64::NAN)
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
            p99_us: vec![900.0, 110.0, 110.0, 900.0],
            p99_us_unread: vec![100.0; 4],
            p99_us_quiet: vec![100.0; 4],
            cpu_us: vec![90_000.0, 45_000.0, 45_000.0, 90_000.0],
            cpu_us_unread: vec![40_000.0; 4],
            cpu_us_quiet: vec![20_000.0; 4],
            rss_kib: 1,
            grown_kib: GROWN_KIB_MAX,
        }
    }

    #[test]
    fn a_flood_may_cost_a_little_where_nothing_disturbs_it_and_nothing_else() {
        assert_eq!(row().verdict(), None);
        let changes: [fn(&mut FloodRow); 11] = [
            |row| row.lookups = 1,
            |row| row.questions = 1,
            |row| row.commands_per_second = 111.0,
            |row| row.odd = 1,
            |row| row.good_failed = 1,
            |row| row.grown_kib += 1,
            |row| row.refused_per_second -= 1.0,
            |row| row.p99_us_unread = vec![99.0; 4],
            |row| row.p99_us_quiet = vec![99.0; 4],
            |row| row.cpu_us = vec![45_100.0; 4],
            |row| row.p99_us.clear(),
        ];
        for change in changes {
            let mut changed = row();
            change(&mut changed);
            assert!(changed.verdict().is_some(), "{changed:?}");
        }
    }

    #[test]
    fn what_a_refusal_costs_is_told_apart_from_what_customers_cost() {
        let phase = Phase {
            cpu: Duration::from_millis(90),
            lasted: Duration::from_secs(2),
            ..Phase::default()
        };
        assert_eq!(cpu_us(&[phase]), [45_000.0]);
        assert_eq!(row().cost_us(&row().cpu_us), 12.5);
    }

    #[test]
    fn the_least_disturbed_quarter_counts() {
        assert_eq!(least(&[9.0, 1.0, 2.0, 8.0]), 2.0);
        assert_eq!(least(&[9.0, 3.0, 1.0, 2.0, 8.0]), 2.0);
        assert_eq!(least(&[7.0]), 7.0);
        assert!(least(&[]).is_nan());
    }
}
