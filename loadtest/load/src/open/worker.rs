//! One thread: it sends what is due over connections of its own, and writes down what comes back.
//!
//! What is due is handed to a connection that is free, or waits in a queue for the first that becomes
//! so. A slow server so delays answers, and never the schedule.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet, yield_now};
use tokio::time::Instant;

use super::lane::Lane;
use super::pace::Pacer;
use super::record::{Failure, Record};
use super::scenario::{Connections, Scenario};
use super::schedule::Schedule;

/// Requests that wait for a free connection; more are counted as dropped.
const WAITING_MAX: usize = 100_000;
/// Requests that are handed out in a row before connections get their turn.
const AT_A_TIME: u32 = 16;
/// How long answers are waited for once nothing more is due.
const LAST_CALL: Duration = Duration::from_secs(10);

/// What all workers of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) scenario: Scenario,
    pub(super) stop: AtomicBool,
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// A request that is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) due: Duration,
    pub(super) kind: usize,
    /// Which values it is filled with.
    pub(super) turn: u64,
    /// Whether it had to wait for a connection.
    pub(super) waited: bool,
}

/// What waits, and who could take it.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) began: Instant,
    waiting: RefCell<VecDeque<Ticket>>,
    /// The one that has been free for longest is first, so that all connections are used.
    free: RefCell<VecDeque<Rc<Place>>>,
    is_over: Cell<bool>,
    pub(super) record: RefCell<Record>,
}

/// Where a connection finds its next request.
#[derive(Default)]
pub(super) struct Place {
    ticket: Cell<Option<Ticket>>,
    called: Notify,
}

/// One of several workers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) worker: usize,
    pub(super) workers: usize,
}

/// Runs until everything that was due has been answered or given up.
pub(super) fn run(shared: &Arc<Shared>, share: Share, began: Instant) -> std::io::Result<Record> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let desk = Rc::new(Desk {
        record: RefCell::new(Record::new(shared.scenario.requests.len())),
        shared: Arc::clone(shared),
        began,
        waiting: RefCell::default(),
        free: RefCell::default(),
        is_over: Cell::new(false),
    });
    let local = LocalSet::new();
    local.block_on(&runtime, work(&desk, share))?;
    let record = desk.record.take();
    Ok(record)
}

async fn work(desk: &Rc<Desk>, share: Share) -> std::io::Result<()> {
    let scenario = &desk.shared.scenario;
    let (Connections::Kept(all) | Connections::New(all)) = scenario.connections;
    let lanes = all / share.workers + usize::from(share.worker < all % share.workers);
    let mut open = JoinSet::new();
    for _ in 0..lanes {
        open.spawn_local(Lane::new(Rc::clone(desk)).run());
    }
    // Every lane says that it is free before anything is due.
    yield_now().await;
    let mut pacer = Pacer::new()?;
    let rate = (scenario.rate, scenario.arrivals);
    let schedule = Schedule::new(rate, (share.worker, share.workers), scenario.seed);
    let mut deal = Deal::new(scenario, share);
    let mut in_a_row = 0;
    for due in schedule {
        if desk.shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let at = desk.began + due;
        if Instant::now() < at {
            pacer.sleep_until(at).await?;
            in_a_row = 0;
        } else if in_a_row == AT_A_TIME {
            yield_now().await;
            in_a_row = 0;
        }
        in_a_row += 1;
        desk.hand_out(deal.next(due));
    }
    desk.close();
    let closing = async { while open.join_next().await.is_some() {} };
    // Whoever is not answered by then is counted as timed out.
    if tokio::time::timeout(LAST_CALL.max(scenario.timeout), closing)
        .await
        .is_err()
    {
        open.shutdown().await;
    }
    Ok(())
}

/// Which kind of request is next: in a fixed order, as often as their weights say.
struct Deal {
    order: Vec<usize>,
    turn: u64,
    stride: u64,
}

impl Deal {
    fn new(scenario: &Scenario, share: Share) -> Self {
        let mut order = Vec::new();
        for (kind, request) in scenario.requests.iter().enumerate() {
            order.extend(std::iter::repeat_n(kind, request.weight as usize));
        }
        crate::dice::Dice::of(scenario.seed, &["order"]).shuffle(&mut order);
        Self {
            order,
            turn: share.worker as u64,
            stride: share.workers as u64,
        }
    }

    fn next(&mut self, due: Duration) -> Ticket {
        let turn = self.turn;
        self.turn += self.stride;
        let place = turn
            .checked_rem(self.order.len() as u64)
            .unwrap_or_default();
        let place = usize::try_from(place).unwrap_or_default();
        Ticket {
            due,
            kind: self.order.get(place).copied().unwrap_or_default(),
            turn,
            waited: false,
        }
    }
}

impl Desk {
    fn hand_out(&self, ticket: Ticket) {
        let free = self.free.borrow_mut().pop_front();
        if let Some(place) = free {
            place.ticket.set(Some(ticket));
            place.called.notify_one();
            return;
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() < WAITING_MAX {
            waiting.push_back(Ticket {
                waited: true,
                ..ticket
            });
        } else {
            self.fail(ticket, Failure::Dropped);
        }
    }

    /// The next request for a lane; `None` once there will be no more.
    pub(super) async fn next(&self, place: &Rc<Place>) -> Option<Ticket> {
        if let Some(ticket) = self.waiting.borrow_mut().pop_front() {
            return Some(ticket);
        }
        if self.is_over.get() {
            return None;
        }
        self.free.borrow_mut().push_back(Rc::clone(place));
        place.called.notified().await;
        place.ticket.take()
    }

    fn close(&self) {
        self.is_over.set(true);
        for place in self.free.borrow_mut().drain(..) {
            place.called.notify_one();
        }
    }

    pub(super) fn fail(&self, ticket: Ticket, failure: Failure) {
        self.shared.failed.fetch_add(1, Ordering::Relaxed);
        self.record
            .borrow_mut()
            .fail(ticket.kind, ticket.due, failure);
    }
}
