//! One thread: it sends what is due over connections of its own, and writes down what comes back.
//!
//! What is due is handed to a connection that is free, or waits in a queue for the first that becomes
//! so. A slow server so delays answers, and never the schedule. There is no task for each request and
//! no runtime: one loop over the kernel's list of what happened, since the generator is to cost little
//! beside what it measures.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::deal::{Deal, Share, Ticket};
use super::poll::Edge;
use super::record::{Answered, Failure, Record, Times};
use super::scenario::{Connections, Scenario};
use super::schedule::Schedule;
use lane::{Lane, Step, Tools};

mod lane;

/// Requests that wait for a free connection; more are counted as dropped.
pub(super) const WAITING_MAX: usize = 100_000;
/// Requests that are handed out in a row before answers get their turn.
const AT_A_TIME: usize = 16;
/// How long answers are waited for once nothing more is due.
pub(super) const LAST_CALL: Duration = Duration::from_secs(10);
/// How often it is looked for requests that nobody answers: so many times in their patience.
const SWEEPS: u32 = 20;
const SWEEP_MIN: Duration = Duration::from_millis(5);

/// What all workers of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) scenario: Scenario,
    pub(super) stop: AtomicBool,
    /// By worker.
    pub(super) counts: Vec<Counts>,
}

/// How far a worker is, for whoever looks on.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
}

struct Worker<'a> {
    tools: Tools<'a>,
    began: Instant,
    lanes: Vec<Lane>,
    /// By target.
    queues: Vec<Queue>,
    record: Record,
    sent: u64,
    failed: u64,
}

/// What waits, and who could take it.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Ticket>,
    /// The one that has been free for longest is first, so that all connections are used.
    free: VecDeque<usize>,
}

/// Runs until everything that was due has been answered or given up.
pub(super) fn run(shared: &Shared, share: Share, began: Instant) -> io::Result<Record> {
    let scenario = &shared.scenario;
    let mut worker = Worker::new(scenario, share, began)?;
    let rate = (scenario.rate, scenario.arrivals);
    let schedule = Schedule::new(rate, (share.worker, share.workers), scenario.seed);
    worker.work(shared, share, schedule)?;
    Ok(worker.record)
}

impl<'a> Worker<'a> {
    fn new(scenario: &'a Scenario, share: Share, began: Instant) -> io::Result<Self> {
        let (Connections::Kept(all) | Connections::New(all)) = scenario.connections;
        let each = share.of(all);
        let targets = 0..scenario.targets.len();
        let lanes = targets
            .clone()
            .flat_map(|target| std::iter::repeat_n(target, each));
        let lanes = lanes
            .enumerate()
            .map(|(place, target)| Lane::new(place, target));
        let queues = targets.map(|target| Queue {
            waiting: VecDeque::new(),
            free: (target * each..(target + 1) * each).collect(),
        });
        Ok(Self {
            tools: Tools::new(scenario)?,
            began,
            lanes: lanes.collect(),
            queues: queues.collect(),
            record: Record::new(scenario.requests.len(), scenario.rate.lasts),
            sent: 0,
            failed: 0,
        })
    }

