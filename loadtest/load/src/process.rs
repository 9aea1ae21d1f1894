//! Processes that are measured and tested, ended whatever happens.
//!
//! Only what was started here is ever signalled, by its id and start time, so that an id the
//! system has given to somebody else in the meantime is left alone.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::bench::{BenchError, read};

pub(crate) const POLL: Duration = Duration::from_millis(10);
/// A gateway may announce its leaving for two seconds before it goes.
const POLLS_BEFORE_KILL: u32 = 400;
const SAID_BYTES_MAX: usize = 2000;

/// How a process is started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// What it prints goes to a file in here.
    pub(crate) dir: PathBuf,
    /// Where alone it may run; anywhere if none is named.
    pub(crate) cpu: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts it on its CPU. Should this process be killed, the kernel ends that one too: it is tied
    /// to the thread that calls this, which therefore has to be one that lasts.
    pub(crate) fn start(launch: Launch) -> Result<Self, BenchError> {
        let Launch {
            name,
            program,
            arguments,
            dir,
            cpu,
        } = launch;
        let output = dir.join(format!("{name}.out"));
        // At its end, wherever that is: whoever reads the file may also empty it.
        let opened = File::create(&output)
            .and_then(|_| File::options().append(true).open(&output))
            .and_then(|file| Ok((file.try_clone()?, file)));
        let (stdout, stderr) = opened.map_err(BenchError::io("cannot write a peer's output"))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]);
        if let Some(cpu) = cpu {
            command.args(["taskset", "--cpu-list", &cpu.to_string()]);
        }
        let child = command
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .map_err(BenchError::io("cannot start setpriv"))?;
        Ok(Self {
            name,
            child,
            output,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The process and all that descend from it.
    pub(crate) fn family(&self) -> Result<Vec<u32>, BenchError> {
        Ok(family(self.child.id(), &all_processes()?))
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Has it load its configuration again.
    pub(crate) fn hang_up(&self) {
        signal("HUP", self.child.id());
    }

    pub(crate) fn terminate(&self) {
        signal("TERM", self.child.id());
    }

    /// Holds it until it is let go on: it is there, and does nothing.
    pub(crate) fn pause(&self) {
        signal("STOP", self.child.id());
    }

    pub(crate) fn resume(&self) {
        signal("CONT", self.child.id());
    }

    /// Ends it without a word, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.try_wait().ok().flatten()?.code()
    }

    /// The end of what it printed.
    pub(crate) fn said(&self) -> String {
        let said = fs::read(&self.output).unwrap_or_default();
        let start = said.len().saturating_sub(SAID_BYTES_MAX);
        String::from_utf8_lossy(said.get(start..).unwrap_or_default())
            .trim()
            .to_owned()
    }

    fn ends_within(&mut self, polls: u32) -> bool {
        (0..polls).any(|_| {
            let ended = self.has_ended();
            if !ended {
                thread::sleep(POLL);
            }
            ended
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let family: Vec<_> = self.family().unwrap_or_default();
        let born: Vec<_> = family.iter().map(|id| (*id, Stat::read(*id))).collect();
        if !self.has_ended() {
            self.terminate();
        }
        if !self.ends_within(POLLS_BEFORE_KILL) {
            self.kill();
        }
        // Its parent has changed if that is gone, its start has not.
        let is_left = |(id, then): &(u32, Option<Stat>)| {
            let started = |stat: Option<Stat>| stat.map(|it| it.started_ticks);
            then.is_some() && started(Stat::read(*id)) == started(*then)
        };
        for (id, _) in born.iter().filter(|member| is_left(member)) {
            signal("KILL", *id);
        }
    }
}

/// The shell's own `kill`: the standard library has none, and not every system has the program.
fn signal(signal: &str, process: u32) {
    let process = process.to_string();
    let _ = Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal, &process])
        .stderr(Stdio::null())
        .status();
}

/// Programs of an administrator are often not on a user's search path.
pub(crate) fn program(name: &str) -> PathBuf {
    let installed = Path::new("/usr/sbin").join(name);
    if installed.exists() {
        installed
    } else {
        PathBuf::from(name)
    }
}

/// What of `/proc/PID/stat` tells one process from the next with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    started_ticks: u64,
}

