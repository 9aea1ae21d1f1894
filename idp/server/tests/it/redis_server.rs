//! A `redis-server` of a test's own, and what is found in it.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use idp_token::epoch::Seq;
use idp_token::log::{Beat, Change, Entry};
use idp_token::projection::{
    Call, EPOCHS_KEY, LOG_KEY, POSITION_FIELD, StreamId, read_entry, read_position,
};
use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue};
use tempfile::TempDir;
use tollgate_config::{Redis, RedisAddress};

use crate::gateway::in_time;
use crate::server::Wishes;

pub(crate) struct RedisServer {
    process: Child,
    folder: TempDir,
}

/// Everything at one moment.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) entries: Vec<(StreamId, Entry)>,
    pub(crate) epochs: HashMap<String, String>,
}

/// One script, so that nothing comes in between.
const SHOW: &str =
    "return {redis.call('XRANGE', KEYS[1], '-', '+'), redis.call('HGETALL', KEYS[2])}";

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    pub(crate) fn start_in(folder: TempDir) -> Self {
        Self::start_with(folder, 0, &[])
    }

    fn start_with(folder: TempDir, port: u16, arguments: &[&str]) -> Self {
        let mut process = Command::new("redis-server")
            .args(["--save", "", "--appendonly", "no", "--port"])
            .arg(port.to_string())
            .args(arguments)
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

    /// One that others can be replicas of, at this port.
    pub(crate) fn start_primary() -> (Self, u16) {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let arguments = ["--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0"];
        let folder = tempfile::tempdir().unwrap();
        (Self::start_with(folder, port, &arguments), port)
    }

    /// A replica of the one at this port.
    pub(crate) fn start_replica(of: u16) -> Self {
        let primary = format!("127.0.0.1 {of}");
        let folder = tempfile::tempdir().unwrap();
        Self::start_with(folder, 0, &["--replicaof", &primary])
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis")
    }

    /// Kills it. What it held is gone, and its address stays.
    pub(crate) fn kill(mut self) -> TempDir {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        // The folder outlives the process.
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    pub(crate) fn wishes(&self) -> Wishes {
        wishes_for(&self.folder)
    }

    pub(crate) async fn connect(&self) -> Connection {
        let url = format!(
            "redis+unix://{}",
            self.folder.path().join("redis").display()
        );
        let client = Client::open(url).unwrap();
        Connection(client.get_multiplexed_async_connection().await.unwrap())
    }
}

pub(crate) fn wishes_for(folder: &TempDir) -> Wishes {
    Wishes {
        redis: Some(Redis {
            at: RedisAddress::Unix(folder.path().join("redis")),
            database: 0,
            username: None,
            password: None,
        }),
        ..Wishes::default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Clone)]
pub(crate) struct Connection(MultiplexedConnection);

impl Connection {
    pub(crate) async fn command<T: FromRedisValue>(&mut self, text: &str) -> T {
        let mut words = text.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        command.query_async(&mut self.0).await.unwrap()
    }

    pub(crate) async fn run<T: FromRedisValue>(&mut self, call: &Call) -> T {
        let mut command = redis::cmd("EVAL");
        command.arg(call.script).arg(call.keys.len());
        command.arg(&call.keys).arg(&call.arguments);
        command.query_async(&mut self.0).await.unwrap()
    }

    pub(crate) async fn position(&mut self) -> Option<Seq> {
        let text: Option<Vec<u8>> = self
            .command(&format!("HGET {EPOCHS_KEY} {POSITION_FIELD}"))
            .await;
        read_position(text.as_deref())
    }

    pub(crate) async fn held(&mut self) -> Held {
        type Shown = (Vec<(String, Vec<String>)>, Vec<(String, String)>);
        let mut command = redis::cmd("EVAL");
        command.arg(SHOW).arg(2).arg(LOG_KEY).arg(EPOCHS_KEY);
        let (entries, epochs): Shown = command.query_async(&mut self.0).await.unwrap();
        let entries = entries
            .iter()
            .map(|(id, fields)| read_entry(id, fields[1].as_bytes()).unwrap());
        Held {
            entries: entries.collect(),
            epochs: epochs.into_iter().collect(),
        }
    }

    /// Returns what is held as soon as there is such a thing.
    pub(crate) async fn until(&mut self, is_it: impl Fn(&Held) -> bool) -> Held {
        let looking = async {
            loop {
                let held = self.held().await;
                if is_it(&held) {
                    return held;
                }
                tokio::task::yield_now().await;
            }
        };
        in_time("what Redis holds", looking).await
    }
}

impl Held {
    pub(crate) fn changes(&self) -> Vec<&Change> {
        let entries = self.entries.iter().map(|(_, entry)| entry);
        entries
            .filter_map(|entry| match entry {
                Entry::Change(change) => Some(change),
                Entry::Beat(_) => None,
            })
            .collect()
    }

    pub(crate) fn beats(&self) -> Vec<Beat> {
        let entries = self.entries.iter().map(|(_, entry)| entry);
        entries
            .filter_map(|entry| match entry {
                Entry::Beat(beat) => Some(*beat),
                Entry::Change(_) => None,
            })
            .collect()
    }

    /// How many sessions have an epoch.
    pub(crate) fn sessions(&self) -> usize {
        let fields = self.epochs.keys();
        fields.filter(|field| field.starts_with("s:")).count()
    }
}
