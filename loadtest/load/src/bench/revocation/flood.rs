//! A flood of tokens that nobody issued, on a gateway that has a CPU to itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bench::layout::Layout;
use crate::bench::{BenchError, say};
use crate::fleet::{Fleet, FleetSettings};
use crate::revocation::{Flood, FloodSettings, Phase, flood};

const ROUNDS: u32 = 15;
const PER_SECOND: u32 = 10_000;
const STRANGERS: u32 = 200;
const GOOD_PER_SECOND: u32 = 1000;
/// Ten per cent is what is put up with.
const RATIO_MAX: f64 = 1.10;
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
    p99_us: Vec<u64>,
    p99_us_anonymous: Vec<u64>,
    p99_us_quiet: Vec<u64>,
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
        forged,
        rounds: ROUNDS,
        per_second: PER_SECOND,
        strangers: STRANGERS,
        good_per_second: GOOD_PER_SECOND,
        seed,
    };
    let row = FloodRow::of(&flood(&fleet, flooding).await?);
    say(&format!(
        "flood: p99 {:?} us; beside none without a token {:?} us; alone {:?} us",
        row.p99_us, row.p99_us_anonymous, row.p99_us_quiet
    ));
    Ok(row)
}

impl FloodRow {
    fn of(it: &Flood) -> Self {
        let all = || it.quiet.iter().chain(&it.anonymous).chain(&it.forged);
        for note in all().flat_map(|phase| &phase.notes).take(8) {
            say(note);
        }
        let unauthorized = sum(&it.forged, |phase| phase.unauthorized);
        let limited = sum(&it.forged, |phase| phase.limited);
        let odd = sum(&it.forged, |phase| phase.odd);
        Self {
            bad: unauthorized + limited + odd,
            seconds: seconds(&it.forged),
            unauthorized,
            limited,
            odd,
            lookups: sum(&it.forged, |phase| phase.lookups),
            questions: sum(&it.forged, |phase| phase.questions),
            commands_per_second: commands_per_second(&it.forged),
            commands_per_second_quiet: commands_per_second(&it.quiet),
            good: all().map(|phase| phase.good.count()).sum(),
            good_failed: all().map(|phase| phase.good_failed).sum(),
            p99_us: p99_us(&it.forged),
            p99_us_anonymous: p99_us(&it.anonymous),
            p99_us_quiet: p99_us(&it.quiet),
            rss_kib: it.rss_kib_before,
            grown_kib: it.rss_kib_after.saturating_sub(it.rss_kib_before),
        }
    }

    pub(super) fn rows(&self) -> [[String; 4]; 2] {
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
                "{} failed; p99 {} µs, {:.2} times that beside as many without a token ({} µs), {:.2} \
                 times that alone ({} µs)",
                self.good_failed,
                median(&self.p99_us),
                self.ratio(&self.p99_us_anonymous),
                median(&self.p99_us_anonymous),
                self.ratio(&self.p99_us_quiet),
                median(&self.p99_us_quiet)
            ),
            format!("0 failed, {RATIO_MAX} times"),
        ];
        [behind, beside]
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
                self.ratio(&self.p99_us_anonymous) > RATIO_MAX,
                "a bad token costs others more than none does",
            ),
        ];
        let words = found.into_iter().find(|(is_so, _)| *is_so);
        words.map(|(_, words)| words)
    }

    /// The median of the ratios, each of two spans of time that follow each other.
    fn ratio(&self, to: &[u64]) -> f64 {
        let pairs = self.p99_us.iter().zip(to);
        let mut ratios: Vec<_> = pairs.map(|(a, b)| *a as f64 / (*b).max(1) as f64).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

fn sum(phases: &[Phase], of: impl Fn(&Phase) -> u64) -> u64 {
    phases.iter().map(of).sum()
}

fn seconds(phases: &[Phase]) -> f64 {
    let lasted: Duration = phases.iter().map(|phase| phase.lasted).sum();
    lasted.as_secs_f64()
}

fn commands_per_second(phases: &[Phase]) -> f64 {
    sum(phases, |phase| phase.redis_commands) as f64 / seconds(phases).max(f64::MIN_POSITIVE)
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
            p99_us: vec![110, 900, 110],
            p99_us_anonymous: vec![100, 100, 100],
            p99_us_quiet: vec![50, 50, 50],
            rss_kib: 1,
            grown_kib: GROWN_KIB_MAX,
        }
    }

    #[test]
    fn a_flood_may_cost_ten_per_cent_in_most_rounds_and_nothing_else() {
        assert_eq!(row().verdict(), None);
        let changes: [fn(&mut FloodRow); 7] = [
            |row| row.lookups = 1,
            |row| row.questions = 1,
            |row| row.commands_per_second = 111.0,
            |row| row.odd = 1,
            |row| row.good_failed = 1,
            |row| row.grown_kib += 1,
            |row| row.p99_us = vec![111, 111, 90],
        ];
        for change in changes {
            let mut changed = row();
            change(&mut changed);
            assert!(changed.verdict().is_some(), "{changed:?}");
        }
    }
}
