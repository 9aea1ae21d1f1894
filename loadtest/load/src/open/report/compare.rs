//! Two runs side by side: what became of the latencies, and may they be compared at all?

use std::fmt;

use super::Report;

/// Rates that differ by more are other loads.
const RATE_DIFFERS: f64 = 0.02;

#[derive(Clone, Debug)]
pub struct Comparison {
    rows: Vec<Row>,
    /// Why the two are not the same measurement twice.
    pub doubts: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    what: String,
    before: f64,
    after: f64,
}

/// The second against the first.
#[must_use]
pub fn compare(before: &Report, after: &Report) -> Comparison {
    let mut rows = vec![
        Row::new("requests/s", before.all.per_second, after.all.per_second),
        Row::new("failed", before.all.failed as f64, after.all.failed as f64),
    ];
    for (name, old) in [("all", &before.all)]
        .into_iter()
        .chain(before.kinds.iter().map(|kind| (kind.name.as_str(), kind)))
    {
        let mut kinds = after.kinds.iter();
        let new = match name {
            "all" => Some(&after.all),
            _ => kinds.find(|kind| kind.name == name),
        };
        let Some(new) = new else { continue };
        let pairs = [
            ("p50", old.latency.p50, new.latency.p50),
            ("p99", old.latency.p99, new.latency.p99),
            ("p99.9", old.latency.p999, new.latency.p999),
            ("max", old.latency.max, new.latency.max),
        ];
        let named = pairs.map(|(share, old, new)| {
            Row::new(&format!("{name} {share} µs"), old as f64, new as f64)
        });
        rows.extend(named);
    }
    for old in &before.watched {
        if let Some(new) = after.watched.iter().find(|it| it.name == old.name) {
            rows.push(Row::new(
                &format!("{} cores", old.name),
                old.cores,
                new.cores,
            ));
            let rss = (old.rss_kib_max as f64, new.rss_kib_max as f64);
            rows.push(Row::new(&format!("{} KiB", old.name), rss.0, rss.1));
        }
    }
    Comparison {
        rows,
        doubts: doubts(before, after),
    }
}

fn doubts(before: &Report, after: &Report) -> Vec<String> {
    let mut doubts = Vec::new();
    let rates = (before.scenario.rate_to, after.scenario.rate_to);
    if (rates.0 - rates.1).abs() > rates.0 * RATE_DIFFERS {
        doubts.push(format!("the rates differ: {} and {}", rates.0, rates.1));
    }
    if before.scenario.connections != after.scenario.connections {
        doubts.push("the connections differ".to_owned());
    }
    if before.scenario.name != after.scenario.name {
        doubts.push("the scenarios have different names".to_owned());
    }
    if before.environment.cpu_model != after.environment.cpu_model {
        doubts.push("the machines differ".to_owned());
    }
    for (which, report) in [("first", before), ("second", after)] {
        let own = report.generator.doubts.iter();
        doubts.extend(own.map(|doubt| format!("in the {which}, of the generator: {doubt}")));
    }
    doubts
}

impl Row {
    fn new(what: &str, before: f64, after: f64) -> Self {
        Self {
            what: what.to_owned(),
            before,
            after,
        }
    }

    fn ratio(&self) -> String {
        if self.before == 0.0 {
            return "-".to_owned();
        }
        format!("{:.2}", self.after / self.before)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.rows.iter().map(|row| row.what.chars().count());
        let width = widths.max().unwrap_or(0);
        writeln!(
            f,
            "{:<width$}  {:>12}  {:>12}  {:>6}",
            "", "first", "second", "ratio"
        )?;
        for row in &self.rows {
            let Row {
                what,
                before,
                after,
            } = row;
            let ratio = row.ratio();
            writeln!(
                f,
                "{what:<width$}  {before:>12.1}  {after:>12.1}  {ratio:>6}"
            )?;
        }
        for doubt in &self.doubts {
            writeln!(f, "doubtful: {doubt}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::run::Ran;
    use super::super::super::scenario::Scenario;
    use super::super::{Environment, Setting};
    use super::*;
    use std::path::Path;
    use std::time::Duration;

    /// A run in which every answer took as long.
    fn report(rate: u32, connections: u32, took: Duration) -> Report {
        let text = format!(
            "target: http://127.0.0.1:1\nlasts: 1s\nrate: {rate}\nconnections: {connections}\n\
             requests: [{{ name: read, get: /a }}]\n"
        );
        let scenario = Scenario::parse("test", &text, Path::new(".")).unwrap();
        let ran = Ran::made_up(rate, took);
        let names = ["read".to_owned()];
        Report::new(Setting::of(&scenario), &names, &ran, Environment::default())
    }

    #[test]
    fn the_second_is_held_against_the_first() {
        let before = report(100, 4, Duration::from_micros(100));
        let after = report(100, 4, Duration::from_micros(50));
        let comparison = compare(&before, &after);
        assert_eq!(comparison.doubts, Vec::<String>::new());
        let told = comparison.to_string();
        let line = told.lines().find(|line| line.starts_with("read p99"));
        let words: Vec<_> = line.unwrap().split_ascii_whitespace().collect();
        assert_eq!(
            words,
            ["read", "p99", "µs", "100.0", "50.0", "0.50"],
            "{told}"
        );
    }

    #[test]
    fn runs_that_are_not_the_same_measurement_twice_are_doubted() {
        let took = Duration::from_micros(100);
        let before = report(100, 4, took);
        #[rustfmt::skip]
        let cases = [
            (report(102, 4, took), 0),
            (report(103, 4, took), 1),
            (report(100, 5, took), 1),
            (report(103, 5, took), 2),
        ];
        for (after, doubts) in cases {
            assert_eq!(
                compare(&before, &after).doubts.len(),
                doubts,
                "{:?}",
                after.scenario
            );
        }
        let mut slow = report(100, 4, took);
        slow.generator.doubts.push("it was the limit".to_owned());
        let told = compare(&before, &slow).to_string();
        assert!(
            told.contains("in the second, of the generator: it was the limit"),
            "{told}"
        );
    }
}
