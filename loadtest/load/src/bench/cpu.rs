//! CPU time of processes, to the nanosecond: `/proc/PID/task/*/schedstat`.
//!
//! `/proc/PID/stat` counts in ticks of 10 ms and charges a whole tick to whoever runs when it
//! strikes; the scheduler's own account does neither.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

use super::BenchError;

/// What programs are told in ticks is told in hundredths, whatever the kernel counts in.
const TICKS_PER_SECOND: f64 = 100.0;

/// Time on a CPU of every thread, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CpuTimes {
    /// By process and thread id, in nanoseconds.
    threads: BTreeMap<(u32, u32), u64>,
}

/// What was spent between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) ns: u64,
    /// Threads whose time since the first moment is lost, because they ended in between.
    pub(super) threads_ended: usize,
}

/// Time on a CPU of these processes since they began.
pub(crate) fn cpu_time(processes: &[u32]) -> Result<Duration, BenchError> {
    let times = CpuTimes::read(processes)?;
    Ok(Duration::from_nanos(times.since(&CpuTimes::default()).ns))
}

impl CpuTimes {
    pub(super) fn read(processes: &[u32]) -> Result<Self, BenchError> {
        let mut threads = BTreeMap::new();
        for process in processes {
            let tasks = fs::read_dir(format!("/proc/{process}/task"))
                .map_err(BenchError::io("cannot list the threads of a peer"))?;
            for task in tasks.filter_map(Result::ok) {
                let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok())
                else {
                    continue;
                };
                match fs::read_to_string(task.path().join("schedstat")) {
                    Ok(text) => threads.insert((*process, thread), parse_schedstat(&text)?),
                    // It ended between the listing and the reading.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(source) => {
                        let what = "cannot read the CPU time of a thread".to_owned();
                        return Err(BenchError::Io { what, source });
                    }
                };
            }
        }
        Ok(Self { threads })
    }

    pub(super) fn since(&self, before: &Self) -> Spent {
        let spent = self.threads.iter().map(|(thread, now)| {
            let then = before.threads.get(thread).copied().unwrap_or(0);
            now.saturating_sub(then)
        });
        let ended = before
            .threads
            .keys()
            .filter(|thread| !self.threads.contains_key(thread));
        Spent {
            ns: spent.sum(),
            threads_ended: ended.count(),
        }
    }
}

/// CPU time in seconds of a process that has ended and that nobody has waited for yet; none while it
/// runs. Its threads are gone, so this is the account of the whole process, in ticks.
pub(super) fn spent_by_ended(process: u32) -> Result<Option<f64>, BenchError> {
    let text = super::read(format!("/proc/{process}/stat"), "the account of a process")?;
    parse_ended(&text).ok_or(BenchError::Unreadable { what: "stat", text })
}

/// Behind the name come the state and, as the twelfth and thirteenth, the times in user and system.
fn parse_ended(text: &str) -> Option<Option<f64>> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    if fields.next()? != "Z" {
        return Some(None);
    }
    let user: u64 = fields.nth(10)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Some((user + system) as f64 / TICKS_PER_SECOND))
}

/// The first of three numbers is the time on a CPU in nanoseconds.
fn parse_schedstat(text: &str) -> Result<u64, BenchError> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
    match (
        numbers.next(),
        numbers.next(),
        numbers.next(),
        numbers.next(),
    ) {
        (Some(Ok(on_cpu)), Some(Ok(_)), Some(Ok(_)), None) => Ok(on_cpu),
        _ => Err(BenchError::Unreadable {
            what: "schedstat",
            text: text.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_is_three_numbers() {
        let cases = [
            ("0 0 1\n", Some(0)),
            ("123456789012 34 56\n", Some(123_456_789_012)),
            ("", None),
            ("1 2\n", None),
            ("1 2 3 4\n", None),
            ("-1 2 3\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_schedstat(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_an_ended_process_spent_is_in_its_stat() {
        let rest = "42 1 1 0 -1 4194304 1 2 3 4 150 25 7 8 20 0 1 0 987654 0 0";
        let cases = [
            (format!("7 (wrk) Z {rest}"), Some(Some(1.75))),
            (format!("7 (a) b) S {rest}"), Some(None)),
            ("7 (wrk) Z 42".to_owned(), None),
            (String::new(), None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_ended(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn spent_is_summed_over_threads_that_come_and_go() {
        let before = CpuTimes {
            threads: [((1, 1), 100), ((1, 2), 50)].into(),
        };
        let after = CpuTimes {
            threads: [((1, 1), 180), ((1, 3), 7)].into(),
        };
        assert_eq!(
            after.since(&before),
            Spent {
                ns: 87,
                threads_ended: 1
            }
        );
    }

    #[test]
    fn this_process_has_spent_some() {
        let times = CpuTimes::read(&[std::process::id()]).unwrap();
        assert!(times.since(&CpuTimes::default()).ns > 0);
    }
}
