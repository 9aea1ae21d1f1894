//! What the samples of a run say together.

use serde::Serialize;

use super::super::conditions::Conditions;
use super::super::report::{Table, show, show_conditions};
use super::super::stats::{Spread, paired_ratio};
use super::bounds::{Bounds, Outage};
use super::{Said, Sample, Way};

/// CPU of the composer for a warm answer, at most.
const COMPOSER_US_MAX: f64 = 150.0;
/// How many times as much all together spend where a client joins through the gateway, at least.
const RATIO_MIN: f64 = 50.0;

/// Of the calls of a naive composer, what a crowd may cost.
const CROWD_PART: u64 = 50;
/// What one answer may measure, once in pieces and once whole, and a little more.
const FLOOD_KIB_MAX: u64 = 20 * 1024;
const OUTAGE_RATIO_MAX: f64 = 1.1;

const HOW_TO_READ: &str = "\
## How to read it
1. A list is the transfer history of one member: 100 rows with the name of the receiver and of the bank,
   and a balance. Composed it costs its client one request, and the composer two calls once it knows
   the names; a client that joins it itself makes 202.
2. *CPU of all* is the time on a CPU of everybody who took part, client included, for one list. Gateway
   and services are one process (`tollgate up`), so it cannot be said how they share it.
3. *Composer* is the composer's process alone: reading the request, two calls, the join, the answer.
4. One request at a time, so that a time is what a person waits; the client keeps its connections.
5. The ratio is the CPU of all over that of the composed way in the same round.
6. The second table is of more composers over the same services. The crowd are requests for one list, each
   on a connection of its own, before anything is known. The bank table is refreshed every 5 s while one bank
   is changed in between; 60 of that are an hour. Scan and hostile answer have a composer each that did
   nothing before: what is resident after the scan, and the peak of the hostile answer, above what was
   resident when it was ready. The p99 is of one client at a time, beside four who ask every 100 ms for what another service never answers.
";

#[derive(Debug, Serialize)]
pub(super) struct ComposeReport {
    pub(super) bench: &'static str,
    pub(super) conditions: Conditions,
    pub(super) said: Said,
    pub(super) rounds: Vec<Sample>,
    pub(super) bounds: Bounds,
}

impl ComposeReport {
    fn of(&self, way: Way, figure: impl Fn(&Sample) -> f64) -> Vec<(u32, f64)> {
        let samples = self.rounds.iter().filter(|sample| sample.way == way);
        samples
            .map(|sample| (sample.round, figure(sample)))
            .collect()
    }

    fn spread(&self, way: Way, figure: impl Fn(&Sample) -> f64) -> Option<Spread> {
        let values = self.of(way, figure).into_iter();
        Spread::of(values.map(|(_, value)| value))
    }

    fn ratio(&self, way: Way) -> Option<Spread> {
        let total = |sample: &Sample| sample.total_us;
        paired_ratio(&self.of(way, total), &self.of(Way::Composed, total))
    }

    pub(super) fn table(&self) -> String {
        let header = [
            "list",
            "requests",
            "CPU of all, us",
            "ratio",
            "composer, us",
            "p50, us",
            "p99, us",
        ];
        let mut table = Table::new(&header);
        for way in Way::ALL {
            let calls = self.rounds.iter().find(|sample| sample.way == way);
            table.push(vec![
                way.name().to_owned(),
                calls.map_or("-".to_owned(), |sample| sample.calls_each.to_string()),
                show(self.spread(way, |sample| sample.total_us), 0),
                show(self.ratio(way), 1),
                match way {
                    Way::Composed => show(self.spread(way, |sample| sample.composer_us), 0),
                    Way::Naive | Way::ThroughGateway => "-".to_owned(),
                },
                show(self.spread(way, |sample| whole(sample.p50_us)), 0),
                show(self.spread(way, |sample| whole(sample.p99_us)), 0),
            ]);
        }
        table.to_markdown()
    }

    pub(super) fn markdown(&self, table: &str) -> String {
        format!(
            "# A composed list beside a client that joins it\n\n{}\n{table}\n{}\n{HOW_TO_READ}",
            show_conditions(&self.conditions),
            self.once(),
        )
    }

