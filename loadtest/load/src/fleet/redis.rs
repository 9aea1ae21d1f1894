//! A `redis-server` of a fleet's own, and what an operator would ask it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::bench::BenchError;
use crate::process::{Launch, POLL, Process};

use super::site::READY_WITHIN;

const NAME: &str = "redis";

#[derive(Debug)]
pub struct Redis {
    pub address: SocketAddr,
    launch: Launch,
    process: Process,
}

impl Redis {
    /// Keeps nothing on disk: whoever restarts it finds it empty.
    pub(super) async fn start(
        address: SocketAddr,
        dir: PathBuf,
        primary: Option<SocketAddr>,
    ) -> Result<Self, BenchError> {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let mut arguments = vec![
            "--bind",
            &host,
            "--port",
            &port,
            "--save",
            "",
            "--appendonly",
        ];
        let folder = dir.display().to_string();
        arguments.extend(["no", "--repl-diskless-sync-delay", "0", "--dir", &folder]);
        let primary = primary.map(|at| [at.ip().to_string(), at.port().to_string()]);
        if let Some([host, port]) = &primary {
            arguments.extend(["--replicaof", host, port]);
        }
        let launch = Launch {
            name: NAME,
            program: "redis-server".into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            dir,
            cpu: None,
        };
        let mut redis = Self {
            address,
            process: Process::start(launch.clone())?,
            launch,
        };
        redis.wait().await?;
        Ok(redis)
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub async fn restart(&mut self) -> Result<(), BenchError> {
        self.process = Process::start(self.launch.clone())?;
        self.wait().await
    }

    pub fn pause(&self) {
        self.process.pause();
    }

    pub fn resume(&self) {
        self.process.resume();
    }

    pub async fn flush(&self) -> Result<(), BenchError> {
        self.command("FLUSHALL").await.map(|_| ())
    }

    /// With more than this it takes no more writes; 0 is any amount.
    pub async fn allow_bytes(&self, bytes_max: u64) -> Result<(), BenchError> {
        let order = format!("CONFIG SET maxmemory {bytes_max}");
        self.command(&order).await.map(|_| ())
    }

    /// Makes a replica the one that is written to.
    pub async fn promote(&self) -> Result<(), BenchError> {
        self.command("REPLICAOF NO ONE").await.map(|_| ())
    }

    /// How many writes it has taken over from its primary, or has taken itself.
    pub async fn offset(&self) -> Result<u64, BenchError> {
        let told = self.command("INFO replication").await?;
        let field = |name: &str| {
            let mut lines = told.lines();
            lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        };
        let offset = field("slave_repl_offset:").or_else(|| field("master_repl_offset:"));
        offset.ok_or_else(|| wrong(told.clone()))
    }

    /// Calls of each command since the start.
    pub async fn calls(&self) -> Result<BTreeMap<String, u64>, BenchError> {
        let told = self.command("INFO commandstats").await?;
        let row = |line: &str| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let (count, _) = rest.split_once(',')?;
            Some((name.to_owned(), count.parse().ok()?))
        };
        Ok(told.lines().filter_map(row).collect())
    }

    async fn wait(&mut self) -> Result<(), BenchError> {
        let deadline = Instant::now() + READY_WITHIN;
        while self.command("PING").await.is_err() {
            if self.process.has_ended() || Instant::now() > deadline {
                return Err(BenchError::NotReady {
                    name: NAME,
                    said: self.process.said(),
                });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// One command over a connection of its own; a simple or bulk reply as text.
    async fn command(&self, words: &str) -> Result<String, BenchError> {
        let asking = self.exchange(words);
        let asked = tokio::time::timeout(READY_WITHIN, asking).await;
        let text = asked.map_err(|_| wrong("no reply in time".to_owned()))?;
        text.map_err(BenchError::io("cannot speak to Redis"))
    }

    async fn exchange(&self, words: &str) -> std::io::Result<String> {
        let mut stream = BufReader::new(TcpStream::connect(self.address).await?);
        stream.write_all(format!("{words}\r\n").as_bytes()).await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end();
        if let Some(text) = line.strip_prefix('+') {
            return Ok(text.to_owned());
        }
        let length = line.strip_prefix('$').and_then(|text| text.parse().ok());
        let length: usize = length.ok_or_else(|| std::io::Error::other(line.to_owned()))?;
        let mut bulk = vec![0; length];
        stream.read_exact(&mut bulk).await?;
        Ok(String::from_utf8_lossy(&bulk).into_owned())
    }
}

fn wrong(tally: String) -> BenchError {
    BenchError::WrongAnswer { name: NAME, tally }
}
