//! A `redis-server` of a test's own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use redis::{Client, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _};
use tempfile::TempDir;

pub(crate) struct RedisServer {
    process: Child,
    folder: TempDir,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    fn start_in(folder: TempDir) -> Self {
        let mut process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .arg("--unixsocket")
            .arg(folder.path().join("redis"))
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is installed");
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut lines = said.lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("ready to accept connections")));
        Self { process, folder }
    }

    pub(crate) fn address(&self) -> ConnectionInfo {
        let path: PathBuf = self.folder.path().join("redis");
        ConnectionAddr::Unix(path).into_connection_info().unwrap()
    }

    pub(crate) fn connect(&self) -> redis::Connection {
        let client = Client::open(self.address()).unwrap();
        client.get_connection().unwrap()
    }

    pub(crate) fn command<T: FromRedisValue>(&self, words: &[&[u8]]) -> T {
        let (name, arguments) = words.split_first().unwrap();
        let mut command = redis::cmd(std::str::from_utf8(name).unwrap());
        command.arg(arguments);
        command.query(&mut self.connect()).unwrap()
    }

    /// The names of all entities that lie there, places among them.
    pub(crate) fn names(&self) -> Vec<String> {
        let all: Vec<String> = self.command(&[b"KEYS", b"tollgate:composer:*:*"]);
        all.into_iter().collect()
    }

    /// The name under which the entity of a key lies.
    pub(crate) fn name_of(&self, key: &str) -> String {
        let ending = format!(":{key}");
        let names = self.names();
        let found = names.iter().find(|name| name.ends_with(&ending));
        found.unwrap_or_else(|| panic!("{names:?}")).clone()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Kills it. What it held is gone, and its address stays.
    pub(crate) fn kill(mut self) -> TempDir {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    pub(crate) fn restart_in(folder: TempDir) -> Self {
        // The socket of the one before is in the way.
        let _ = std::fs::remove_file(folder.path().join("redis"));
        Self::start_in(folder)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
