//! The load over HTTP/2: h2load on the load's CPU, and what it says.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::wrk::{LoadErrors, WrkReport};
use super::{BenchError, read, write};

const GRACE: Duration = Duration::from_secs(15);
const PATHS: u32 = 100;

#[derive(Debug)]
pub(super) struct H2load {
    /// The paths that are asked for in turn.
    paths: PathBuf,
    /// A line for every answer.
    log: PathBuf,
    connections: usize,
    /// On each connection.
    streams: usize,
}

impl H2load {
    pub(super) fn new(dir: &Path, connections: usize, streams: usize) -> Result<Self, BenchError> {
        let paths = dir.join("paths.txt");
        let mut lines = String::new();
        for nth in 1..=PATHS {
            // Writing to a string does not fail.
            let _ = writeln!(lines, "http://edge.test/v1/accounts/{nth}");
        }
        write(&paths, &lines)?;
        Ok(Self {
            paths,
            log: dir.join("h2load.log"),
            connections,
            streams,
        })
    }

    pub(super) async fn run(
        &self,
        target: SocketAddr,
        seconds: u64,
    ) -> Result<WrkReport, BenchError> {
        // It adds to a log that is there.
        write(&self.log, "")?;
        let running = Command::new("h2load")
            .args(["--threads", "1"])
            .args(["--clients", &self.connections.to_string()])
            .args(["--max-concurrent-streams", &self.streams.to_string()])
            .args(["--duration", &seconds.to_string()])
            .arg(format!("--base-uri=http://{target}"))
            .arg("--input-file")
            .arg(&self.paths)
            .arg("--log-file")
            .arg(&self.log)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(Duration::from_secs(seconds) + GRACE, running)
            .await
            .map_err(|_| BenchError::Failed {
                program: "h2load",
                said: "it does not end".into(),
            })?
            .map_err(BenchError::io("cannot start h2load"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(BenchError::Failed {
                program: "h2load",
                said: text.into_owned(),
            });
        }
        let under_way = (self.connections * self.streams) as u64;
        let log = read(&self.log, "what h2load logged")?;
        parse(&text, &log, under_way).ok_or_else(|| BenchError::Unreadable {
            what: "h2load's report",
            text: text.into_owned(),
        })
    }
}

/// `under_way` requests at most are cut by the end of the run itself, which is no error.
fn parse(text: &str, log: &str, under_way: u64) -> Option<WrkReport> {
    let mut lines = text.lines().map(str::trim);
    let mut after = |label: &str| lines.find_map(|line| line.strip_prefix(label));
    let rate = after("finished in ")?.split(", ").nth(1)?;
    let requests = after("requests: ")?;
    let statuses = after("status codes: ")?;
    let count = |list: &str, name: &str| {
        let mut parts = list.split(", ").filter_map(|part| part.split_once(' '));
        parts
            .find(|(_, known)| *known == name)
            .and_then(|(number, _)| number.parse::<u64>().ok())
    };
    let errors = LoadErrors {
        read: count(requests, "errored")?.saturating_sub(under_way),
        timeout: count(requests, "timeout")?,
        status: count(statuses, "3xx")? + count(statuses, "4xx")? + count(statuses, "5xx")?,
        ..LoadErrors::default()
    };
    let mut latencies_us = latencies_us(log)?;
    latencies_us.sort_unstable();
    let percentile = |percent: usize| {
        let at = latencies_us.len().saturating_sub(1) * percent / 100;
        latencies_us.get(at).map(|us| *us as f64)
    };
    Some(WrkReport {
        requests: count(statuses, "2xx")?,
        requests_per_second: rate.strip_suffix(" req/s")?.parse().ok()?,
        p50_us: percentile(50)?,
        p99_us: percentile(99)?,
        errors,
    })
}

/// The last of three columns, of answers with the status 200.
fn latencies_us(log: &str) -> Option<Vec<u64>> {
    let mut latencies = Vec::new();
    for line in log.lines() {
        let mut columns = line.split('\t').skip(1);
        if columns.next()? == "200" {
            latencies.push(columns.next()?.parse().ok()?);
        }
    }
    Some(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "starting benchmark...
Application protocol: h2c
Stopped all clients for thread #0

finished in 1.02s, 8000.50 req/s, 531.77KB/s
requests: 8031 total, 8056 started, 8031 done, 8000 succeeded, 31 failed, 31 errored, 0 timeout
status codes: 8000 2xx, 0 3xx, 1 4xx, 2 5xx
traffic: 531.77KB (544528) total, 375.00KB (384000) headers (space savings 51.02%), 15.63KB (16000) data
";
    const LOG: &str = "1\t200\t30\n2\t200\t10\n3\t503\t9999\n4\t200\t20\n5\t-1\t77\n";

    #[test]
    fn a_report_and_its_log_are_read() {
        let report = parse(TEXT, LOG, 32).unwrap();
        let expected = WrkReport {
            requests: 8000,
            requests_per_second: 8000.5,
            p50_us: 20.0,
            p99_us: 20.0,
            errors: LoadErrors {
                status: 3,
                ..LoadErrors::default()
            },
        };
        assert_eq!(report, expected);
        // More than could be under way at the end.
        assert_eq!(parse(TEXT, LOG, 30).unwrap().errors.read, 1);
    }

    #[test]
    fn what_lacks_a_number_is_refused() {
        for label in ["finished in", " req/s", "requests:", " errored", " 2xx"] {
            assert_eq!(parse(&TEXT.replace(label, "?"), LOG, 32), None, "{label}");
        }
        assert_eq!(parse(TEXT, "no log\n", 32), None);
        assert_eq!(parse(TEXT, "", 32), None);
    }
}
