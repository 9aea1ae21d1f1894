//! CPU time and memory of processes while they are under load.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

use super::scenario::{Target, Watch};

/// One server, which may be several processes, and what was seen of it.
#[derive(Clone, Debug, Serialize)]
pub struct Watched {
    pub name: String,
    #[serde(skip)]
    processes: Vec<u32>,
    pub points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    pub at_s: f64,
    /// CPU time since the processes began.
    pub cpu_s: f64,
    pub rss_kib: u64,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum WatchError {
    #[error("`{name}`: there is no process {id}")]
    Process { name: String, id: u32 },
    #[error("`{name}`: nobody who can be seen listens on port {port} of this machine")]
    Port { name: String, port: u16 },
}

impl Watched {
    /// Those that are named; if none is, whoever listens at a target on this machine and can be seen.
    pub(super) fn begin(
        named: &BTreeMap<String, Watch>,
        targets: &[Target],
    ) -> Result<Vec<Self>, WatchError> {
        if named.is_empty() {
            return Ok(listeners(targets));
        }
        let watched = named.iter().map(|(name, watch)| {
            let name = name.clone();
            match watch {
                Watch::Process(id) if Point::read(&[*id], Duration::ZERO).is_none() => {
                    Err(WatchError::Process { name, id: *id })
                }
                Watch::Process(id) => Ok(Self::new(name, vec![*id])),
                Watch::Port(port) => match listening_on(*port) {
                    processes if processes.is_empty() => {
                        Err(WatchError::Port { name, port: *port })
                    }
                    processes => Ok(Self::new(name, processes)),
                },
            }
        });
        watched.collect()
    }

    fn new(name: String, processes: Vec<u32>) -> Self {
        Self {
            name,
            processes,
            points: Vec::new(),
        }
    }

    pub(super) fn look(watched: &mut [Self], at: Duration) {
        for it in watched {
            // Processes that have ended have no more to show.
            it.points.extend(Point::read(&it.processes, at));
        }
    }

    /// Whole cores that it used on average.
    #[must_use]
    pub fn cores(&self) -> Option<f64> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        let wall = last.at_s - first.at_s;
        (wall > 0.0).then(|| ((last.cpu_s - first.cpu_s) / wall).max(0.0))
    }

    #[must_use]
    pub fn rss_kib_max(&self) -> Option<u64> {
        self.points.iter().map(|point| point.rss_kib).max()
    }
}

fn listeners(targets: &[Target]) -> Vec<Watched> {
    let local = targets.iter().filter(|it| it.address.ip().is_loopback());
    let mut seen = BTreeSet::new();
    let found = local.filter_map(|target| {
        let processes = listening_on(target.address.port());
        let first = *processes.first()?;
        let name = fs::read_to_string(format!("/proc/{first}/comm")).ok()?;
        seen.insert(first)
            .then(|| Watched::new(name.trim().to_owned(), processes))
    });
    found.collect()
}

/// The processes that hold a socket listening there.
fn listening_on(port: u16) -> Vec<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let tables = tables.into_iter().flatten();
    let sockets: BTreeSet<_> = tables
        .flat_map(|table| {
            let lines = table.lines().filter_map(|line| listening(line, port));
            lines.collect::<Vec<_>>()
        })
        .collect();
    if sockets.is_empty() {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut ids: Vec<u32> = ids.filter(|id| holds(*id, &sockets)).collect();
    ids.sort_unstable();
    ids
}

/// What a line of the table calls the socket, if that listens on this port.
fn listening(line: &str, port: u16) -> Option<String> {
    const LISTENS: &str = "0A";
    let mut words = line.split_ascii_whitespace();
    let (_, at) = words.nth(1)?.rsplit_once(':')?;
    let is_there = u16::from_str_radix(at, 16).ok()? == port;
    let is_listening = words.nth(1)? == LISTENS;
    let inode = words.nth(5)?;
    (is_there && is_listening).then(|| format!("socket:[{inode}]"))
}

fn holds(process: u32, sockets: &BTreeSet<String>) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else {
        return false;
    };
    let mut links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    links.any(|link| sockets.contains(link.to_string_lossy().as_ref()))
}

impl Point {
    /// Of all that are left; none if all have ended.
    fn read(processes: &[u32], at: Duration) -> Option<Self> {
        let read = processes.iter().filter_map(|id| read_process(*id));
        let (cpu_ns, rss_kib) = read.reduce(|sum, one| (sum.0 + one.0, sum.1 + one.1))?;
        Some(Self {
            at_s: at.as_secs_f64(),
            cpu_s: cpu_ns as f64 / 1e9,
            rss_kib,
        })
    }
}

/// CPU time in nanoseconds, and KiB of memory.
fn read_process(process: u32) -> Option<(u64, u64)> {
    let mut cpu_ns = 0;
    for task in fs::read_dir(format!("/proc/{process}/task")).ok()? {
        // A thread may end while it is looked at.
        cpu_ns += Reading::of(&task.ok()?.path()).on_cpu.as_nanos();
    }
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let rss_kib = rss.split_ascii_whitespace().next()?.parse().ok()?;
    Some((u64::try_from(cpu_ns).ok()?, rss_kib))
}

/// What a thread had of its CPU, and how long it was kept from it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    pub(super) on_cpu: Duration,
    pub(super) kept_waiting: Duration,
}

impl Reading {
    pub(super) fn of_this_thread() -> Self {
        Self::of(Path::new("/proc/thread-self"))
    }

    fn of(task: &Path) -> Self {
        let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        let mut numbers = text.split_ascii_whitespace().map(|it| it.parse().ok());
        let mut next = || Duration::from_nanos(numbers.next().flatten().unwrap_or_default());
        Self {
            on_cpu: next(),
            kept_waiting: next(),
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.on_cpu += other.on_cpu;
        self.kept_waiting += other.kept_waiting;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn begin(watch: Watch) -> Result<Vec<Watched>, WatchError> {
        let named = BTreeMap::from([("it".to_owned(), watch)]);
        Watched::begin(&named, &[])
    }

    #[test]
    fn a_process_is_found_by_its_id_and_by_where_it_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        for watch in [Watch::Process(std::process::id()), Watch::Port(port)] {
            let mut watched = begin(watch).unwrap();
            assert_eq!(watched[0].processes, [std::process::id()]);
            Watched::look(&mut watched, Duration::ZERO);
            Watched::look(&mut watched, Duration::from_secs(1));
            assert!(watched[0].rss_kib_max().unwrap() > 0);
            assert!(watched[0].cores().unwrap() >= 0.0);
        }
        let target = Target::at(listener.local_addr().unwrap());
        let found = Watched::begin(&BTreeMap::new(), &[target.clone(), target]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].processes, [std::process::id()]);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let gone = begin(Watch::Process(u32::MAX)).unwrap_err();
        assert!(gone.to_string().contains("no process"), "{gone}");
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        drop(held);
        let gone = begin(Watch::Port(port)).unwrap_err();
        let name = "it".to_owned();
        assert_eq!(gone, WatchError::Port { name, port });
    }

    #[test]
    fn who_listens_is_read_off_the_table_of_the_kernel() {
        let line = |state: &str| {
            format!(
                "   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 \
                     00000000     0        0 4711 1 0000 100 0 0 10 0"
            )
        };
        let socket = Some("socket:[4711]".to_owned());
        assert_eq!(listening(&line("0A"), 8080), socket);
        assert_eq!(listening(&line("01"), 8080), None);
        assert_eq!(listening(&line("0A"), 8081), None);
        let head =
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid";
        assert_eq!(listening(head, 8080), None);
    }
}
