//! `tollgate load`: put a server under load as a scenario says, and write a report.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use load::open::{self, Environment, Progress, Report, Scenario, Setting};

use super::{EXIT_WRONG_FILE, complain, say};

const BAR: usize = 30;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Load {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The scenario: what is sent, how often, and what must come back (YAML)
    #[arg(required = true, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// The report; the figures go to a file beside it that ends in `.json`
    #[arg(long, value_name = "FILE", default_value = "load.html")]
    report: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Hold the figures of one run against those of another
    Compare(Compare),
}

#[derive(Debug, Args)]
struct Compare {
    /// The figures of the first run (`load.json`)
    first: PathBuf,
    /// The figures of the second run
    second: PathBuf,
}

impl Load {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        if let Some(Verb::Compare(compare)) = &self.verb {
            return compare.run();
        }
        let path = self.scenario.as_deref().context("no scenario was named")?;
        let scenario = match Scenario::load(path) {
            Ok(scenario) => scenario,
            Err(error) => {
                complain(&error.into());
                return Ok(ExitCode::from(EXIT_WRONG_FILE));
            }
        };
        let setting = Setting::of(&scenario);
        let names: Vec<_> = scenario.requests.iter().map(|it| it.name.clone()).collect();
        let environment = Environment::note(now());
        let ran = open::run(scenario, tell)?;
        clear_line();
        let report = Report::new(setting, &names, &ran, environment);
        let figures = self.report.with_extension("json");
        write(&self.report, &open::page(&report))?;
        write(&figures, &(serde_json::to_string_pretty(&report)? + "\n"))?;
        say(&mut io::stdout(), &summary(&report));
        let (page, figures) = (self.report.display(), figures.display());
        say(
            &mut io::stderr(),
            &format!("written: {page} and {figures}\n"),
        );
        let is_clean = report.given_up.is_none() && report.all.failed == 0;
        Ok(ExitCode::from(u8::from(!is_clean)))
    }
}

impl Compare {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let read = |path: &Path| -> anyhow::Result<Report> {
            let text = fs::read_to_string(path);
            let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
            let report = serde_json::from_str(&text);
            report.with_context(|| format!("{} holds no figures of a run", path.display()))
        };
        let comparison = open::compare(&read(&self.first)?, &read(&self.second)?);
        say(&mut io::stdout(), &comparison.to_string());
        Ok(ExitCode::SUCCESS)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the date of a report, which decides nothing"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// One line that is written over, where somebody looks at it.
fn tell(progress: Progress) {
    if !io::stderr().is_terminal() {
        return;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between nothing and the width of the bar"
    )]
    let full = (progress.done * BAR as f64) as usize;
    let bar = "#".repeat(full) + &"-".repeat(BAR.saturating_sub(full));
    let (percent, sent, failed) = (progress.done * 100.0, progress.sent, progress.failed);
    let line = format!("\r[{bar}] {percent:3.0} %  {sent} sent, {failed} failed ");
    say(&mut io::stderr(), &line);
}

fn clear_line() {
    if io::stderr().is_terminal() {
        // A terminal that has gone away does not mind.
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn summary(report: &Report) -> String {
    let mut text = format!(
        "{:<16} {:>10} {:>8} {:>9} {:>9} {:>9} {:>9}  µs from when it was due\n",
        "", "answered", "failed", "p50", "p99", "p99.9", "max"
    );
    for kind in std::iter::once(&report.all).chain(&report.kinds) {
        let latency = &kind.latency;
        text.push_str(&format!(
            "{:<16} {:>10} {:>8} {:>9} {:>9} {:>9} {:>9}\n",
            kind.name,
            kind.answered,
            kind.failed,
            latency.p50,
            latency.p99,
            latency.p999,
            latency.max
        ));
    }
    if let Some(why) = &report.given_up {
        text.push_str(&format!("given up: {why}\n"));
    }
    for doubt in &report.generator.doubts {
        text.push_str(&format!("doubtful, of the generator: {doubt}\n"));
    }
    text
}
