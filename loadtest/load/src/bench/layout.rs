//! Which CPU does what: the proxy has one to itself, everything else shares another.

use std::process::Command;

use serde::Serialize;

use super::{BenchError, read};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Layout {
    pub(super) load_cpu: usize,
    pub(super) proxy_cpu: usize,
}

impl Layout {
    pub(super) fn find() -> Result<Self, BenchError> {
        let status = read("/proc/self/status", "the CPUs of this process")?;
        Self::parse(&status).ok_or(BenchError::Unreadable {
            what: "Cpus_allowed_list",
            text: status,
        })
    }

    /// One core alone makes the proxy and its load compete; the ratios then say little.
    pub(super) fn is_shared(self) -> bool {
        self.load_cpu == self.proxy_cpu
    }

    fn parse(status: &str) -> Option<Self> {
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        let mut cpus = parse_list(list.trim())?.into_iter();
        let load_cpu = cpus.next()?;
        Some(Self {
            load_cpu,
            proxy_cpu: cpus.next().unwrap_or(load_cpu),
        })
    }

    /// Moves this process to the load's CPU; what it starts from now on inherits that.
    pub(super) fn pin_self(self) -> Result<(), BenchError> {
        let output = Command::new("taskset")
            .args([
                "--all-tasks",
                "--cpu-list",
                "--pid",
                &self.load_cpu.to_string(),
            ])
            .arg(std::process::id().to_string())
            .output()
            .map_err(BenchError::io("cannot start taskset"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(BenchError::Failed {
            program: "taskset",
            said,
        })
    }
}

/// Has this process, and whatever it starts from now on, go before everything else that this machine does.
/// False where it has not the right to.
pub(super) fn go_first() -> Result<bool, BenchError> {
    let output = Command::new("chrt")
        .args(["--rr", "--all-tasks", "--pid", "1"])
        .arg(std::process::id().to_string())
        .output()
        .map_err(BenchError::io("cannot start chrt"))?;
    Ok(output.status.success())
}

/// `0-2,5` is 0, 1, 2 and 5.
fn parse_list(list: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_allowed_cpus_are_taken() {
        let cases = [
            ("0-1", Some((0, 1))),
            ("2,5-7", Some((2, 5))),
            ("3", Some((3, 3))),
            ("", None),
            ("a-b", None),
        ];
        for (list, expected) in cases {
            let status = format!("Name:\tx\nCpus_allowed_list:\t{list}\nMems_allowed:\t1\n");
            let layout = Layout::parse(&status).map(|it| (it.load_cpu, it.proxy_cpu));
            assert_eq!(layout, expected, "{list:?}");
        }
        assert_eq!(Layout::parse("Name:\tx\n"), None);
    }
}
