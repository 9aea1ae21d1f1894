//! What a stop costs those who are being served: nothing, a hundred times in a row.
//!
//! Under load the gateway gets SIGTERM, again and again. Every client honours `Connection: close`.
//! A request that was taken and not answered by the service is lost; one loss breaks the promise.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::conditions::Conditions;
use super::gateway::Gateway;
use super::report::{Table, save, show, show_conditions};
use super::stats::Spread;
use super::workbench::Workbench;
use super::{BenchError, Outcome, say};
use crate::closed::{Load, Request, Tally};

const CONNECTIONS: usize = 32;
const ANSWERS_BEFORE: u64 = 500;
const LAME_DUCK: Duration = Duration::from_millis(200);
const DRAIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

const HOW_TO_READ: &str = "\
## How to read it
1. Each stop: the gateway is started afresh, 32 keep-alive connections send requests as fast as they are
   answered, SIGTERM comes, the clients go on as long as somebody listens, the process ends by itself.
2. Lost is every request that found a listener and got no answer of the service: an error, a reset, an
   answer of the gateway's own. Once nobody listens any more a connection is refused; that is no loss.
3. Sent again are requests on a kept connection that the gateway closed before a byte of an answer,
   which a client may always do with a read. The stop took the lame-duck time of 200 ms and what was
   under way then.
";

/// What to run.
#[derive(Clone, Debug)]
pub struct DrainOptions {
    pub stops: u32,
    /// The gateway's binary.
    pub tollgate: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
}

#[derive(Debug, Serialize)]
struct DrainReport {
    bench: &'static str,
    conditions: Conditions,
    stops: Vec<Stop>,
}

#[derive(Clone, Debug, Serialize)]
struct Stop {
    answered: u64,
    lost: u64,
    resent: u64,
    told_to_close: u64,
    exit_code: Option<i32>,
    took_ms: u64,
}

/// Measures, writes `drain.md` and `drain.json`.
pub async fn drain(options: DrainOptions) -> Result<Outcome, BenchError> {
    let DrainOptions {
        stops,
        tollgate,
        out,
    } = options;
    let bench = Workbench::set_up(CONNECTIONS, tollgate).await?;
    let conditions = Conditions::note(&bench, format!("stops: {stops}")).await?;
    let mut measured = Vec::new();
    for number in 1..=stops {
        let stop = measure(&bench).await?;
        if number % 10 == 0 || !stop.is_clean() {
            say(&format!("stop {number}/{stops}  {} lost", stop.lost));
        }
        measured.push(stop);
    }
    let table = table(&measured).to_markdown();
    let broken = verdict(&measured);
    let report = DrainReport {
        bench: "drain",
        conditions,
        stops: measured,
    };
    let files = save(&out, "drain", &markdown(&report, &table), &report)?;
    Ok(Outcome {
        table,
        files,
        missing: Vec::new(),
        broken,
    })
}

async fn measure(bench: &Workbench) -> Result<Stop, BenchError> {
    let rest = format!(
        "deadlines: {{ lame_duck: {}ms, drain: {}s }}\n\
         services: {{ s: {{ endpoints: [\"{}\"] }} }}\n\
         routes: [{{ match: \"GET /v1/accounts/{{id}}\", to: s }}]\n",
        LAME_DUCK.as_millis(),
        DRAIN.as_secs(),
        bench.site.upstream
    );
    let mut gateway = Gateway::start(bench, &rest).await?;
    let load = Load {
        connections: CONNECTIONS,
        ..Load::new(gateway.address, Request::get("/v1/accounts/1"))
    };
    let running = load.start();
    let warm = running.answers(ANSWERS_BEFORE, DRAIN).await;
    warm.map_err(|few| gateway.wrong_answer(&few.to_string()))?;
    let began = Instant::now();
    gateway.process.terminate();
    let (exit_code, took) = ended(&mut gateway, began).await;
    let tally = running.stop().await;
    Ok(Stop {
        answered: tally.ok,
        lost: lost(&tally),
        resent: tally.resent,
        told_to_close: tally.closed,
        exit_code,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    })
}

/// The exit code, and how long it took; none where the process did not end by itself in time.
async fn ended(gateway: &mut Gateway, began: Instant) -> (Option<i32>, Duration) {
    while began.elapsed() < LAME_DUCK + DRAIN * 2 {
        if let Some(code) = gateway.process.exit_code() {
            return (Some(code), began.elapsed());
        }
        sleep(POLL).await;
    }
    (None, began.elapsed())
}

/// What found a listener and came to nothing.
fn lost(tally: &Tally) -> u64 {
    let failed = tally.errors.total() - tally.errors.connect;
    failed + (tally.answered() - tally.ok)
}

impl Stop {
    fn is_clean(&self) -> bool {
        self.lost == 0 && self.exit_code == Some(0)
    }
}

/// The promise, if it was broken.
fn verdict(stops: &[Stop]) -> Option<String> {
    let broken = stops.iter().filter(|stop| !stop.is_clean()).count();
    let lost: u64 = stops.iter().map(|stop| stop.lost).sum();
    (broken > 0).then(|| {
        format!(
            "{broken} stops of {} were not clean; {lost} requests lost",
            stops.len()
        )
    })
}

fn table(stops: &[Stop]) -> Table {
    let mut table = Table::new(&[
        "stops",
        "requests answered",
        "lost",
        "sent again",
        "told to close",
        "exit code other than 0",
        "ms from SIGTERM to exit",
    ]);
    let sum = |count: fn(&Stop) -> u64| stops.iter().map(count).sum::<u64>().to_string();
    let unclean = stops
        .iter()
        .filter(|stop| stop.exit_code != Some(0))
        .count();
    table.push(vec![
        stops.len().to_string(),
        sum(|stop| stop.answered),
        sum(|stop| stop.lost),
        sum(|stop| stop.resent),
        sum(|stop| stop.told_to_close),
        unclean.to_string(),
        show(Spread::of(stops.iter().map(|stop| stop.took_ms as f64)), 0),
    ]);
    table
}

fn markdown(report: &DrainReport, table: &str) -> String {
    format!(
        "# Drain: what a stop costs those who are being served\n\n{table}\n{HOW_TO_READ}\n\
         ## Conditions\n{conditions}",
        conditions = show_conditions(&report.conditions),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lost_request_breaks_the_promise_and_so_does_a_process_that_stays() {
        let clean = Stop {
            answered: 10,
            lost: 0,
            resent: 0,
            told_to_close: 4,
            exit_code: Some(0),
            took_ms: 200,
        };
        let with = |lost, exit_code| Stop {
            lost,
            exit_code,
            ..clean.clone()
        };
        #[rustfmt::skip]
        let cases = [
            (vec![clean.clone(), clean.clone()],     false),
            (vec![clean.clone(), with(1, Some(0))],  true),
            (vec![with(0, Some(1))],                 true),
            (vec![with(0, None)],                    true),
        ];
        for (stops, expected) in cases {
            assert_eq!(verdict(&stops).is_some(), expected, "{stops:?}");
        }
    }
}
