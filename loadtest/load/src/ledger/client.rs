//! Who sends: N connections that take the next entry as soon as they have an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::closed::{Answer, Connection, Failure, Limits, TooFewAnswers};
use crate::http1::answer::Decoder;

use super::entry::Entry;
use super::fate::{Fate, Sent};
use super::filling::{request_body, write_body};
use super::{ANSWER, DEED, ID};

#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub target: SocketAddr,
    pub connections: usize,
    /// So many requests are sent at once, before the first is answered.
    pub pipeline: usize,
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
                pipeline: self.pipeline.max(1),
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
    /// The next few; none when all are taken.
    fn take(&self, count: usize) -> &[Entry] {
        let from = self.next.fetch_add(count, Ordering::Relaxed);
        let left = self.entries.get(from..).unwrap_or_default();
        left.get(..count).unwrap_or(left)
    }
}

struct Worker {
    entries: Arc<Entries>,
    target: watch::Receiver<SocketAddr>,
    pipeline: usize,
    limits: Limits,
    kept: Option<Connection>,
}

impl Worker {
    async fn run(mut self, ended: watch::Sender<u64>) -> Vec<Sent> {
        let entries = Arc::clone(&self.entries);
        let mut sent = Vec::new();
        loop {
            let batch = entries.take(self.pipeline);
            if batch.is_empty() {
                return sent;
            }
            let (answers, failure) = self.send(batch).await;
            let fates = Fate::of_all(batch, &answers, failure.as_ref());
            sent.extend(batch.iter().zip(fates).map(|(entry, fate)| Sent {
                entry: entry.clone(),
                fate,
            }));
            ended.send_modify(|count| *count += batch.len() as u64);
        }
    }

    /// Sends each once, whatever comes of it.
    async fn send(&mut self, batch: &[Entry]) -> (Vec<Answer>, Option<Failure>) {
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(failure) => return (Vec::new(), Some(failure)),
        };
        let mut wire = Vec::new();
        for entry in batch {
            write_request(entry, &mut wire);
        }
        let decoder = Decoder::new(false, self.limits.body_bytes_max);
        let requests = (wire.as_slice(), batch.len());
        let (answers, failure) = connection.pipeline(requests, decoder, &self.limits).await;
        let goes_on = answers.last().is_some_and(|answer| answer.keeps_alive);
        if failure.is_none() && goes_on {
            self.kept = Some(connection);
        }
        (answers, failure)
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

fn write_request(entry: &Entry, wire: &mut Vec<u8>) {
    let method = entry.method.as_str();
    let Entry {
        id, path, answer, ..
    } = entry;
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nHost: ledger\r\n{ID}: {id}\r\n{ANSWER}: {answer}\r\n");
    if let Some(deed) = entry.deed {
        head.push_str(&format!("{DEED}: {deed}\r\n"));
    }
    wire.extend_from_slice(head.as_bytes());
    match entry.body {
        Some(parcel) => write_body(id, parcel.framing, &request_body(id, parcel), wire),
        None => wire.extend_from_slice(b"\r\n"),
    }
}
