//! How many instructions the gateway spends on a request, in user mode.
//!
//! valgrind counts them while a fixed number of requests is answered; the difference of two runs
//! of different length leaves out what starting costs. The count needs no quiet machine and no
//! peer beside it, so it can be held against a baseline in every run of the checks.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use self::callers::Callers;
use self::composed::Composable;
use self::refused::Refusal;
use super::layout::Layout;
use super::peer::{free_addresses, wait_until_ready};
use super::report::{Table, save};
use super::upstream::BODY;
use super::{BenchError, Outcome, read, say, write};
use crate::closed::{Load, Request, Tally};
use crate::process::{Launch, Process};

mod callers;
mod composed;
mod refused;

const NAME: &str = "tollgate";
const FEW: u64 = 1_000;
const MANY: u64 = 4_000;
const CONNECTIONS: usize = 8;
/// Requests with each token before any is counted.
const WARM_UP: u64 = 50;
/// Composed answers, of which each costs as much as many requests.
const FEW_COMPOSED: u64 = 200;
const MANY_COMPOSED: u64 = 800;
/// How much more than the baseline is put up with.
const EXCESS_MAX: f64 = 1.05;
/// What it may take to know who asks.
const KNOWING_MAX: u64 = 6_000;
/// What a request may cost beyond one without a token, if it is refused for the one it shows.
const REFUSING_MAX: u64 = 16_000;
const PATH: &str = "/accounts/7";

const HOW_TO_READ: &str = "\
## How to read it
User-mode instructions of the gateway per proxied `GET` with a 336-byte answer, access log and
metrics on, counted by valgrind as the difference of a run of 4,000 and one of 1,000 requests over 8
connections. It differs by about one per cent from run to run, and a little between processors; the
checks fail when it exceeds this baseline by more than five per cent.

With a known token each connection shows one of its own, which was looked up before; the route asks
for a scope, and the service is shown a signed token of more than 400 bytes. What that takes beyond the
same request without a caller may be 6,000. Following the log of the identity provider is in the count.
valgrind knows no SHA extensions, so that a hash takes 2,100 instructions here, and a tenth of that on a
processor with them.

What is refused on that route shows a token that is too short, is forged, says itself that it is over, or
was ended before; or none, with as many bytes in a field that nobody reads. 16 clients show 250 each, and
one alone 4,000, of which it is told 429 past the first 300 of every ten seconds. A refusal may cost 16,000
more for a token than for want of one, of which three hashes are 9,000 here.

The composed answer is the list of the bench `compose`: 100 rows whose names are known, and two calls, in
a composer by itself, as the difference of 800 answers and 200.
";

