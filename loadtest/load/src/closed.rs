//! A closed-loop HTTP/1.1 client: what became of every request, while the server was reloaded,
//! drained or killed?
//!
//! Each of N keep-alive connections sends one request, waits for its answer and sends the next,
//! so the server sets the pace. Every request ends in exactly one place of the [`Tally`]:
//! answered or one of five error classes. `Connection: close` is honoured and is not an error
//! (RFC 9112 §9.6), and a connection that the server closed while it was idle is opened again
//! (RFC 9110 §9.2.2) and counted apart, so that a test may still refuse to see any.
//!
//! It never waits without a deadline, never pipelines, never follows redirects and speaks no
//! TLS. An open-loop rate, which shows queueing, is not its business.

mod connection;
mod dialogue;
mod histogram;
mod request;
mod tally;
mod worker;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use crate::http1::answer::Answer;
pub use histogram::Histogram;
pub use request::{Request, Sent};
pub use tally::{Errors, Tally};

pub(crate) use connection::{Connection, Failure};
pub(crate) use dialogue::Dialogue;
use worker::{Budget, Worker, request_id};

/// What is sent, to whom, over how many connections.
#[derive(Clone, Debug)]
pub struct Load {
    pub target: SocketAddr,
    pub connections: usize,
    pub request: Request,
    pub limits: Limits,
    /// Time a connection rests between an answer and the next request.
    pub pause: Duration,
    /// Says whether an answer belongs to its request; none accepts every answer.
    pub expect: Option<Expect>,
}

impl Load {
    /// Load from one connection that does not rest; fields are set with struct update syntax.
    pub fn new(target: SocketAddr, request: Request) -> Self {
        Self {
            target,
            connections: 1,
            request,
            limits: Limits::default(),
            pause: Duration::ZERO,
            expect: None,
        }
    }

    /// Sends `requests` requests in all, shared by the connections, and says what became of them.
    pub async fn run(self, requests: u64) -> Tally {
        let running = self.spawn(&Budget::Count(Arc::new(AtomicU64::new(requests))));
        running.finish().await
    }

    /// Sends until [`Running::stop`].
    pub fn start(self) -> Running {
        self.spawn(&Budget::Endless)
    }

    /// Sends one request over a new connection and keeps that open and idle.
    pub async fn hold(&self) -> Result<Held, NotHeld> {
        let (connection, answer) = self.exchange_once().await?;
        if answer.keeps_alive {
            Ok(Held(connection))
        } else {
            Err(NotHeld::Closed(answer.status))
        }
    }

    /// Sends one request over a connection of its own and gives the answer, whatever it is.
    pub(crate) async fn ask(&self) -> Result<Answer, Failure> {
        let (_, answer) = self.exchange_once().await?;
        Ok(answer)
    }

    async fn exchange_once(&self) -> Result<(Connection, Answer), Failure> {
        let sent = Sent {
            id: &request_id(0, 1),
            path: self.request.path(0),
        };
        let wire = self.request.wire(self.target, &sent);
        let mut connection = Connection::open(self.target, &self.limits).await?;
        let answer = connection
            .exchange(&wire, self.request.is_head(), &self.limits)
            .await?;
        Ok((connection, answer))
    }

    fn spawn(self, budget: &Budget) -> Running {
        let (stop, stopped) = watch::channel(false);
        let answered = watch::Sender::new(0);
        let connections = self.connections.max(1);
        let load = Arc::new(self);
        let mut workers = JoinSet::new();
        for number in 1..=connections {
            let worker = Worker::new(Arc::clone(&load), number, budget.clone(), stopped.clone());
            workers.spawn(worker.run(answered.clone()));
        }
        Running {
            workers,
            stop,
            answered: answered.subscribe(),
        }
    }
}

/// Deadlines and sizes beyond which a request counts as failed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connect: Duration,
    /// From the first byte sent to the last byte received.
    pub answer: Duration,
    pub body_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            answer: Duration::from_secs(10),
            body_bytes_max: 16 * 1024 * 1024,
        }
    }
}

type Check = dyn Fn(&Sent<'_>, &Answer) -> bool + Send + Sync;

/// The check that sees a mix-up: does this answer belong to what was sent?
#[derive(Clone)]
pub struct Expect(Arc<Check>);

impl Expect {
    pub fn new(check: impl Fn(&Sent<'_>, &Answer) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// The answer must carry the request's id in `header`.
    pub fn echoed_id(header: &'static str) -> Self {
        Self::new(move |sent, answer| answer.header(header) == Some(sent.id))
    }

    fn accepts(&self, sent: &Sent<'_>, answer: &Answer) -> bool {
        (self.0)(sent, answer)
    }
}

impl fmt::Debug for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expect(..)")
    }
}

/// Load that is being sent. Dropping it ends the connections at once and loses their tallies.
#[derive(Debug)]
pub struct Running {
    workers: JoinSet<Tally>,
    stop: watch::Sender<bool>,
    answered: watch::Receiver<u64>,
}

impl Running {
    /// Waits until `more` further answers have come in, of whatever status.
    pub async fn answers(&self, more: u64, within: Duration) -> Result<(), TooFewAnswers> {
        let mut answered = self.answered.clone();
        let before = *answered.borrow_and_update();
        let arrived = timeout(within, answered.wait_for(|now| now - before >= more)).await;
        match arrived {
            Ok(Ok(_)) => Ok(()),
            // Either time ran out, or every worker has ended and no answer will come any more.
            Ok(Err(_)) | Err(_) => Err(TooFewAnswers {
                wanted: more,
                got: *self.answered.borrow() - before,
            }),
        }
    }

    /// Lets every connection finish the request it is in and gives the sum.
    pub async fn stop(self) -> Tally {
        self.stop.send_replace(true);
        self.finish().await
    }

    async fn finish(mut self) -> Tally {
        let mut sum = Tally::default();
        while let Some(ended) = self.workers.join_next().await {
            match ended {
                Ok(tally) => sum.add(&tally),
                // A panic in `expect` is the test's own assertion: it must surface there.
                Err(failed) => match failed.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(cancelled) => sum.note(&format!("a connection was ended: {cancelled}")),
                },
            }
        }
        sum
    }
}

/// A connection that has carried one request and is idle.
#[derive(Debug)]
pub struct Held(Connection);

impl Held {
    /// Whether the server has left it open.
    pub fn is_open(&self) -> bool {
        matches!(self.0.is_open(), Ok(true))
    }
}

#[derive(Debug, Error)]
pub enum NotHeld {
    #[error("the request on the connection failed: {0}")]
    Failed(String),
    #[error("the server closes the connection after its answer ({0})")]
    Closed(u16),
}

impl From<Failure> for NotHeld {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}

#[derive(Debug, Error)]
#[error("{got} answers of {wanted} came in time")]
pub struct TooFewAnswers {
    pub wanted: u64,
    pub got: u64,
}
