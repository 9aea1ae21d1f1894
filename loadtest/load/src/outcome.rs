//! What a terminal is shown of a finished bench.

use std::io::{self, Write as _};

use load::bench::Outcome;

pub(crate) fn show(outcome: &Outcome) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", outcome.table)?;
    for file in &outcome.files {
        writeln!(stdout, "written: {}", file.display())?;
    }
    for name in &outcome.missing {
        writeln!(stdout, "missing: {name} was not measured (see --help)")?;
    }
    if let Some(promise) = &outcome.broken {
        writeln!(stdout, "broken: {promise}")?;
    }
    Ok(())
}
