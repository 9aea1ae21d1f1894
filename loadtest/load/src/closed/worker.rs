//! One connection's loop: request, answer, next request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::http1::answer::Answer;

use super::Load;
use super::connection::{Connection, Failure};
use super::request::Sent;
use super::tally::Tally;

/// Rest after a failed request, so that a server that is gone is not hammered.
const REST_AFTER_FAILURE: Duration = Duration::from_millis(5);

/// How many requests may still be sent.
#[derive(Clone, Debug)]
pub(super) enum Budget {
    Endless,
    Count(Arc<AtomicU64>),
}

impl Budget {
    fn take(&self) -> bool {
        match self {
            Self::Endless => true,
            Self::Count(left) => left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok(),
        }
    }
}

/// Unique among the requests of one load.
pub(super) fn request_id(worker: usize, turn: usize) -> String {
    format!("{worker:016x}{turn:016x}")
}

#[derive(Debug)]
pub(super) struct Worker {
    load: Arc<Load>,
    number: usize,
    budget: Budget,
    stopped: watch::Receiver<bool>,
    connection: Option<Connection>,
    tally: Tally,
}

impl Worker {
    pub(super) fn new(
        load: Arc<Load>,
        number: usize,
        budget: Budget,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self {
            load,
            number,
            budget,
            stopped,
            connection: None,
            tally: Tally::default(),
        }
    }

    pub(super) async fn run(mut self, answered: watch::Sender<u64>) -> Tally {
        let load = Arc::clone(&self.load);
        let mut turn = 0;
        while !*self.stopped.borrow() && self.budget.take() {
            turn += 1;
            let id = request_id(self.number, turn);
            let sent = Sent {
                id: &id,
                path: load.request.path(self.number + turn),
            };
            let rest = match self.ask(&load, &sent).await {
                Ok(answer) => {
                    let accepted = load
                        .expect
                        .as_ref()
                        .is_none_or(|it| it.accepts(&sent, &answer));
                    self.tally.count_verdict(&sent, &answer, accepted);
                    answered.send_modify(|count| *count += 1);
                    load.pause
                }
                Err(failure) => {
                    self.tally.count_failure(&sent, &failure);
                    load.pause.max(REST_AFTER_FAILURE)
                }
            };
            self.rest(rest).await;
        }
        self.tally
    }

    /// One request, sent at most twice, and its answer.
    async fn ask(&mut self, load: &Load, sent: &Sent<'_>) -> Result<Answer, Failure> {
        let wire = load.request.wire(load.target, sent);
        let started = Instant::now();
        let mut connection = self.connect(load).await?;
        let is_head = load.request.is_head();
        let mut outcome = connection.exchange(&wire, is_head, &load.limits).await;
        let may_resend = connection.is_used && load.request.is_safe();
        if may_resend && matches!(outcome, Err(Failure::Unanswered(_))) {
            self.tally.resent += 1;
            connection = Connection::open(load.target, &load.limits).await?;
            outcome = connection.exchange(&wire, is_head, &load.limits).await;
        }
        let answer = outcome?;
        self.tally.count_answer(&answer, started.elapsed());
        if answer.keeps_alive {
            self.connection = Some(connection);
        } else {
            self.tally.closed += 1;
        }
        Ok(answer)
    }

    /// The connection of the last answer if it is still open, else a new one.
    async fn connect(&mut self, load: &Load) -> Result<Connection, Failure> {
        if let Some(kept) = self.connection.take() {
            if kept.is_open()? {
                return Ok(kept);
            }
            self.tally.reopened += 1;
        }
        Connection::open(load.target, &load.limits).await
    }

    async fn rest(&mut self, time: Duration) {
        if !time.is_zero() {
            let stopped = self.stopped.wait_for(|stopped| *stopped);
            // Whether time or load ended first, the loop looks at both next.
            let _ = timeout(time, stopped).await;
        }
    }
}
