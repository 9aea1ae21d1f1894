//! Reports: a table for people, every raw number for machines.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::conditions::Conditions;
use super::stats::Spread;
use super::{BenchError, write};

/// A Markdown table whose columns line up, so that it can be read on a terminal as well.
#[derive(Clone, Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        Self {
            rows: vec![header.iter().map(|&cell| cell.to_owned()).collect()],
        }
    }

    pub(super) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    pub(super) fn to_markdown(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<_> = (0..columns).map(|column| self.width(column)).collect();
        let mut lines: Vec<_> = self.rows.iter().map(|row| line(row, &widths)).collect();
        let rule: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
        lines.insert(1, line(&rule, &widths));
        lines.join("\n") + "\n"
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = widths.iter().enumerate().map(|(column, width)| {
        let cell = row.get(column).map_or("", String::as_str);
        format!(" {cell:<width$} |")
    });
    format!("|{}", cells.collect::<String>())
}

/// `14.7 (14.6-17.7)`
pub(super) fn show(spread: Option<Spread>, decimals: usize) -> String {
    let Some(Spread { median, min, max }) = spread else {
        return "-".to_owned();
    };
    format!("{median:.decimals$} ({min:.decimals$}-{max:.decimals$})")
}

pub(super) fn show_conditions(conditions: &Conditions) -> String {
    let versions = conditions
        .versions
        .iter()
        .map(|it| format!("{} {}", it.program, it.version));
    format!(
        "- {date}; {flags}\n- {model}, {cpus} CPUs, Linux {kernel}; load average before: {load}\n\
         - {layout}\n- {versions}\n",
        date = conditions.date,
        flags = conditions.flags,
        model = conditions.cpu_model,
        cpus = conditions.cpus,
        kernel = conditions.kernel,
        load = conditions.load_average,
        layout = conditions.layout,
        versions = versions.collect::<Vec<_>>().join(", "),
    )
}

pub(super) fn show_missing(missing: &[&str]) -> String {
    match missing {
        [] => String::new(),
        names => format!("**Not measured in this run: {}.**\n\n", names.join(", ")),
    }
}

/// Writes `NAME.md` and `NAME.json`; the names are stable, a new run replaces the old.
pub(super) fn save(
    dir: &Path,
    name: &str,
    markdown: &str,
    report: &impl Serialize,
) -> Result<Vec<PathBuf>, BenchError> {
    save_with(dir, name, ("md", markdown), report)
}

/// Writes `NAME.json` beside the same for people.
pub(super) fn save_with(
    dir: &Path,
    name: &str,
    (ending, text): (&str, &str),
    report: &impl Serialize,
) -> Result<Vec<PathBuf>, BenchError> {
    fs::create_dir_all(dir).map_err(BenchError::io(format!("cannot make {}", dir.display())))?;
    let json = serde_json::to_string_pretty(report).map_err(|error| BenchError::Io {
        what: "cannot write JSON".into(),
        source: error.into(),
    })?;
    let files = vec![
        dir.join(format!("{name}.{ending}")),
        dir.join(format!("{name}.json")),
    ];
    for (file, text) in files.iter().zip([text, &(json + "\n")]) {
        write(file, text)?;
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["peer", "µs"]);
        table.push(vec!["nginx".into(), "14.7".into()]);
        table.push(vec!["x".into()]);
        assert_eq!(
            table.to_markdown(),
            "| peer  | µs   |\n| ----- | ---- |\n| nginx | 14.7 |\n| x     |      |\n"
        );
    }

    #[test]
    fn spreads_are_shown_with_their_range() {
        let spread = Spread {
            median: 14.66,
            min: 14.0,
            max: 17.75,
        };
        assert_eq!(show(Some(spread), 1), "14.7 (14.0-17.8)");
        assert_eq!(show(Some(spread), 0), "15 (14-18)");
        assert_eq!(show(None, 1), "-");
    }
}
