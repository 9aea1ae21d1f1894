//! A `redis-server` of a test's own, and just enough of its protocol to run a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use idp_token::projection::Call;
use tempfile::TempDir;

pub(crate) struct Server {
    process: Child,
    connection: BufReader<UnixStream>,
    _folder: TempDir,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Nothing,
    Text(Vec<u8>),
    Number(i64),
    List(Vec<Reply>),
    Error(String),
}

impl Server {
    pub(crate) fn start() -> Self {
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
        let connection = BufReader::new(UnixStream::connect(&socket).unwrap());
        Self {
            process,
            connection,
            _folder: folder,
        }
    }

    pub(crate) fn run(&mut self, call: &Call) -> Reply {
        let count = call.keys.len().to_string();
        let head = ["EVAL", call.script, &count].map(str::to_owned);
        let rest = call.keys.iter().chain(&call.arguments).cloned();
        let parts: Vec<_> = head.into_iter().chain(rest).collect();
        self.send(&parts)
    }

    pub(crate) fn command(&mut self, text: &str) -> Reply {
        let parts: Vec<_> = text.split(' ').map(str::to_owned).collect();
        self.send(&parts)
    }

    fn send(&mut self, parts: &[String]) -> Reply {
        let mut out = format!("*{}\r\n", parts.len());
        for part in parts {
            out.push_str(&format!("${}\r\n{part}\r\n", part.len()));
        }
        self.connection.get_mut().write_all(out.as_bytes()).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> Reply {
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        let (kind, rest) = line.trim_end().split_at(1);
        let number = || rest.parse::<i64>().unwrap();
        match kind {
            "+" => Reply::Text(rest.as_bytes().to_vec()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Number(number()),
            "$" | "*" if number() < 0 => Reply::Nothing,
            "*" => Reply::List((0..number()).map(|_| self.reply()).collect()),
            "$" => {
                let mut text = vec![0; usize::try_from(number()).unwrap() + 2];
                self.connection.read_exact(&mut text).unwrap();
                text.truncate(text.len() - 2);
                Reply::Text(text)
            }
            _ => panic!("no reply begins with {kind}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Reply {
    pub(crate) fn list(self) -> Vec<Reply> {
        let Self::List(list) = self else {
            panic!("no list: {self:?}");
        };
        list
    }

    pub(crate) fn text(self) -> Option<Vec<u8>> {
        if self == Self::Nothing {
            return None;
        }
        let Self::Text(text) = self else {
            panic!("no text: {self:?}");
        };
        Some(text)
    }
}
