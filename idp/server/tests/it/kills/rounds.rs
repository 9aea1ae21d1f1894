//! Rounds in which a process that writes is killed at a random moment, and what it left is held
//! against what it said.
//!
//! Several writers each raise the generation of a tenant of their own, one at a time, and say so
//! once it is acknowledged; a relay numbers the changes that follow. So for each tenant:
//!
//! 1. its generation is the last acknowledged one, or the one after that;
//! 2. its changes, published or waiting, are as many as it was raised, never one more or less;
//! 3. the log of what was published has no hole, and ends where the relay says it ends.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use idp_core::record::{Published, Record};
use idp_core::relay;
use idp_core::store::{Kind, Store as _};
use idp_server::store::EmbeddedStore;

use crate::world::{NOW, decide, generation, is_of, open, outbox, raise, scan};

const TENANTS: u16 = 6;
const LINES_MAX: u16 = 150;
const PAUSE_MAX: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) kills: usize,
    pub(crate) acknowledged: usize,
    /// Found in the store although nobody was told.
    pub(crate) unacknowledged: usize,
}

/// Kills so many processes, one after the other, on one store.
pub(crate) fn run(kills: usize, start: &dyn Fn(&Path) -> Command) -> Told {
    let folder = tempfile::tempdir().expect("a folder");
    let mut told = Told::default();
    let mut before = BTreeMap::new();
    for _ in 0..kills {
        let acknowledged = kill_once(start(folder.path()));
        told.kills += 1;
        told.acknowledged += acknowledged.len();
        for (name, generation) in acknowledged {
            before.insert(name, generation);
        }
        let found = check(folder.path(), &before);
        told.unacknowledged += found
            .iter()
            .filter(|(name, generation)| before.get(*name) != Some(generation))
            .count();
        before = found;
    }
    told
}

/// What the process said before it was killed, in the order in which it said it.
fn kill_once(mut command: Command) -> Vec<(String, u64)> {
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let output = process.stdout.take().expect("invariant: it is piped");
    let mut lines = BufReader::new(output).lines();
    let wait_for = usize::from(draw() % LINES_MAX);
    let mut acknowledged: Vec<_> = lines
        .by_ref()
        .map_while(Result::ok)
        .filter_map(|line| parse(&line))
        .take(wait_for)
        .collect();
    // sleeps: the moment of the kill must not be one of an acknowledgement
    std::thread::sleep(PAUSE_MAX.mul_f64(f64::from(draw()) / f64::from(u16::MAX)));
    kill(&mut process);
    acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| parse(&line)));
    acknowledged
}

fn kill(process: &mut Child) {
    assert!(
        process.try_wait().expect("a status").is_none(),
        "it ended by itself"
    );
    process.kill().expect("a kill");
    process.wait().expect("an end");
}

fn draw() -> u16 {
    let mut bytes = [0; 2];
    rand::fill(&mut bytes).expect("random bytes");
    u16::from_be_bytes(bytes)
}

fn say(name: &str, generation: u64) {
    // One write, so that a line is either there or not.
    let line = format!("\nacknowledged {name} {generation}.\n");
    let mut out = std::io::stdout().lock();
    let said = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    said.expect("somebody who listens");
}

fn parse(line: &str) -> Option<(String, u64)> {
    let said = line.strip_prefix("acknowledged ")?.strip_suffix('.')?;
    let (name, generation) = said.split_once(' ')?;
    Some((name.to_owned(), generation.parse().ok()?))
}

/// Writes for as long as it lives.
pub(crate) fn write(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let store = Arc::new(open(folder));
        let mut running = tokio::task::JoinSet::new();
        for number in 0..TENANTS {
            let store = Arc::clone(&store);
            running.spawn(async move {
                let name = format!("t{number}");
                loop {
                    let generation = raise(store.as_ref(), &name).await.expect("a commit");
                    say(&name, generation);
                }
            });
        }
        running.spawn(async move {
            loop {
                publish(store.as_ref()).await;
            }
        });
        running.join_next().await;
    });
}

async fn publish(store: &EmbeddedStore) {
    let rows = store.outbox(7).await.expect("an outbox");
    decide(store, |view| relay::publish(view, &rows, NOW))
        .await
        .expect("a commit");
    tokio::task::yield_now().await;
}

/// The generations found, after they were held against what was said.
fn check(folder: &Path, acknowledged: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let store = open(folder);
        let waiting = outbox(&store).await;
        let entries = scan(&store, Kind::Published).await.into_iter();
        let log: Vec<_> = entries.filter_map(|stored| entry(stored.record)).collect();
        let seqs: Vec<_> = log.iter().map(|entry| entry.seq.0).collect();
        let whole: Vec<_> = (1..=log.len() as u64).collect();
        assert_eq!(seqs, whole, "the log has no hole");
        assert_eq!(
            relayed(&store).await,
            log.len() as u64,
            "and its end is known"
        );

        let mut found = BTreeMap::new();
        for number in 0..TENANTS {
            let name = format!("t{number}");
            let generation = generation(&store, &name).await;
            let said = acknowledged.get(&name).copied().unwrap_or(0);
            assert!(
                generation == said || generation == said + 1,
                "{name} is at {generation} and was acknowledged at {said}"
            );
            let published = log
                .iter()
                .filter(|entry| is_of(&entry.change.target, &name));
            let unpublished = waiting
                .iter()
                .filter(|row| is_of(&row.change.target, &name));
            let changes = (published.count() + unpublished.count()) as u64;
            assert_eq!(changes, generation.saturating_sub(1), "changes of {name}");
            found.insert(name, generation);
        }
        found
    })
}

fn entry(record: Record) -> Option<Published> {
    if let Record::Published(entry) = record {
        Some(entry)
    } else {
        None
    }
}

async fn relayed(store: &EmbeddedStore) -> u64 {
    let found = scan(store, Kind::Relay).await;
    match found.first().map(|stored| &stored.record) {
        Some(Record::Relay(relay)) => relay.seq.0,
        _ => 0,
    }
}
