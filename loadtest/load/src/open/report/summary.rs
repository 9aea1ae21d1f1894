//! A report in a few lines, for a terminal.

use std::fmt::Write as _;

use super::Report;

impl Report {
    #[must_use]
    pub fn summary(&self) -> String {
        let names = self.kinds.iter().map(|kind| kind.name.chars().count());
        let width = names.max().unwrap_or(0).max("all".len());
        let mut text = format!(
            "{:<width$} {:>10} {:>8} {:>9} {:>9} {:>9} {:>9}  µs from when it was due\n",
            "", "answered", "failed", "p50", "p99", "p99.9", "max"
        );
        for kind in std::iter::once(&self.all).chain(&self.kinds) {
            let latency = &kind.latency;
            // Writing to a string does not fail, here and below.
            let _ = writeln!(
                text,
                "{:<width$} {:>10} {:>8} {:>9} {:>9} {:>9} {:>9}",
                kind.name,
                kind.answered,
                kind.failed,
                latency.p50,
                latency.p99,
                latency.p999,
                latency.max
            );
        }
        for (what, count) in self.all.failures.told() {
            let _ = writeln!(text, "{count} failed: {what}");
        }
        if let Some(revocations) = &self.revocations {
            let took = &revocations.took;
            let _ = writeln!(
                text,
                "taken back: {} tokens refused after {} µs (p50) to {} µs (max), {} late, {} failed",
                revocations.refused, took.p50, took.max, revocations.late, revocations.failed
            );
            for note in &revocations.notes {
                let _ = writeln!(text, "taken back: {note}");
            }
        }
        if let Some(why) = &self.given_up {
            let _ = writeln!(text, "given up: {why}");
        }
        let _ = writeln!(text, "generator: {}", self.generator.verdict());
        for doubt in &self.generator.doubts {
            let _ = writeln!(text, "doubtful: {doubt}");
        }
        text
    }
}
