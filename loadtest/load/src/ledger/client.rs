//! Who sends: N connections that take the next entry as soon as they have an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::closed::{Answer, Connection, Failure, Limits, TooFewAnswers};

use super::entry::Entry;
use super::fate::{Fate, Sent};
use super::filling::{request_body, write_body};
use super::{ANSWER, DEED, ID};

#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub target: SocketAddr,
    pub connections: usize,
    pub limits: Limits,
}

impl Client {
    /// Starts to send every entry once, in order, over all connections together.
    pub fn start(self, entries: Vec<Entry>) -> Sending {
        let target = watch::Sender::new(self.target);
        let ended = watch::Sender::new(0);
        let entries = Arc::new(Entries {
            entries,
            next: AtomicUsize::new(0),
        });
        let mut workers = JoinSet::new();
        for _ in 0..self.connections.max(1) {
            let worker = Worker {
                entries: Arc::clone(&entries),
                target: target.subscribe(),
                limits: self.limits,
                kept: None,
            };
            workers.spawn(worker.run(ended.clone()));
        }
        Sending {
            workers,
            target,
            ended: ended.subscribe(),
        }
    }
}

/// Entries that are being sent. Dropping it ends the connections at once and loses the book.
#[derive(Debug)]
pub struct Sending {
    workers: JoinSet<Vec<Sent>>,
    target: watch::Sender<SocketAddr>,
    ended: watch::Receiver<u64>,
}

impl Sending {
    /// Waits until so many entries have met their fate in all.
    pub async fn ended(&self, wanted: u64, within: Duration) -> Result<(), TooFewAnswers> {
        let mut ended = self.ended.clone();
        let arrived = timeout(within, ended.wait_for(|now| *now >= wanted)).await;
        match arrived {
            Ok(Ok(_)) => Ok(()),
            // Either time ran out, or every worker has ended and there is nothing more to come.
            Ok(Err(_)) | Err(_) => Err(TooFewAnswers {
                wanted,
                got: *self.ended.borrow(),
            }),
        }
    }

    /// New connections go there; the open ones are used until they end.
    pub fn redirect(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }

    /// Waits until every entry has met its fate.
    pub async fn finish(mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        while let Some(ended) = self.workers.join_next().await {
            match ended {
                Ok(sent) => all.extend(sent),
                // Nobody cancels a worker; what remains is a panic, which must surface.
                Err(failed) => {
                    if let Ok(panic) = failed.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
        all
    }
}

#[derive(Debug)]
struct Entries {
    entries: Vec<Entry>,
    next: AtomicUsize,
}

impl Entries {
    fn take(&self) -> Option<&Entry> {
        self.entries.get(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

struct Worker {
    entries: Arc<Entries>,
    target: watch::Receiver<SocketAddr>,
    limits: Limits,
    kept: Option<Connection>,
}

impl Worker {
    async fn run(mut self, ended: watch::Sender<u64>) -> Vec<Sent> {
        let entries = Arc::clone(&self.entries);
        let mut sent = Vec::new();
        while let Some(entry) = entries.take() {
            let outcome = self.send(entry).await;
            sent.push(Sent {
                entry: entry.clone(),
                fate: Fate::new(entry, outcome),
            });
            ended.send_modify(|count| *count += 1);
        }
        sent
    }

    /// Sends once, whatever comes of it.
    async fn send(&mut self, entry: &Entry) -> Result<Answer, Failure> {
        let mut connection = self.connect().await?;
        let wire = wire(entry);
        let answer = connection.exchange(&wire, false, &self.limits).await?;
        if answer.keeps_alive {
            self.kept = Some(connection);
        }
        Ok(answer)
    }

    /// The connection of the last answer if it is still open, else a new one.
    async fn connect(&mut self) -> Result<Connection, Failure> {
        if let Some(kept) = self.kept.take()
            && kept.is_open()?
        {
            return Ok(kept);
        }
        let target = *self.target.borrow();
        Connection::open(target, &self.limits).await
    }
}

fn wire(entry: &Entry) -> Vec<u8> {
    let method = entry.method.as_str();
    let Entry {
        id, path, answer, ..
    } = entry;
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nHost: ledger\r\n{ID}: {id}\r\n{ANSWER}: {answer}\r\n");
    if let Some(deed) = entry.deed {
        head.push_str(&format!("{DEED}: {deed}\r\n"));
    }
    let mut wire = head.into_bytes();
    match entry.body {
        Some(parcel) => {
            write_body(id, parcel.framing, &request_body(id, parcel), &mut wire);
        }
        None => wire.extend_from_slice(b"\r\n"),
    }
    wire
}
