//! `tollgate load`: put a server under load as a scenario says, and write a report.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use load::open::{self, Environment, Report, Scenario, Setting, Watch};

use super::{EXIT_WRONG_FILE, say};
use progress::Teller;

mod progress;

const HELP: &str = "\
A scenario:

  target: http://127.0.0.1:8080     # https:// with tls: { ca: ca.pem } or tls: { insecure: true };
                                    # tls: { name: shop.example } is whose certificate is expected
  protocol: h1                      # or h2, with streams: 8 under way on each connection
  lasts: 30s                        # up to 24h
  warm_up: 5s                       # in no figure
  rate: 2000                        # a second; or { from: 100, to: 5000 }
  arrivals: poisson                 # or even
  connections: 64                   # to each target, kept; or { new: 64 }: one for each request
  threads: 1
  timeout: 10s
  values:                           # what fills {gaps}; {unique} is always there
    member: { from: 1, to: 10000 }
    token: { file: tokens.txt }     # a line each
    # tokens of a machine, got before anything is sent; and what it shows to get one
    mine: { login: http://127.0.0.1:8081/token, client: shop, secret_file: shop.secret, count: 1000 }
    shop: { basic: shop, secret_file: shop.secret }
  requests:
    - { name: read, weight: 80, get: \"/members/{member}\", headers: { Authorization: \"Bearer {token}\" } }
    - { name: pay, weight: 20, post: /money/transfers, body: '{{\"to\":\"{member}\"}}', expect: [200, 201] }
    - { name: login, post: /token, at: \"http://127.0.0.1:8081\", body_holds: access_token }
  revocations: { rate: 5, of: mine, at: http://127.0.0.1:8081/revoke, probe: read, within: 1s }
  stop: { errors: 5% }
  watch: { gateway: { port: 8080 } } # or { pid: 4711 }; by itself, who listens at the targets

Files are sought beside the scenario. Ready ones are in loadtest/scenarios.
It ends with 0 if all went as expected, 1 if anything failed, 64 if the scenario is wrong.";

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_long_help = HELP
)]
pub(crate) struct Load {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The scenario: what is sent, how often, and what must come back (YAML; --help shows one)
    #[arg(required = true, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// The report; the figures go to a file beside it that ends in `.json`
    #[arg(long, value_name = "FILE", default_value = "load.html")]
    report: PathBuf,
    /// A process under test, whose CPU time and memory the report shows
    #[arg(long, value_name = "[NAME=]PID", value_parser = parse_process)]
    watch_pid: Vec<(String, Watch)>,
    /// The same, told by the port that it listens on
    #[arg(long, value_name = "[NAME=]PORT", value_parser = parse_port)]
    watch_port: Vec<(String, Watch)>,
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
        let mut scenario = match Scenario::load(path) {
            Ok(scenario) => scenario,
            Err(problems) => {
                say(&mut io::stderr(), &problems.to_string());
                return Ok(ExitCode::from(EXIT_WRONG_FILE));
            }
        };
        let watched = self.watch_pid.iter().chain(&self.watch_port);
        scenario.watch.extend(watched.cloned());
        let setting = Setting::of(&scenario);
        let names: Vec<_> = scenario.requests.iter().map(|it| it.name.clone()).collect();
        let environment = Environment::note(now());
        let teller = Teller::new();
        let ran = open::run(scenario, &|progress| teller.tell(progress));
        teller.clear();
        let report = Report::new(setting, &names, &ran?, environment);
        let figures = self.report.with_extension("json");
        write(&self.report, &open::page(&report))?;
        write(&figures, &(serde_json::to_string_pretty(&report)? + "\n"))?;
        say(&mut io::stdout(), &report.summary());
        let (page, figures) = (self.report.display(), figures.display());
        say(
            &mut io::stderr(),
            &format!("written: {page} and {figures}\n"),
        );
        Ok(ExitCode::from(u8::from(!report.is_clean())))
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

fn parse_process(text: &str) -> Result<(String, Watch), String> {
    let (name, number) = named(text, "process");
    match number.parse() {
        Ok(id) if id > 0 => Ok((name, Watch::Process(id))),
        Ok(_) | Err(_) => Err(format!("{number} is no id of a process")),
    }
}

fn parse_port(text: &str) -> Result<(String, Watch), String> {
    let (name, number) = named(text, "port");
    match number.parse() {
        Ok(port) if port > 0 => Ok((name, Watch::Port(port))),
        Ok(_) | Err(_) => Err(format!("{number} is no port")),
    }
}

/// `gateway=8080`; without a name, it is called by its number.
fn named<'a>(text: &'a str, kind: &str) -> (String, &'a str) {
    match text.split_once('=') {
        Some((name, number)) => (name.to_owned(), number),
        None => (format!("{kind} {text}"), text),
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

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_and_ports_have_names_or_are_called_by_their_numbers() {
        let process = |name: &str, id| Ok((name.to_owned(), Watch::Process(id)));
        assert_eq!(parse_process("gateway=7"), process("gateway", 7));
        assert_eq!(parse_process("7"), process("process 7", 7));
        let port = |name: &str, port| Ok((name.to_owned(), Watch::Port(port)));
        assert_eq!(parse_port("65535"), port("port 65535", 65_535));
        for wrong in ["65536", "0", "a=b", ""] {
            assert!(parse_port(wrong).is_err(), "{wrong}");
        }
        for wrong in ["4294967296", "0", "-1"] {
            assert!(parse_process(wrong).is_err(), "{wrong}");
        }
    }
}
