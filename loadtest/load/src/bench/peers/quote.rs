//! What the README quotes of a report, written by the same code that a test holds it against.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use thiserror::Error;

use crate::bench::memory::Footprint;
use crate::bench::stats::Spread;
use crate::bench::{BenchError, Outcome, read, write};

/// Between these lines of the README nobody writes by hand.
const BEGIN: &str = "<!-- quoted by `./dev bench peers --readme`, not by hand -->";
const END: &str = "<!-- end of what is quoted -->";

/// In the order of the columns.
pub(super) const PEERS: [(&str, &str); 6] = [
    ("tollgate", "Tollgate"),
    ("nginx", "nginx"),
    ("haproxy", "HAProxy"),
    ("envoy", "Envoy"),
    ("varnish", "Varnish"),
    ("oidc-provider", "oidc-provider"),
];

#[derive(Debug, Error)]
pub enum QuoteError {
    #[error("the report is not one of peers")]
    Report(#[from] serde_json::Error),
    #[error("there is none: `./dev bench peers` makes one")]
    NoReport,
    #[error("the document has no place for it, between {BEGIN} and {END}")]
    NoPlace,
}

#[derive(Debug, Deserialize)]
struct Report {
    jobs: Vec<Job>,
}

#[derive(Debug, Deserialize)]
struct Job {
    job: String,
    offered_per_second: u64,
    entrants: Vec<Entrant>,
}

#[derive(Debug, Deserialize)]
struct Entrant {
    peer: String,
    cpu_us_per_request: Option<Spread>,
    times_ours: Option<Spread>,
    offered: Offered,
    pss_kib: Footprint,
}

#[derive(Debug, Deserialize)]
struct Offered {
    p99_us: Option<Spread>,
}

/// Quotes the newest report of a folder in a document.
pub fn quote(reports: &Path, document: &Path) -> Result<Outcome, BenchError> {
    let wrong = |source| BenchError::Quote {
        document: document.display().to_string(),
        source,
    };
    let listed = fs::read_dir(reports).map_err(BenchError::io("cannot list the reports"))?;
    let names = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let newest = newest_report(names).ok_or_else(|| wrong(QuoteError::NoReport))?;
    let json = read(reports.join(format!("{newest}.json")), "the newest report")?;
    let table = quote_text(&json, &newest).map_err(wrong)?;
    let text = read(document, "the document")?;
    write(document, &quote_peers(&text, &table).map_err(wrong)?)?;
    Ok(Outcome {
        table,
        files: vec![document.to_owned()],
        missing: Vec::new(),
        broken: None,
    })
}

/// Of these files the newest report, without what its name ends with.
pub fn newest_report(names: impl Iterator<Item = String>) -> Option<String> {
    let days = names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned));
    days.filter(|day| day.starts_with("peers-")).max()
}

/// The lines of a README about the report in this file, from its JSON.
pub fn quote_text(json: &str, file: &str) -> Result<String, QuoteError> {
    let report: Report = serde_json::from_str(json)?;
    let link = format!("[peers](loadtest/reports/{file}.html)");
    let names = PEERS.map(|(_, title)| title).join(" | ");
    let mut lines = vec![
        format!("| what | {names} | report |"),
        format!("|---|{}---|", "---|".repeat(PEERS.len())),
    ];
    for job in &report.jobs {
        let cells = job.cells(Entrant::cost);
        lines.push(format!("| {} | {cells} | {link} |", job.cost_of_what()));
    }
    for job in &report.jobs {
        let cells = job.cells(Entrant::p99);
        let what = job.what();
        let rate = thousands(job.offered_per_second);
        lines.push(format!("| p99 of {what} at {rate}/s | {cells} | {link} |"));
    }
    for job in report.jobs.iter().filter(|it| it.job != "introspect") {
        let cells = job.cells(Entrant::memory);
        lines.push(format!(
            "| memory after {} | {cells} | {link} |",
            job.what()
        ));
    }
    Ok(lines.join("\n") + "\n")
}

/// The document with this in the place for it.
pub fn quote_peers(document: &str, quote: &str) -> Result<String, QuoteError> {
    let (before, rest) = document.split_once(BEGIN).ok_or(QuoteError::NoPlace)?;
    let (_, after) = rest.split_once(END).ok_or(QuoteError::NoPlace)?;
    Ok(format!("{before}{BEGIN}\n{quote}{END}{after}"))
}