/// What to run.
#[derive(Clone, Debug)]
pub struct InstructionsOptions {
    /// The gateway's binary.
    pub tollgate: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
    /// Hold the count against the report in `out` rather than write a new one.
    pub check: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct InstructionsReport {
    bench: String,
    instructions_per_request: u64,
    /// None in a report from before there were any.
    with_known_token: Option<u64>,
    composed: Option<u64>,
    /// Requests that are refused for their token, or for want of one.
    #[serde(default)]
    refused: BTreeMap<String, u64>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Open,
    /// Where requests are asked for their caller.
    Guarded,
    /// There, by somebody who is refused.
    Refused(Refusal),
    Composed,
}

/// What is counted.
struct Subject {
    verb: &'static str,
    config: String,
    admin: SocketAddr,
    /// What it composes of, for as long as it is counted.
    _services: Option<Composable>,
}

/// Counts, and either writes `instructions.md` and `instructions.json` or checks against them.
pub async fn instructions(options: InstructionsOptions) -> Result<Outcome, BenchError> {
    let InstructionsOptions {
        tollgate,
        out,
        check,
    } = options;
    let Some(gateway) = tollgate else {
        return Ok(Outcome {
            table: String::new(),
            files: Vec::new(),
            missing: vec![NAME],
            broken: None,
        });
    };
    let found = count_all(&gateway).await?;
    let table = found.table();
    let (files, broken) = if check {
        (Vec::new(), found.compare(&baseline(&out)?))
    } else {
        let markdown = format!("# Instructions per request\n\n{table}\n{HOW_TO_READ}");
        (save(&out, "instructions", &markdown, &found)?, None)
    };
    let broken = broken.or_else(|| found.exceeds());
    Ok(Outcome {
        table,
        files,
        missing: Vec::new(),
        broken,
    })
}

async fn count_all(gateway: &Path) -> Result<InstructionsReport, BenchError> {
    let instructions_per_request = per_request(gateway, Route::Open).await?;
    let with_known_token = Some(per_request(gateway, Route::Guarded).await?);
    let mut refused = BTreeMap::new();
    for refusal in Refusal::ALL {
        let count = per_request(gateway, Route::Refused(refusal)).await?;
        refused.insert(refusal.name().to_owned(), count);
    }
    Ok(InstructionsReport {
        bench: "instructions".to_owned(),
        instructions_per_request,
        with_known_token,
        composed: Some(per_request(gateway, Route::Composed).await?),
        refused,
    })
}

impl InstructionsReport {
    fn table(&self) -> String {
        let mut table = Table::new(&["gateway", "instructions/request"]);
        let mut push = |what: &str, count: Option<u64>| {
            if let Some(count) = count {
                table.push(vec![format!("{NAME}{what}"), count.to_string()]);
            }
        };
        push("", Some(self.instructions_per_request));
        push(", with a known token", self.with_known_token);
        push(", to know who asks", self.knowing());
        push(", a composed answer", self.composed);
        for refusal in Refusal::ALL {
            let count = self.refused.get(refusal.name()).copied();
            push(&format!(", {}", refusal.what()), count);
        }
        table.to_markdown()
    }

    fn knowing(&self) -> Option<u64> {
        let known = self.with_known_token?;
        Some(known.saturating_sub(self.instructions_per_request))
    }

    /// The first count that has become more than it was.
    fn compare(&self, baseline: &Self) -> Option<String> {
        let counts = |it: &Self| {
            let one_by_one = [
                Some(it.instructions_per_request),
                it.with_known_token,
                it.composed,
            ];
            let refused = Refusal::ALL.map(|refusal| it.refused.get(refusal.name()).copied());
            one_by_one.into_iter().chain(refused).collect::<Vec<_>>()
        };
        let pairs = counts(self).into_iter().zip(counts(baseline));
        let mut broken = pairs.filter_map(|(found, baseline)| compare(found?, baseline?));
        broken.next()
    }