    fn work(&mut self, shared: &Shared, share: Share, schedule: Schedule) -> io::Result<()> {
        let mut deal = Deal::new(&shared.scenario, share);
        let mut schedule = schedule.peekable();
        let timeout = shared.scenario.timeout;
        let sweep_every = (timeout / SWEEPS).max(SWEEP_MIN);
        let mut sweep_at = sweep_every;
        let mut last_call = None;
        let mut now = self.now();
        loop {
            let is_stopped = shared.stop.load(Ordering::Relaxed);
            let mut in_a_row = 0;
            while let Some(due) = schedule.next_if(|due| *due <= now && in_a_row < AT_A_TIME) {
                if !is_stopped {
                    self.hand_out(deal.next(due));
                    now = self.now();
                }
                in_a_row += 1;
            }
            self.publish(shared, share);
            let next = schedule.peek().copied().filter(|_| !is_stopped);
            if next.is_none() {
                let until = *last_call.get_or_insert(now + LAST_CALL.max(timeout));
                if self.is_idle() || now >= until {
                    self.give_up();
                    self.publish(shared, share);
                    return Ok(());
                }
            }
            let until = next.map_or(sweep_at, |next| next.min(sweep_at));
            self.tools.poll.wait(now, until)?;
            while let Some(edge) = self.tools.poll.next() {
                self.see(edge);
            }
            now = self.now();
            if now >= sweep_at {
                self.sweep(now, timeout);
                sweep_at = now + sweep_every;
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn publish(&self, shared: &Shared, share: Share) {
        if let Some(counts) = shared.counts.get(share.worker) {
            counts.sent.store(self.sent, Ordering::Relaxed);
            counts.failed.store(self.failed, Ordering::Relaxed);
        }
    }

    fn is_idle(&self) -> bool {
        let is_waiting = self.queues.iter().any(|queue| !queue.waiting.is_empty());
        let free: usize = self.queues.iter().map(|queue| queue.free.len()).sum();
        !is_waiting && free == self.lanes.len()
    }

    fn hand_out(&mut self, ticket: Ticket) {
        let requests = &self.tools.scenario.requests;
        let target = requests.get(ticket.turn.kind).map(|it| it.target);
        let Some(queue) = target.and_then(|it| self.queues.get_mut(it)) else {
            return;
        };
        if let Some(place) = queue.free.pop_front() {
            self.begin(place, ticket);
        } else if queue.waiting.len() < WAITING_MAX {
            queue.waiting.push_back(Ticket {
                waited: true,
                ..ticket
            });
        } else {
            self.fail(ticket, Failure::Dropped);
        }
    }

    /// Sends a request, and whatever waits if that is over at once.
    fn begin(&mut self, place: usize, ticket: Ticket) {
        let mut next = Some(ticket);
        while let Some(ticket) = next {
            let sent = self.now();
            self.sent += 1;
            if ticket.waited {
                self.record.waited += 1;
            } else {
                self.record.lateness.record(sent.saturating_sub(ticket.due));
            }
            let Some(lane) = self.lanes.get_mut(place) else {
                return;
            };
            let step = lane.begin(ticket, sent, &mut self.tools);
            if !self.is_over(place, step) {
                return;
            }
            next = self.release(place);
        }
    }

    fn see(&mut self, edge: Edge) {
        let place = Lane::place_of(edge.key);
        let Some(lane) = self.lanes.get_mut(place) else {
            return;
        };
        let step = lane.see(edge, &mut self.tools);
        if self.is_over(place, step) {
            self.pass_on(place);
        }
    }

    fn pass_on(&mut self, place: usize) {
        if let Some(ticket) = self.release(place) {
            self.begin(place, ticket);
        }
    }

    /// What the connection is to send next; it is free if there is nothing.
    fn release(&mut self, place: usize) -> Option<Ticket> {
        let target = self.lanes.get(place)?.target;
        let queue = self.queues.get_mut(target)?;
        let next = queue.waiting.pop_front();
        if next.is_none() {
            queue.free.push_back(place);
        }
        next
    }

    /// Writes down how a request ended; false if it goes on.
    fn is_over(&mut self, place: usize, step: Result<Step, Failure>) -> bool {
        let done = self.now();
        let Some(lane) = self.lanes.get_mut(place) else {
            return false;
        };
        match step {
            Ok(Step::Waits) => return false,
            Ok(Step::Answered(answered)) => {
                let (ticket, sent) = lane.asked();
                self.note(ticket, sent, done, &answered);
            }
            Err(failure) => {
                let (ticket, _) = lane.asked();
                lane.close();
                self.fail(ticket, failure);
            }
        }
        true
    }

    fn note(&mut self, ticket: Ticket, sent: Duration, done: Duration, answered: &Answered) {
        self.failed += u64::from(!(answered.is_expected && answered.holds));
        let times = Times {
            due: ticket.due,
            sent,
            done,
        };
        self.record.answer(ticket.turn.kind, times, answered);
    }

    fn fail(&mut self, ticket: Ticket, failure: Failure) {
        self.failed += 1;
        self.record.fail(ticket.turn.kind, ticket.due, failure);
    }

    /// Ends what has been waited for long enough.
    fn sweep(&mut self, now: Duration, timeout: Duration) {
        for place in 0..self.lanes.len() {
            let lane = self.lanes.get(place);
            let is_late = lane.is_some_and(|lane| lane.is_asking_since(timeout, now));
            if is_late && self.is_over(place, Err(Failure::Timeout)) {
                self.pass_on(place);
            }
        }
    }

    /// Whoever is not answered by now is counted as timed out.
    fn give_up(&mut self) {
        let waiting = self
            .queues
            .iter_mut()
            .flat_map(|queue| queue.waiting.drain(..));
        for ticket in waiting.collect::<Vec<_>>() {
            self.fail(ticket, Failure::Timeout);
        }
        self.sweep(Duration::MAX, Duration::ZERO);
        self.record.connects += self.tools.connects;
    }
}

#[cfg(test)]
mod tests;
