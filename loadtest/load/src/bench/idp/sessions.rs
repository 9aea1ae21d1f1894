//! How much memory does an identity provider need that keeps a million sessions?
//!
//! A real process is filled over its own endpoint, started anew, looked at while it rests, made to work
//! by machines and by people, and looked at again once it rests.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::sleep;

use super::call::issue_request;
use super::crowd::Crowd;
use super::provider::{Provider, Which};
use crate::bench::conditions::{Conditions, version};
use crate::bench::layout::Layout;
use crate::bench::memory::{pss_kib, rss_kib};
use crate::bench::report::{Table, save, show_conditions, show_missing};
use crate::bench::{BenchError, Outcome, fds, say};

/// Longer than anything that is kept for a while after work is done.
const REST: Duration = Duration::from_secs(20);
const WORK: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
const RESIDENT_MIB_MAX: f64 = 60.0;
const NAME: &str = "tollgate";

const HOW_TO_READ: &str = "\
## How to read it
1. Every session was begun by a request to `/token`, with a token of its own that is live to the end.
2. The process is then ended and started anew. `at rest` is 20 s after it was ready; `at work` the moment
   after 10 s in which machines ask for tokens on as many connections and people sign in; `after work`
   20 s later, with nothing to do.
3. Resident is what an operator sees (`VmRSS`), the program itself and pages shared with others included;
   proportional counts a shared page once. The promise is 60 MiB resident at rest, before and after work.
";

/// What to run.
#[derive(Clone, Debug)]
pub struct SessionsOptions {
    pub sessions: u64,
    /// Connections of the machines.
    pub connections: usize,
    /// People who sign in at the same time.
    pub people: usize,
    /// The identity provider's binary; without one there is nothing to measure.
    pub tollgate: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Size {
    when: &'static str,
    resident_mib: f64,
    proportional_mib: f64,
}

#[derive(Debug, Serialize)]
struct SessionsReport {
    bench: &'static str,
    conditions: Conditions,
    missing: Vec<&'static str>,
    sessions: u64,
    sessions_per_second: f64,
    store_bytes: u64,
    opened_after_ms: f64,
    sizes: Vec<Size>,
}

/// Measures, writes `sessions.md` and `sessions.json`.
pub async fn sessions(options: SessionsOptions) -> Result<Outcome, BenchError> {
    let Some(program) = &options.tollgate else {
        return Ok(Outcome {
            table: String::new(),
            files: Vec::new(),
            missing: vec![NAME],
            broken: None,
        });
    };
    fds::raise_limit()?;
    let layout = Layout::find()?;
    layout.pin_self()?;
    let dir = tempfile::tempdir().map_err(BenchError::io("cannot make a temporary folder"))?;
    let versions = vec![version(NAME, program, "--version").await?];
    let flags = format!(
        "{} sessions; connections: {}; people: {}",
        options.sessions, options.connections, options.people
    );
    let said = "provider alone on one CPU, load on another; store on a disk";
    let conditions = Conditions::of(said, versions, flags).await?;
    let start = || Provider::start(Which::Tollgate, program, dir.path(), layout.proxy_cpu);

    let filled = start().await?;
    let sessions_per_second = fill(&filled, &options).await?;
    end(filled).await;
    let store_bytes = Which::Tollgate.store_bytes(dir.path())?;
    let began = now();
    let provider = start().await?;
    let opened_after = began.elapsed();
    let sizes = look(&provider, &options).await?;
    let report = SessionsReport {
        bench: "sessions",
        conditions,
        missing: Vec::new(),
        sessions: options.sessions,
        sessions_per_second,
        store_bytes,
        opened_after_ms: opened_after.as_secs_f64() * 1e3,
        sizes,
    };
    let table = report.table();
    let files = save(&options.out, "sessions", &report.markdown(&table), &report)?;
    Ok(Outcome {
        table,
        files,
        broken: report.verdict(),
        missing: report.missing,
    })
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}

async fn fill(provider: &Provider, options: &SessionsOptions) -> Result<f64, BenchError> {
    let mut load = provider.load(issue_request(provider));
    load.connections = options.connections;
    let began = now();
    let tally = load.run(options.sessions).await;
    if !tally.is_clean() {
        return Err(provider.wrong_answer(&tally.to_string()));
    }
    let rate = options.sessions as f64 / began.elapsed().as_secs_f64();
    say(&format!("{} sessions begun, {rate:.0}/s", options.sessions));
    Ok(rate)
}

async fn end(mut provider: Provider) {
    provider.process.terminate();
    while !provider.process.has_ended() {
        sleep(POLL).await;
    }
}

async fn look(provider: &Provider, options: &SessionsOptions) -> Result<Vec<Size>, BenchError> {
    sleep(REST).await;
    let mut sizes = vec![measure(provider, "at rest")?];
    let mut load = provider.load(issue_request(provider));
    load.connections = options.connections;
    let crowd = Crowd::gather(provider, options.people).await;
    let running = load.start();
    sleep(WORK).await;
    sizes.push(measure(provider, "at work")?);
    let tally = running.stop().await;
    if !tally.is_clean() {
        return Err(provider.wrong_answer(&tally.to_string()));
    }
    if let Some(fault) = crowd.stop().await.fault {
        return Err(provider.wrong_answer(&format!("a login: {fault}")));
    }
    sleep(REST).await;
    sizes.push(measure(provider, "after work")?);
    Ok(sizes)
}

fn measure(provider: &Provider, when: &'static str) -> Result<Size, BenchError> {
    let family = provider.process.family()?;
    let mib = |kib: u64| kib as f64 / 1024.0;
    let size = Size {
        when,
        resident_mib: mib(rss_kib(&family)?),
        proportional_mib: mib(pss_kib(&family)?),
    };
    say(&format!("{when}: {:.1} MiB resident", size.resident_mib));
    Ok(size)
}

impl SessionsReport {
    fn table(&self) -> String {
        let mut sizes = Table::new(&["when", "resident MiB", "proportional MiB"]);
        for size in &self.sizes {
            sizes.push(vec![
                size.when.to_owned(),
                format!("{:.1}", size.resident_mib),
                format!("{:.1}", size.proportional_mib),
            ]);
        }
        let mut store = Table::new(&[
            "sessions",
            "begun/s",
            "store MiB",
            "bytes each",
            "ready after ms",
        ]);
        store.push(vec![
            self.sessions.to_string(),
            format!("{:.0}", self.sessions_per_second),
            (self.store_bytes >> 20).to_string(),
            (self.store_bytes / self.sessions.max(1)).to_string(),
            format!("{:.0}", self.opened_after_ms),
        ]);
        format!("{}\n{}", sizes.to_markdown(), store.to_markdown())
    }