    /// What was measured once.
    fn once(&self) -> String {
        let Bounds {
            crowd,
            table,
            scan,
            flood,
            ..
        } = &self.bounds;
        let said = |said: &Option<String>| said.clone().unwrap_or_default();
        let mut rows = Table::new(&["what", "measured", "at most"]);
        for (what, measured, most) in [
            (
                "calls of a list, nothing known yet",
                said(&self.said.cold),
                "3 calls".to_owned(),
            ),
            (
                "the same, with the names known",
                said(&self.said.warm),
                "2 calls".to_owned(),
            ),
            (
                "calls of a crowd on cold caches",
                format!(
                    "{} for {} of {} lists",
                    crowd.calls, crowd.whole, crowd.requests
                ),
                format!("{}", crowd.calls_naive / CROWD_PART),
            ),
            (
                "bytes an hour of the bank table, one change a minute",
                table.bytes_an_hour.to_string(),
                format!("{} reloaded whole", table.bytes_an_hour_reloaded),
            ),
            (
                "bytes of a cache during a scan of ten times its size",
                format!(
                    "{} ({} records, {} KiB more resident)",
                    scan.bytes_most, scan.records, scan.rss_grown_kib
                ),
                (scan.bytes_max / 10 * 11).to_string(),
            ),
            (
                "memory that an answer of 1 GiB costs",
                format!(
                    "{} KiB; {} and {} bytes sent",
                    flood.peak_grown_kib, flood.status, flood.sent_bytes
                ),
                format!("{FLOOD_KIB_MAX} KiB"),
            ),
            (
                "p99 of lists while another service hangs, of that without",
                show(self.outage(), 2),
                format!("{OUTAGE_RATIO_MAX}"),
            ),
        ] {
            rows.push(vec![what.to_owned(), measured, most]);
        }
        rows.to_markdown()
    }

    fn outage(&self) -> Option<Spread> {
        let rounds = &self.bounds.outage;
        let of = |figure: fn(&Outage) -> u64| -> Vec<_> {
            rounds
                .iter()
                .map(|it| (it.round, whole(figure(it))))
                .collect()
        };
        paired_ratio(&of(|it| it.beside_us), &of(|it| it.quiet_us))
    }

    /// The promise that the figures break.
    pub(super) fn verdict(&self) -> Option<String> {
        let composer = self.spread(Way::Composed, |sample| sample.composer_us)?;
        if composer.median > COMPOSER_US_MAX {
            let us = composer.median;
            return Some(format!(
                "a warm answer costs {us:.0} us, not {COMPOSER_US_MAX:.0}"
            ));
        }
        let ratio = self.ratio(Way::ThroughGateway)?.median;
        if ratio < RATIO_MIN {
            return Some(format!(
                "composing saves {ratio:.1} times the CPU, not {RATIO_MIN:.0}"
            ));
        }
        self.broken_bound().map(str::to_owned)
    }

    fn broken_bound(&self) -> Option<&'static str> {
        let Bounds {
            crowd, scan, flood, ..
        } = &self.bounds;
        let outage = self.outage().map_or(f64::MAX, |ratio| ratio.median);
        let broken = [
            (
                crowd.calls > crowd.calls_naive / CROWD_PART,
                "a crowd costs too many calls",
            ),
            (
                crowd.whole < crowd.requests,
                "not everybody in a crowd has an answer",
            ),
            (
                scan.bytes_most > scan.bytes_max / 10 * 11,
                "a scan takes a cache past its bound",
            ),
            (
                flood.peak_grown_kib > FLOOD_KIB_MAX,
                "a hostile answer costs more than its cap",
            ),
            (
                outage > OUTAGE_RATIO_MAX,
                "a service that hangs is felt by those who do not need it",
            ),
        ];
        let found = broken.into_iter().find(|(is_broken, _)| *is_broken);
        found.map(|(_, promise)| promise)
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a wait")]
fn whole(micros: u64) -> f64 {
    micros as f64
}
