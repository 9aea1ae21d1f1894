//! Does every measured figure in the README name the report that it was read from?
//!
//! A figure is a number with `µs`, or with `×` or `x` as a factor; in a table under a heading with
//! the word "measured" every row is one. Its line links to a file under `loadtest/reports`.

use super::Finding;
use super::links::resolve;
use super::markdown::{self, Line};

const DOCUMENT: &str = "README.md";
const REPORTS: &str = "loadtest/reports/";

/// Both code points that are written for micro, and both ways to write a factor.
const UNITS: &[&str] = &["µs", "μs", "×", "x"];

pub(super) fn check(text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_body = false;
    for line in markdown::lines(text).filter(|line| !line.is_fenced) {
        let is_row = line.text.trim_start().starts_with('|');
        let is_claim = has_figure(line.text) || (is_row && is_body && is_measured(&line));
        is_body = is_row && (is_body || line.text.contains("--"));
        if is_claim && !names_report(line.text, &exists) {
            let message = "a measured figure without a link to its report in loadtest/reports";
            findings.push(Finding::new(DOCUMENT, line.number, message));
        }
    }
    findings
}

fn is_measured(line: &Line<'_>) -> bool {
    line.heading.to_lowercase().contains("measured")
}

fn has_figure(text: &str) -> bool {
    UNITS.iter().any(|unit| {
        text.match_indices(unit).any(|(at, _)| {
            let before = text[..at].trim_end_matches([' ', '\u{a0}', '\u{202f}']);
            let after = text[at + unit.len()..].chars().next();
            before.ends_with(|c: char| c.is_ascii_digit())
                && !after.is_some_and(char::is_alphanumeric)
        })
    })
}

fn names_report(text: &str, exists: impl Fn(&str) -> bool) -> bool {
    markdown::link_targets(text)
        .filter_map(|target| resolve(DOCUMENT, target))
        .any(|path| path.starts_with(REPORTS) && exists(&path))
}

#[test]
fn a_figure_without_its_report_is_found() {
    let exists = |path: &str| path == "loadtest/reports/edge.md";
    let cases = [
        ("costs 1.4× nginx ([report](loadtest/reports/edge.md))", 0),
        ("costs 1.4× nginx", 1),
        ("costs 1.4 x nginx", 1),
        ("adds 38 µs", 1),
        ("adds 38\u{a0}\u{3bc}s", 1),
        ("adds 38 µs ([report](loadtest/reports/gone.md))", 1),
        ("adds 38 µs ([why](ARCHITECTURE.md))", 1),
        ("x86, 0xff, 4 xylophones, a × b", 0),
        ("```\nadds 38 µs\n```", 0),
    ];
    for (text, count) in cases {
        assert_eq!(check(text, exists).len(), count, "{text}");
    }
}

#[test]
fn every_row_of_a_measured_table_names_its_report() {
    let table = "| what | how much |\n|---|---|\n| idle | 9 MiB |\n";
    let exists = |path: &str| path == "loadtest/reports/idle.md";
    let found = |text: String| check(&text, exists).len();
    assert_eq!(found(format!("## Measured\n{table}")), 1);
    assert_eq!(found(format!("## Promises\n{table}")), 0);
    let linked = table.replace("9 MiB", "[9 MiB](loadtest/reports/idle.md)");
    assert_eq!(found(format!("## Measured\n{linked}")), 0);
}