    /// The promise that was broken.
    fn verdict(&self) -> Option<String> {
        let mut resting = self.sizes.iter().filter(|size| size.when != "at work");
        let large = resting.find(|size| size.resident_mib > RESIDENT_MIB_MAX)?;
        Some(format!(
            "{:.1} MiB are resident {} and {RESIDENT_MIB_MAX} are promised",
            large.resident_mib, large.when
        ))
    }

    fn markdown(&self, table: &str) -> String {
        format!(
            "# Sessions: memory of an identity provider that keeps {}\n\n{missing}{table}\n\
             {HOW_TO_READ}\n## Conditions\n{conditions}",
            self.sessions,
            missing = show_missing(&self.missing),
            conditions = show_conditions(&self.conditions),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promise_is_about_rest_before_and_after_work() {
        for (sizes, is_kept) in [
            ([60.0, 90.0, 60.0], true),
            ([60.1, 90.0, 60.0], false),
            ([60.0, 90.0, 60.1], false),
        ] {
            let whens = ["at rest", "at work", "after work"];
            let sized = whens
                .into_iter()
                .zip(sizes)
                .map(|(when, resident_mib)| Size {
                    when,
                    resident_mib,
                    proportional_mib: 0.0,
                });
            let report = SessionsReport {
                bench: "sessions",
                conditions: Conditions::made_up("few"),
                missing: Vec::new(),
                sessions: 1,
                sessions_per_second: 1.0,
                store_bytes: 1,
                opened_after_ms: 1.0,
                sizes: sized.collect(),
            };
            assert_eq!(report.verdict().is_none(), is_kept, "{sizes:?}");
        }
    }
}
