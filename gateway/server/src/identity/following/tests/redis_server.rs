//! A `redis-server` of a test's own, and just enough of its protocol to write to it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use idp_token::projection::Call;
use tempfile::TempDir;

/// The provider of a test waits no longer for a server that hangs.
const REPLY_MAX: Duration = Duration::from_millis(20);

pub(super) struct RedisServer {
    process: Child,
    folder: TempDir,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Nothing,
    Text(Vec<u8>),
    Number(i64),
    List(Vec<Reply>),
    Error(String),
}

impl Reply {
    /// For what was not expected.
    pub(super) fn into_error(self) -> io::Error {
        io::Error::other(format!("{self:?}"))
    }
}

impl RedisServer {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("redis");
        let mut process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is installed");
        let said = BufReader::new(process.stdout.take().unwrap());
        let is_ready = |line: &str| line.contains("ready to accept connections");
        let ready = said.lines().any(|line| is_ready(&line.unwrap()));
        assert!(ready, "redis-server did not start");
        Self { process, folder }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis")
    }

    /// Makes this server the one at a path, as a failover moves an address.
    pub(super) fn take_over(&self, path: &Path) {
        let new = path.with_extension("new");
        symlink(self.socket(), &new).unwrap();
        std::fs::rename(&new, path).unwrap();
    }

    /// For a test itself, which has time.
    fn connect(&self) -> Link {
        let link = Link::connect(&self.socket()).unwrap();
        link.0.get_ref().set_read_timeout(None).unwrap();
        link
    }

    pub(super) fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let pid = self.process.id().to_string();
        let sent = kill.args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    pub(super) fn restore(&self, key: &str, dump: &[u8]) -> Reply {
        let mut link = self.connect();
        let parts: [&[u8]; 4] = [b"RESTORE", key.as_bytes(), b"0", dump];
        link.send(&parts).unwrap()
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Reply {
        let mut link = self.connect();
        let parts: [&[u8]; 3] = [b"SET", key.as_bytes(), value];
        link.send(&parts).unwrap()
    }

    pub(super) fn command(&self, text: &str) -> Reply {
        let parts: Vec<_> = text.split(' ').map(str::to_owned).collect();
        let mut link = self.connect();
        link.send(&parts).unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What writes to Redis, as the relay of a provider does.
#[derive(Debug)]
pub(super) struct Link(BufReader<UnixStream>);

impl Link {
    pub(super) fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(REPLY_MAX))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Whether it was done.
    pub(super) fn run(&mut self, call: &Call) -> io::Result<bool> {
        let count = call.keys.len().to_string();
        let head = ["EVAL", call.script, &count].map(str::to_owned);
        let rest = call.keys.iter().chain(&call.arguments).cloned();
        let parts: Vec<_> = head.into_iter().chain(rest).collect();
        let reply = self.send(&parts)?;
        if let Reply::Number(done) = reply {
            return Ok(done == 1);
        }
        Err(reply.into_error())
    }

    pub(super) fn send(&mut self, parts: &[impl AsRef<[u8]>]) -> io::Result<Reply> {
        let mut out = format!("*{}\r\n", parts.len()).into_bytes();
        for part in parts {
            let part = part.as_ref();
            out.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            out.extend_from_slice(part);
            out.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&out)?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        let number = || rest.parse::<i64>().unwrap();
        Ok(match kind {
            "+" => Reply::Text(rest.as_bytes().to_vec()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Number(number()),
            "$" | "*" if number() < 0 => Reply::Nothing,
            "*" => {
                let parts = (0..number()).map(|_| self.reply());
                Reply::List(parts.collect::<io::Result<_>>()?)
            }
            "$" => {
                let mut text = vec![0; usize::try_from(number()).unwrap() + 2];
                self.0.read_exact(&mut text)?;
                text.truncate(text.len() - 2);
                Reply::Text(text)
            }
            _ => panic!("no reply begins with {kind}"),
        })
    }
}