impl Job {
    fn what(&self) -> &'static str {
        match self.job.as_str() {
            "forward" => "proxied requests",
            "token" => "requests with a known token",
            "issue" => "tokens issued to machines",
            _ => "introspections",
        }
    }

    fn cost_of_what(&self) -> &'static str {
        match self.job.as_str() {
            "forward" => "CPU per proxied request, access logs on; others as a multiple of ours",
            "token" => {
                "CPU per request with a known token of 10,000, a signed one sent on in its place; nginx by Lua, \
                 HAProxy by a map, Envoy by Lua / shown signed ones"
            }
            "issue" => "CPU per token issued to a machine",
            _ => "CPU per introspection",
        }
    }

    /// One for each peer; a peer may have several set-ups, or none.
    fn cells(&self, cell: fn(&Entrant) -> String) -> String {
        let cells = PEERS.map(|(peer, _)| {
            let own = self.entrants.iter().filter(|it| it.peer == peer);
            let own: Vec<_> = own.map(cell).collect();
            if own.is_empty() {
                "–".to_owned()
            } else {
                own.join(" / ")
            }
        });
        cells.join(" | ")
    }
}

impl Entrant {
    fn cost(&self) -> String {
        if self.peer == "tollgate" {
            return format!("{} µs", median(self.cpu_us_per_request, 1));
        }
        format!("{}×", median(self.times_ours, 2))
    }

    fn p99(&self) -> String {
        let in_ms = |it: Spread| format!("{:.2} ms", it.median / 1e3);
        self.offered.p99_us.map_or("–".to_owned(), in_ms)
    }

    fn memory(&self) -> String {
        format!("{:.0} MiB", self.pss_kib.after as f64 / 1024.0)
    }
}

fn median(spread: Option<Spread>, decimals: usize) -> String {
    spread.map_or("–".to_owned(), |it| format!("{:.decimals$}", it.median))
}

/// `1,234,567`
pub(super) fn thousands(number: u64) -> String {
    if number < 1000 {
        return number.to_string();
    }
    format!("{},{:03}", thousands(number / 1000), number % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{ "jobs": [{ "job": "token", "offered_per_second": 5000, "entrants": [
        { "peer": "tollgate", "cpu_us_per_request": { "median": 20.04, "min": 1.0, "max": 1.0 },
          "times_ours": { "median": 1.0, "min": 1.0, "max": 1.0 },
          "offered": { "p99_us": { "median": 431.0, "min": 1.0, "max": 1.0 } },
          "pss_kib": { "at_rest": 10240, "after": 20480 } },
        { "peer": "envoy", "cpu_us_per_request": null, "times_ours": { "median": 2.514, "min": 1.0, "max": 1.0 },
          "offered": { "p99_us": null }, "pss_kib": { "at_rest": 10240, "after": 30720 } },
        { "peer": "envoy", "cpu_us_per_request": null, "times_ours": { "median": 2.3, "min": 1.0, "max": 1.0 },
          "offered": { "p99_us": null }, "pss_kib": { "at_rest": 10240, "after": 40960 } }
    ]}]}"#;

    #[test]
    fn a_line_has_a_cell_for_each_peer() {
        let quote = quote_text(REPORT, "peers-2026-01-02").unwrap();
        let link = "[peers](loadtest/reports/peers-2026-01-02.html)";
        let cells = [
            format!("| 20.0 µs | – | – | 2.51× / 2.30× | – | – | {link} |"),
            format!("token at 5,000/s | 0.43 ms | – | – | – / – | – | – | {link} |"),
            format!("token | 20 MiB | – | – | 30 MiB / 40 MiB | – | – | {link} |"),
        ];
        for expected in cells {
            assert!(quote.contains(&expected), "{expected}\n{quote}");
        }
    }

    #[test]
    fn thousands_are_told_apart() {
        let told = [7, 999, 5000, 1_034_567].map(thousands);
        assert_eq!(told, ["7", "999", "5,000", "1,034,567"]);
    }

    #[test]
    fn the_newest_report_is_quoted() {
        let names = [
            "peers-2026-02-01.html",
            "peers-2026-01-31.json",
            "peers-2025-12-31.json",
            "z.json",
        ];
        let newest = newest_report(names.into_iter().map(str::to_owned));
        assert_eq!(newest.as_deref(), Some("peers-2026-01-31"));
    }

    #[test]
    fn a_quote_takes_the_place_of_the_one_before() {
        let document = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let quoted = quote_peers(&document, "| new |\n").unwrap();
        assert_eq!(quoted, format!("a\n{BEGIN}\n| new |\n{END}\nb\n"));
        assert!(matches!(
            quote_peers("nowhere", "x"),
            Err(QuoteError::NoPlace)
        ));
    }
}
