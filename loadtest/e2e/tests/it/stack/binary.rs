//! The real binary: found or built, started, listened to, signalled, and ended when dropped.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use super::PATIENCE;

const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What the binary is made from, seen from the root of the repository.
const SOURCES: [&str; 6] = [
    "composer",
    "config",
    "gateway",
    "idp",
    "loadtest/pay",
    "src",
];

/// A process of the binary. Killed when dropped, by its handle, so never another one's.
#[derive(Debug)]
pub(crate) struct Tollgate {
    child: Child,
    output: TempDir,
}

/// Runs the binary to its end. The one variable that a file of the examples asks for is set.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).stdin(Stdio::null());
    command.env("MONEY_ADDRESS", "127.0.0.1:8093");
    command.output().unwrap()
}

impl Tollgate {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let output = tempfile::tempdir().unwrap();
        let stream = |name: &str| File::create(output.path().join(name)).unwrap();
        let child = tokio::process::Command::new(binary())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(stream("stdout"))
            .stderr(stream("stderr"))
            .kill_on_drop(true)
            .spawn();
        Self {
            child: child.unwrap(),
            output,
        }
    }

    /// Starts the gateway role alone and waits until it is ready; it says where it listens.
    pub(crate) async fn gateway(file: &Path) -> (Self, SocketAddr, SocketAddr) {
        Self::gateway_with(file, &[]).await
    }

    /// The same with further arguments.
    pub(crate) async fn gateway_with(
        file: &Path,
        arguments: &[&str],
    ) -> (Self, SocketAddr, SocketAddr) {
        let file = file.to_str().unwrap();
        let mut process = Self::start(&[&["gateway", "--config", file], arguments].concat());
        let said = |process: &Self| process.stderr().lines().find_map(ready_line);
        let (listen, admin) = process.until("it is ready", said).await;
        (process, listen, admin)
    }

    pub(crate) fn stdout(&self) -> String {
        self.read("stdout")
    }

    pub(crate) fn stderr(&self) -> String {
        self.read("stderr")
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.output.path().join(name)).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Looks again and again until there is something to be found.
    pub(crate) async fn until<T>(&mut self, what: &str, find: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = find(self) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "waiting until {what}: {ended:?}\n{}\n{}",
                self.stdout(),
                self.stderr()
            );
            // sleeps: a file that another process writes has nothing to wait on
            sleep(LOOK_EVERY).await;
        }
    }

    /// `TERM`, `INT` or `HUP`. The shell's own `kill`: not every system has the program.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().expect("the process has not ended");
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &id.to_string()])
            .status();
        assert!(sent.unwrap().success(), "{name} to {id}");
    }

    /// Waits for the end; `None` when a signal brought it about.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("an end in time").unwrap().code()
    }
}

/// `… ready listen=[127.0.0.1:4711] admin=127.0.0.1:4712 took=…`
fn ready_line(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (_, rest) = line.split_once(" ready listen=[")?;
    let (listen, rest) = rest.split_once("] admin=")?;
    let (admin, _) = rest.split_once(' ')?;
    Some((listen.parse().ok()?, admin.parse().ok()?))
}

/// The binary of this build, beside the tests. `cargo test --workspace` has made it; where only
/// this crate was built it is made now, and also when it is older than what it is made from.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let tests = std::env::current_exe().unwrap();
        let folder = tests.ancestors().nth(2).unwrap();
        let binary = folder.join("tollgate");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let made_from = SOURCES
            .iter()
            .filter_map(|it| newest_source(&root.join(it)));
        if modified(&binary) < made_from.max() {
            build(&root, folder);
        }
        binary
    })
}

fn build(root: &Path, folder: &Path) {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let built = Command::new("cargo")
        .args(["build", "--package", "tollgate", "--profile", profile])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "the binary under test is missing or old, and cannot be built:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
}

fn newest_source(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let times = entries.filter_map(|path| match path.is_dir() {
        true if path.ends_with("tests") => None,
        true => newest_source(&path),
        false => path
            .extension()
            .filter(|it| *it == "rs")
            .and_then(|_| modified(&path)),
    });
    times.max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
