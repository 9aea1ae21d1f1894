//! Does every measured figure in the README name the report that it was read from, and stand in it?
//!
//! A figure is a number with `µs`, or with `×` or `x` as a factor; in a table under a heading with
//! the word "measured" every row is one. Its line links to a file under `loadtest/reports`, and every
//! number of a line with such a link stands in one of the reports that it links to. What is said of
//! peers is written by the code that makes their report, and held against it as a whole.

use std::collections::BTreeSet;

use super::Finding;
use super::links::resolve;
use super::markdown::{self, Line};

const DOCUMENT: &str = "README.md";
const REPORTS: &str = "loadtest/reports/";

/// Of a report; a page is no text to look for numbers in.
const TEXT: &str = ".md";

/// Both code points that are written for micro, and both ways to write a factor.
const UNITS: &[&str] = &["µs", "μs", "×", "x"];

pub(super) fn check(text: &str, read: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_body = false;
    for line in markdown::lines(text).filter(|line| !line.is_fenced) {
        let is_row = line.text.trim_start().starts_with('|');
        let is_claim = has_figure(line.text) || (is_row && is_body && is_measured(&line));
        is_body = is_row && (is_body || line.text.contains("--"));
        let reports: Vec<_> = reports(line.text, &read).collect();
        if is_claim && reports.is_empty() {
            let message = "a measured figure without a link to its report in loadtest/reports";
            findings.push(Finding::new(DOCUMENT, line.number, message));
        }
        for number in unfounded(line.text, &reports) {
            let message = format!("{number} does not stand in the report that is linked to");
            findings.push(Finding::new(DOCUMENT, line.number, message));
        }
    }
    findings
}

/// What is quoted of peers, line by line against what their newest report says.
pub(super) fn check_quote(document: &str, expected: &str) -> Vec<Finding> {
    let pairs = document.lines().zip(expected.lines()).zip(1..);
    let differs = pairs.filter(|((found, expected), _)| found != expected);
    let mut findings: Vec<_> = differs
        .map(|((_, expected), line)| {
            let message = format!("`./dev bench peers --readme` writes here: {expected}");
            Finding::new(DOCUMENT, line, message)
        })
        .collect();
    if findings.is_empty() && document != expected {
        let message = "`./dev bench peers --readme` writes another number of lines";
        findings.push(Finding::new(DOCUMENT, 1, message));
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

/// The reports that a line links to, each with its text.
fn reports(
    line: &str,
    read: impl Fn(&str) -> Option<String>,
) -> impl Iterator<Item = (String, String)> {
    markdown::link_targets(line)
        .filter_map(|target| resolve(DOCUMENT, target))
        .filter(|path| path.starts_with(REPORTS))
        .filter_map(move |path| {
            let text = read(&path)?;
            Some((path, text))
        })
}

/// The numbers of a line that stand in none of these reports.
fn unfounded(line: &str, reports: &[(String, String)]) -> Vec<String> {
    if reports.is_empty() || reports.iter().any(|(path, _)| !path.ends_with(TEXT)) {
        return Vec::new();
    }
    let known: BTreeSet<_> = reports.iter().flat_map(|(_, text)| numbers(text)).collect();
    let told = line.split("](").enumerate().map(|(place, part)| {
        // What follows is the target of a link, up to its parenthesis.
        match part.split_once(')') {
            Some((_, rest)) if place > 0 => rest,
            Some(_) | None => part,
        }
    });
    let told: String = told.collect();
    let is_unknown = |number: &String| !known.contains(number);
    numbers(&told).filter(is_unknown).collect()
}

/// Numbers that are no part of a word, such as the 99 of p99, without the commas of thousands.
fn numbers(text: &str) -> impl Iterator<Item = String> {
    let is_outside = |c: char| !(c.is_alphanumeric() || matches!(c, '.' | ',' | '_'));
    text.split(is_outside).filter_map(|word| {
        let word = word.trim_matches([',', '.']);
        let is_number = word.starts_with(|c: char| c.is_ascii_digit())
            && word.ends_with(|c: char| c.is_ascii_digit())
            && !word.contains(|c: char| c.is_alphabetic() || c == '_');
        is_number.then(|| word.replace(',', ""))
    })
}

#[test]
fn a_figure_without_its_report_is_found() {
    let read = |path: &str| (path == "loadtest/reports/edge.md").then(|| "1.4 and 38".to_owned());
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
        assert_eq!(check(text, read).len(), count, "{text}");
    }
}

#[test]
fn a_figure_that_is_not_in_its_report_is_found() {
    let read = |path: &str| {
        let text = "| 1.40 (1.38-1.44) | 161954 | 5 s |\n- 2026-01-02; AMD";
        (path == "loadtest/reports/edge.md").then(|| text.to_owned())
    };
    let cases = [
        ("1.40× of 161,954, p99 in 5 s", None),
        ("from 1.38 to 1.44, 1.38-1.44", None),
        ("1.41×", Some("1.41 does not stand")),
        ("161,955 answered", Some("161955 does not stand")),
        ("in 6 s", Some("6 does not stand")),
    ];
    for (told, expected) in cases {
        let line = format!("{told} ([edge](loadtest/reports/edge.md))");
        let found = check(&line, read);
        let found: Vec<_> = found.iter().map(|it| it.message.as_str()).collect();
        match expected {
            None => assert_eq!(found, [""; 0], "{told}"),
            Some(text) => assert!(
                found.iter().any(|it| it.contains(text)),
                "{told}: {found:?}"
            ),
        }
    }
}

#[test]
fn a_quote_that_is_not_what_its_report_says_is_found_where_it_stands() {
    let found = check_quote("a\n| 1.40× |\nb\n", "a\n| 1.41× |\nb\n");
    let found: Vec<_> = found
        .iter()
        .map(|it| (it.line, it.message.as_str()))
        .collect();
    assert_eq!(
        found,
        [(2, "`./dev bench peers --readme` writes here: | 1.41× |")]
    );
    assert_eq!(check_quote("a\n", "a\n"), []);
    assert_eq!(check_quote("a\n", "a\nb\n").len(), 1);
}

#[test]
fn every_row_of_a_measured_table_names_its_report() {
    let table = "| what | how much |\n|---|---|\n| idle | 9 MiB |\n";
    let read = |path: &str| (path == "loadtest/reports/idle.md").then(|| "9".to_owned());
    let found = |text: String| check(&text, read).len();
    assert_eq!(found(format!("## Measured\n{table}")), 1);
    assert_eq!(found(format!("## Promises\n{table}")), 0);
    let linked = table.replace("9 MiB", "[9 MiB](loadtest/reports/idle.md)");
    assert_eq!(found(format!("## Measured\n{linked}")), 0);
}