impl Stat {
    fn read(process: u32) -> Option<Self> {
        let text = read(format!("/proc/{process}/stat"), "a process").ok()?;
        Self::parse(&text).filter(|_| !is_zombie(&text))
    }

    /// The name, in parentheses, may itself hold blanks and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let parent = fields.nth(1)?.parse().ok()?;
        let started_ticks = fields.nth(17)?.parse().ok()?;
        Some(Self {
            parent,
            started_ticks,
        })
    }
}

fn is_zombie(stat: &str) -> bool {
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
}

/// Every process and its parent.
fn all_processes() -> Result<Vec<(u32, u32)>, BenchError> {
    let entries = fs::read_dir("/proc").map_err(BenchError::io("cannot list processes"))?;
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(ids
        .filter_map(|id| Some((id, Stat::read(id)?.parent)))
        .collect())
}

fn family(root: u32, processes: &[(u32, u32)]) -> Vec<u32> {
    let mut family = vec![root];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(
            processes
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(id, _)| *id),
        );
        next += 1;
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(dir: &Path, script: &str) -> Process {
        let arguments = vec!["-c".into(), script.into()];
        let program = PathBuf::from("sh");
        Process::start(Launch {
            name: "test",
            program,
            arguments,
            dir: dir.into(),
            cpu: None,
        })
        .unwrap()
    }

    fn wait_until(mut is_so: impl FnMut() -> bool) {
        for _ in 0..1000 {
            if is_so() {
                return;
            }
            // sleeps: what another process does has nothing to wait on
            thread::sleep(POLL);
        }
        panic!("it did not become so");
    }

    #[test]
    fn a_dropped_process_takes_its_children_with_it() {
        let dir = tempfile::tempdir().unwrap();
        // The parent leaves at once when told to; the child has to be ended by its id.
        let process = start(
            dir.path(),
            "sh -c 'trap \"\" TERM; echo up; while :; do sleep 1; done' & wait",
        );
        wait_until(|| process.said() == "up");
        let family = process.family().unwrap();
        assert!(family.len() >= 2, "{family:?}");
        let alive = || {
            family
                .iter()
                .take(2)
                .filter(|id| Stat::read(**id).is_some())
                .count()
        };
        assert_eq!(alive(), 2);
        drop(process);
        wait_until(|| alive() == 0);
    }

    #[test]
    fn what_a_process_said_can_be_asked_after_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut process = start(dir.path(), "echo out; echo err >&2; exit 3");
        wait_until(|| process.has_ended());
        assert_eq!(process.said(), "out\nerr");
    }

    #[test]
    fn stat_is_read_behind_the_last_parenthesis() {
        let tail = "S 42 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 200";
        let cases = [
            (format!("7 (nginx) {tail}"), Some((42, 987_654))),
            (format!("7 (a ) (b) {tail}"), Some((42, 987_654))),
            ("7 (nginx) S 42".to_owned(), None),
            (String::new(), None),
        ];
        for (text, expected) in cases {
            let stat = Stat::parse(&text).map(|it| (it.parent, it.started_ticks));
            assert_eq!(stat, expected, "{text:?}");
        }
        assert!(is_zombie("7 (sh) Z 42 1"));
        assert!(!is_zombie("7 (Z) S 42 1"));
    }

    #[test]
    fn a_family_is_root_children_and_grandchildren() {
        let processes = [(1, 0), (10, 1), (11, 10), (12, 10), (13, 12), (20, 1)];
        assert_eq!(family(10, &processes), [10, 11, 12, 13]);
        assert_eq!(family(20, &processes), [20]);
    }
}
