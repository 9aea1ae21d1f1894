//! How many instructions the gateway spends on a request, in user mode.
//!
//! valgrind counts them while a fixed number of requests is answered; the difference of two runs
//! of different length leaves out what starting costs. The count needs no quiet machine and no
//! peer beside it, so it can be held against a baseline in every run of the checks.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use self::callers::Callers;
use self::composed::Composable;
use super::layout::Layout;
use super::peer::{free_addresses, wait_until_ready};
use super::report::{Table, save};
use super::upstream::BODY;
use super::{BenchError, Outcome, read, say, write};
use crate::closed::{Load, Request, Tally};
use crate::process::{Launch, Process};

mod callers;
mod composed;

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
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Open,
    /// Where requests are asked for their caller.
    Guarded,
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
    let per_request = per_request(&gateway, Route::Open).await?;
    let with_known_token = self::per_request(&gateway, Route::Guarded).await?;
    let composed = self::per_request(&gateway, Route::Composed).await?;

    let knowing = with_known_token.saturating_sub(per_request);
    let mut table = Table::new(&["gateway", "instructions/request"]);
    for (name, count) in [
        (NAME.to_owned(), per_request),
        (format!("{NAME}, with a known token"), with_known_token),
        (format!("{NAME}, to know who asks"), knowing),
        (format!("{NAME}, a composed answer"), composed),
    ] {
        table.push(vec![name, count.to_string()]);
    }
    let table = table.to_markdown();
    let (files, broken) = if check {
        let baseline = baseline(&out)?;
        let counts = [
            (per_request, Some(baseline.instructions_per_request)),
            (with_known_token, baseline.with_known_token),
            (composed, baseline.composed),
        ];
        let broken = counts
            .into_iter()
            .find_map(|(found, baseline)| compare(found, baseline?));
        (Vec::new(), broken)
    } else {
        let report = InstructionsReport {
            bench: "instructions".to_owned(),
            instructions_per_request: per_request,
            with_known_token: Some(with_known_token),
            composed: Some(composed),
        };
        let markdown = format!("# Instructions per request\n\n{table}\n{HOW_TO_READ}");
        (save(&out, "instructions", &markdown, &report)?, None)
    };
    let broken = broken.or_else(|| exceeds(knowing));
    Ok(Outcome {
        table,
        files,
        missing: Vec::new(),
        broken,
    })
}

async fn per_request(gateway: &Path, route: Route) -> Result<u64, BenchError> {
    let (few, many) = match route {
        Route::Open | Route::Guarded => (FEW, MANY),
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

fn exceeds(knowing: u64) -> Option<String> {
    (knowing > KNOWING_MAX).then(|| {
        format!("{knowing} instructions are spent on who asks, and {KNOWING_MAX} are promised")
    })
}

/// Instructions of a whole run in which `requests` were answered.
async fn count(gateway: &Path, requests: u64, route: Route) -> Result<u64, BenchError> {
    let dir = tempfile::tempdir().map_err(BenchError::io("cannot make a temporary folder"))?;
    let dir = dir.path();
    let callers = match route {
        Route::Open | Route::Composed => None,
        Route::Guarded => Some(Callers::start(gateway, dir, CONNECTIONS).await?),
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
        Route::Open | Route::Guarded => Subject {
            verb: "gateway",
            config: config_text([address, admin, upstream().await?], dir, callers.as_ref()),
            admin,
            _services: None,
        },
    };
    let counted = dir.join("counted");
    let process = launch(gateway, &subject, (dir, &counted)).await?;
    let request = Request::get(match route {
        Route::Open | Route::Guarded => "/accounts/7",
        Route::Composed => composed::PATH,
    });
    let shown = match &callers {
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
    say(&format!("counted {requests} requests"));
    // Ending it has the count written.
    drop(process);
    total(&read(&counted, "the count")?)
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

    #[test]
    fn knowing_who_asks_may_take_so_much_and_no_more() {
        assert_eq!(exceeds(6_000), None);
        assert!(exceeds(6_001).is_some_and(|said| said.contains("6001")));
    }

    #[test]
    fn five_per_cent_more_are_put_up_with_and_no_more() {
        assert_eq!(compare(105, 100), None);
        assert_eq!(compare(50, 100), None);
        let said = compare(106, 100).unwrap();
        assert!(said.contains("106") && said.contains("1.06"), "{said}");
    }
}
