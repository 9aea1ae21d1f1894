//! The load: wrk on the load's CPU, and what it says.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use tokio::process::Command;
use tokio::time::timeout;

use super::{BenchError, write};

/// A hundred paths in turn, made once so that the script costs little per request.
const SCRIPT: &str = r#"
local requests, turn = {}, 0
init = function(args)
  for i = 1, 100 do requests[i] = wrk.format("GET", "/v1/accounts/" .. i) end
end
request = function()
  turn = turn % 100 + 1
  return requests[turn]
end
"#;

const GRACE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Wrk {
    script: PathBuf,
    connections: usize,
}

/// What wrk printed at its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct WrkReport {
    pub(super) requests: u64,
    pub(super) requests_per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) errors: LoadErrors,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct LoadErrors {
    pub(super) connect: u64,
    pub(super) read: u64,
    pub(super) write: u64,
    pub(super) timeout: u64,
    /// Answers other than 2xx and 3xx.
    pub(super) status: u64,
}

impl LoadErrors {
    pub(super) fn total(self) -> u64 {
        self.connect + self.read + self.write + self.timeout + self.status
    }
}

impl Wrk {
    pub(super) fn new(dir: &Path, connections: usize) -> Result<Self, BenchError> {
        Self::with_script(dir.join("paths.lua"), SCRIPT, connections)
    }

    /// Load that a script of its own says what to send of.
    pub(super) fn with_script(
        script: PathBuf,
        text: &str,
        connections: usize,
    ) -> Result<Self, BenchError> {
        write(&script, text)?;
        Ok(Self {
            script,
            connections,
        })
    }

    pub(super) async fn run(
        &self,
        target: SocketAddr,
        seconds: u64,
    ) -> Result<WrkReport, BenchError> {
        let running = Command::new("wrk")
            .args(["--threads", "1", "--latency"])
            .args(["--connections", &self.connections.to_string()])
            .args(["--duration", &format!("{seconds}s")])
            .arg("--script")
            .arg(&self.script)
            .arg(format!("http://{target}/"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(Duration::from_secs(seconds) + GRACE, running)
            .await
            .map_err(|_| BenchError::Failed {
                program: "wrk",
                said: "it does not end".into(),
            })?
            .map_err(BenchError::io("cannot start wrk"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(BenchError::Failed {
                program: "wrk",
                said: text.into_owned(),
            });
        }
        WrkReport::parse(&text)
    }
}

impl WrkReport {
    pub(super) fn parse(text: &str) -> Result<Self, BenchError> {
        Self::find(text).ok_or_else(|| BenchError::Unreadable {
            what: "wrk's report",
            text: text.to_owned(),
        })
    }

    fn find(text: &str) -> Option<Self> {
        let after = |label: &str| {
            let mut lines = text.lines().map(str::trim);
            lines
                .find_map(|line| line.strip_prefix(label))
                .map(str::trim)
        };
        let mut totals = text
            .lines()
            .filter_map(|line| line.trim().split_once(" requests in "));
        let mut errors = LoadErrors::default();
        if let Some(list) = after("Socket errors:") {
            errors = parse_socket_errors(list)?;
        }
        if let Some(count) = after("Non-2xx or 3xx responses:") {
            errors.status = count.parse().ok()?;
        }
        Some(Self {
            requests: totals.next()?.0.parse().ok()?,
            requests_per_second: after("Requests/sec:")?.parse().ok()?,
            p50_us: parse_time_us(after("50%")?)?,
            p99_us: parse_time_us(after("99%")?)?,
            errors,
        })
    }
}

/// `connect 0, read 1, write 2, timeout 3`
fn parse_socket_errors(list: &str) -> Option<LoadErrors> {
    let mut errors = LoadErrors::default();
    for part in list.split(", ") {
        let (name, count) = part.split_once(' ')?;
        let field = match name {
            "connect" => &mut errors.connect,
            "read" => &mut errors.read,
            "write" => &mut errors.write,
            "timeout" => &mut errors.timeout,
            _ => return None,
        };
        *field = count.parse().ok()?;
    }
    Some(errors)
}

/// `838.00us`, `1.44ms`, `2.00s` or `1.00m`, in microseconds.
fn parse_time_us(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 60e6)];
    let (number, unit) = units
        .iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))?;
    Some(number.parse::<f64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str = "Running 5s test @ http://127.0.0.1:18080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.31ms    1.07ms  14.41ms   90.15%
    Req/Sec     1.72k    83.23     1.85k    81.82%
  Latency Distribution
     50%  838.00us
     75%    2.59ms
     90%    3.10ms
     99%    6.90ms
  335432 requests in 5.00s, 0.93MB read
Requests/sec:  67086.40
Transfer/sec:    869.14KB
";

    #[test]
    fn a_clean_report_is_read() {
        let report = WrkReport::parse(CLEAN).unwrap();
        assert_eq!(
            report,
            WrkReport {
                requests: 335_432,
                requests_per_second: 67086.40,
                p50_us: 838.0,
                p99_us: 6900.0,
                errors: LoadErrors::default(),
            }
        );
    }

    #[test]
    fn errors_are_read() {
        let text = format!(
            "{CLEAN}  Socket errors: connect 1, read 2, write 3, timeout 4\n  \
             Non-2xx or 3xx responses: 1882\n"
        );
        let errors = WrkReport::parse(&text).unwrap().errors;
        let expected = LoadErrors {
            connect: 1,
            read: 2,
            write: 3,
            timeout: 4,
            status: 1882,
        };
        assert_eq!(errors, expected);
        assert_eq!(errors.total(), 1892);
    }

    #[test]
    fn what_lacks_a_number_is_refused() {
        for label in ["requests in", "Requests/sec:", "50%", "99%"] {
            assert!(
                WrkReport::parse(&CLEAN.replace(label, "?")).is_err(),
                "{label}"
            );
        }
        let odd = format!("{CLEAN}  Socket errors: connect 1, other 2\n");
        assert!(WrkReport::parse(&odd).is_err());
    }

    #[test]
    fn times_carry_units() {
        let cases = [
            ("838.00us", Some(838.0)),
            ("1.44ms", Some(1440.0)),
            ("2.00s", Some(2e6)),
            ("1.50m", Some(90e6)),
            ("7", None),
            ("xs", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_time_us(text), expected, "{text}");
        }
    }
}