    /// What is promised whatever the baseline says.
    fn exceeds(&self) -> Option<String> {
        let knowing = self.knowing().filter(|it| *it > KNOWING_MAX).map(|it| {
            format!("{it} instructions are spent on who asks, and {KNOWING_MAX} are promised")
        });
        let without = self.refused.get(Refusal::Unread.name()).copied();
        let refusing = || {
            let dearest = self.refused.values().max().copied();
            let more = dearest?.saturating_sub(without?);
            (more > REFUSING_MAX).then(|| {
                format!(
                    "{more} instructions are spent on a token that is refused, and {REFUSING_MAX} \
                     are promised"
                )
            })
        };
        knowing.or_else(refusing)
    }
}

async fn per_request(gateway: &Path, route: Route) -> Result<u64, BenchError> {
    let (few, many) = match route {
        Route::Open | Route::Guarded | Route::Refused(_) => (FEW, MANY),
        Route::Composed => (FEW_COMPOSED, MANY_COMPOSED),
    };
    let spent = count(gateway, many, route).await?;
    let spent = spent.saturating_sub(count(gateway, few, route).await?);
    Ok(spent / (many - few))
}

fn baseline(out: &Path) -> Result<InstructionsReport, BenchError> {
    let text = read(out.join("instructions.json"), "the baseline")?;
    serde_json::from_str(&text).map_err(|_| BenchError::Unreadable {
        what: "the baseline",
        text,
    })
}

fn compare(found: u64, baseline: u64) -> Option<String> {
    let ratio = found as f64 / baseline.max(1) as f64;
    (ratio > EXCESS_MAX).then(|| {
        format!(
            "{found} instructions per request are {ratio:.2} of the baseline of {baseline}; if that \
             is meant, write a new one with `./dev bench instructions`"
        )
    })
}

/// Instructions of a whole run in which `requests` were answered.
async fn count(gateway: &Path, requests: u64, route: Route) -> Result<u64, BenchError> {
    let dir = tempfile::tempdir().map_err(BenchError::io("cannot make a temporary folder"))?;
    let dir = dir.path();
    let callers = match route {
        Route::Open | Route::Composed => None,
        Route::Guarded | Route::Refused(_) => {
            Some(Callers::start(gateway, dir, CONNECTIONS).await?)
        }
    };
    let [address, admin] = free_addresses()?;
    let subject = match route {
        Route::Composed => {
            let services = Composable::start().await?;
            Subject {
                verb: "composer",
                config: services.config([address, admin]),
                admin,
                _services: Some(services),
            }
        }
        Route::Open | Route::Guarded | Route::Refused(_) => Subject {
            verb: "gateway",
            config: config_text([address, admin, upstream().await?], dir, callers.as_ref()),
            admin,
            _services: None,
        },
    };
    let counted = dir.join("counted");
    let process = launch(gateway, &subject, (dir, &counted)).await?;
    match (route, &callers) {
        (Route::Refused(refusal), Some(callers)) => {
            if refusal == Refusal::Ended {
                callers.end().await?;
            }
            refused::send(refusal, address, callers, requests).await?;
        }
        (_, callers) => serve(route, address, callers.as_ref(), requests).await?,
    }
    say(&format!("counted {requests} requests"));
    // Ending it has the count written.
    drop(process);
    total(&read(&counted, "the count")?)
}

/// Has so many requests served.
async fn serve(
    route: Route,
    address: SocketAddr,
    callers: Option<&Callers>,
    requests: u64,
) -> Result<(), BenchError> {
    let request = Request::get(match route {
        Route::Open | Route::Guarded | Route::Refused(_) => PATH,
        Route::Composed => composed::PATH,
    });
    let shown = match callers {
        None => vec![request; CONNECTIONS],
        // Looked up once, and often enough that by then there is proof that they are still good.
        Some(callers) => callers.shown(&request),
    };
    if route != Route::Open {
        for request in &shown {
            check(&Load::new(address, request.clone()).run(WARM_UP).await)?;
        }
    }
    let requests_of_each = requests / CONNECTIONS as u64;
    let mut running = JoinSet::new();
    for request in shown {
        running.spawn(Load::new(address, request).run(requests_of_each));
    }
    while let Some(Ok(tally)) = running.join_next().await {
        check(&tally)?;
    }
    Ok(())
}

/// Starts what is counted, and waits until it is ready.
async fn launch(
    program: &Path,
    subject: &Subject,
    (dir, counted): (&Path, &Path),
) -> Result<Process, BenchError> {
    let config = dir.join("tollgate.yaml");
    write(&config, &subject.config)?;
    let mut process = Process::start(Launch {
        name: NAME,
        program: "valgrind".into(),
        arguments: vec![
            "--tool=callgrind".into(),
            format!("--callgrind-out-file={}", counted.display()).into(),
            program.into(),
            subject.verb.into(),
            "--config".into(),
            config.into(),
        ],
        dir: dir.to_owned(),
        cpu: Some(Layout::find()?.proxy_cpu),
    })?;
    wait_until_ready(&mut process, subject.admin, "/readyz").await?;
    Ok(process)
}

fn check(tally: &Tally) -> Result<(), BenchError> {
    if tally.is_clean() {
        return Ok(());
    }
    let tally = tally.to_string();
    Err(BenchError::WrongAnswer { name: NAME, tally })
}

fn total(callgrind: &str) -> Result<u64, BenchError> {
    let mut lines = callgrind.lines().rev();
    let total = lines.find_map(|line| {
        let rest = line
            .strip_prefix("totals: ")
            .or_else(|| line.strip_prefix("summary: "))?;
        rest.trim().parse().ok()
    });
    total.ok_or_else(|| BenchError::Unreadable {
        what: "the count",
        text: callgrind.lines().next_back().unwrap_or_default().to_owned(),
    })
}

fn config_text(
    [address, admin, upstream]: [SocketAddr; 3],
    dir: &Path,
    callers: Option<&Callers>,
) -> String {
    let (idp, require) = callers.map_or_else(Default::default, Callers::config);
    format!(
        "listen: [{{ address: \"{address}\" }}]\nadmin: {{ address: \"{admin}\" }}\nthreads: 1\n\
         log: {{ access: {log} }}\ndeadlines: {{ lame_duck: 0s }}\n{idp}\
         services: {{ upstream: {{ endpoints: [\"{upstream}\"] }} }}\n\
         routes: [{{ match: \"GET /{{rest*}}\", to: upstream{require} }}]\n",
        log = dir.join("access.log").display(),
    )
}

/// A service in this process that gives one answer, so that nothing has to be installed.
async fn upstream() -> Result<SocketAddr, BenchError> {
    let failed = || BenchError::io("cannot start the upstream");
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed())?;
    let address = listener.local_addr().map_err(failed())?;
    let mut conversations = JoinSet::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the bench, which it cannot outlive"
    )]
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            conversations.spawn(answer(stream));
        }
    });
    Ok(address)
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut heard = Vec::new();
    while stream.read_buf(&mut heard).await? > 0 {
        while let Some(at) = heard.windows(4).position(|four| four == b"\r\n\r\n") {
            heard.drain(..at + 4);
            stream.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_the_end_of_the_count() {
        assert_eq!(
            total("events: Ir\nfn=main\n1 2\ntotals: 331\n").ok(),
            Some(331)
        );
        assert_eq!(total("summary: 12\n").ok(), Some(12));
        assert!(total("events: Ir\n").is_err());
    }

    fn report() -> InstructionsReport {
        let refused = [("without_token", 20_000), ("forged", 20_000 + REFUSING_MAX)];
        InstructionsReport {
            bench: "instructions".to_owned(),
            instructions_per_request: 30_000,
            with_known_token: Some(30_000 + KNOWING_MAX),
            composed: None,
            refused: refused.map(|(name, count)| (name.to_owned(), count)).into(),
        }
    }

    #[test]
    fn knowing_who_asks_and_refusing_may_take_so_much_and_no_more() {
        assert_eq!(report().exceeds(), None);
        let mut knows = report();
        knows.with_known_token = Some(30_001 + KNOWING_MAX);
        assert!(knows.exceeds().is_some_and(|said| said.contains("6001")));
        let mut refuses = report();
        let dearer = 20_001 + REFUSING_MAX;
        refuses.refused.insert("expired".to_owned(), dearer);
        assert!(refuses.exceeds().is_some_and(|said| said.contains("16001")));
    }

    #[test]
    fn each_count_is_held_against_its_own_and_what_was_not_counted_before_against_none() {
        assert_eq!(report().compare(&report()), None);
        let changes: [fn(&mut InstructionsReport); 3] = [
            |it| it.instructions_per_request *= 2,
            |it| it.with_known_token = it.with_known_token.map(|it| it * 2),
            |it| {
                it.refused.insert("forged".to_owned(), 70_001);
            },
        ];
        for change in changes {
            let mut changed = report();
            change(&mut changed);
            assert!(changed.compare(&report()).is_some(), "{changed:?}");
        }
        let mut older = report();
        older.refused.clear();
        older.with_known_token = None;
        assert_eq!(report().compare(&older), None);
    }

    #[test]
    fn five_per_cent_more_are_put_up_with_and_no_more() {
        assert_eq!(compare(105, 100), None);
        assert_eq!(compare(50, 100), None);
        let said = compare(106, 100).unwrap();
        assert!(said.contains("106") && said.contains("1.06"), "{said}");
    }
}
