//! CPU time and memory of processes while they are under load.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde::Serialize;

/// One process, and what was seen of it.
#[derive(Clone, Debug, Serialize)]
pub struct Watched {
    pub name: String,
    #[serde(skip)]
    process: u32,
    pub points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    pub at_s: f64,
    /// CPU time since the process began.
    pub cpu_s: f64,
    pub rss_kib: u64,
}

impl Watched {
    pub(super) fn begin(processes: &BTreeMap<String, u32>) -> Vec<Self> {
        let begun = processes.iter().map(|(name, process)| Self {
            name: name.clone(),
            process: *process,
            points: Vec::new(),
        });
        begun.collect()
    }

    pub(super) fn look(watched: &mut [Self], at: Duration) {
        for it in watched {
            // A process that has ended has no more to show.
            it.points.extend(Point::read(it.process, at));
        }
    }

    /// Whole cores that it used on average.
    #[must_use]
    pub fn cores(&self) -> Option<f64> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        let wall = last.at_s - first.at_s;
        (wall > 0.0).then(|| (last.cpu_s - first.cpu_s) / wall)
    }

    #[must_use]
    pub fn rss_kib_max(&self) -> Option<u64> {
        self.points.iter().map(|point| point.rss_kib).max()
    }
}

impl Point {
    fn read(process: u32, at: Duration) -> Option<Self> {
        let mut cpu_ns = 0;
        for task in fs::read_dir(format!("/proc/{process}/task")).ok()? {
            let schedstat = fs::read_to_string(task.ok()?.path().join("schedstat"));
            // A thread may end while it is looked at.
            cpu_ns += schedstat
                .ok()
                .and_then(|text| first_number(&text))
                .unwrap_or_default();
        }
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let rss = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(Self {
            at_s: at.as_secs_f64(),
            cpu_s: cpu_ns as f64 / 1e9,
            rss_kib: first_number(rss)?,
        })
    }
}

/// CPU time of a thread.
pub(super) struct Reading;

impl Reading {
    pub(super) fn of_this_thread() -> Duration {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        Duration::from_nanos(first_number(&text).unwrap_or_default())
    }
}

fn first_number(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_watched() {
        let processes = BTreeMap::from([("self".to_owned(), std::process::id())]);
        let mut watched = Watched::begin(&processes);
        Watched::look(&mut watched, Duration::ZERO);
        Watched::look(&mut watched, Duration::from_secs(1));
        assert!(watched[0].rss_kib_max().unwrap() > 0);
        assert!(watched[0].cores().unwrap() >= 0.0);
    }

    #[test]
    fn a_process_that_is_gone_has_nothing_to_show() {
        let processes = BTreeMap::from([("gone".to_owned(), u32::MAX)]);
        let mut watched = Watched::begin(&processes);
        Watched::look(&mut watched, Duration::ZERO);
        assert_eq!(watched[0].rss_kib_max(), None);
    }
}
