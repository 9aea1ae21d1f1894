//! One thread in HTTP/2: many requests under way on each of few connections.
//!
//! What is due and when is that of [`super::worker`]; how it is carried is left to the `h2` crate and
//! a runtime, for here the bar is what is measured and not what it costs.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet, yield_now};
use tokio::time::Instant;

use super::deal::{Deal, Share, Ticket};
use super::record::{Failure, Record};
use super::scenario::Connections;
use super::schedule::Schedule;
use super::worker::{LAST_CALL, Shared, WAITING_MAX};
use pace::Pacer;
use stream::Stream;
use trunk::Trunk;

mod pace;
mod stream;
mod trunk;

/// Requests that are handed out in a row before streams get their turn.
const AT_A_TIME: u32 = 16;

/// What waits, and who could take it.
struct Desk {
    shared: Arc<Shared>,
    share: Share,
    began: Instant,
    waiting: RefCell<VecDeque<Ticket>>,
    /// The one that has been free for longest is first, so that all connections are used.
    free: RefCell<VecDeque<Rc<Place>>>,
    is_over: Cell<bool>,
    record: RefCell<Record>,
}

/// Where a stream finds its next request.
#[derive(Default)]
struct Place {
    ticket: Cell<Option<Ticket>>,
    called: Notify,
}

/// Runs until everything that was due has been answered or given up.
pub(super) fn run(
    shared: &Arc<Shared>,
    share: Share,
    (began, streams): (Instant, usize),
) -> io::Result<Record> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let scenario = &shared.scenario;
    let desk = Rc::new(Desk {
        record: RefCell::new(Record::new(scenario.requests.len(), scenario.rate.lasts)),
        shared: Arc::clone(shared),
        share,
        began,
        waiting: RefCell::default(),
        free: RefCell::default(),
        is_over: Cell::new(false),
    });
    let local = LocalSet::new();
    local.block_on(&runtime, work(&desk, streams))?;
    Ok(desk.record.take())
}

async fn work(desk: &Rc<Desk>, streams: usize) -> io::Result<()> {
    let scenario = &desk.shared.scenario;
    let share = desk.share;
    let (Connections::Kept(all) | Connections::New(all)) = scenario.connections;
    let trunks: Vec<_> = (0..share.of(all))
        .map(|_| Rc::new(Trunk::default()))
        .collect();
    let mut open = JoinSet::new();
    // One stream of each connection, then the next of each: that is the order they are used in.
    for trunk in trunks.iter().cycle().take(trunks.len() * streams) {
        open.spawn_local(Stream::new(Rc::clone(desk), Rc::clone(trunk)).run());
    }
    // Every stream says that it is free before anything is due.
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
    let last_call = LAST_CALL.max(scenario.timeout);
    if tokio::time::timeout(last_call, closing).await.is_err() {
        open.shutdown().await;
        // Whoever is not answered by then is counted as timed out.
        for ticket in desk.waiting.take() {
            desk.fail(ticket, Failure::Timeout);
        }
    }
    Ok(())
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
            drop(waiting);
            self.fail(ticket, Failure::Dropped);
        }
    }

    /// The next request for a stream; `None` once there will be no more.
    async fn next(&self, place: &Rc<Place>) -> Option<Ticket> {
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

    fn fail(&self, ticket: Ticket, failure: Failure) {
        self.count_failed();
        self.record
            .borrow_mut()
            .fail(ticket.turn.kind, ticket.due, failure);
    }

    fn count_sent(&self) {
        if let Some(counts) = self.shared.counts.get(self.share.worker) {
            counts.sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count_failed(&self) {
        if let Some(counts) = self.shared.counts.get(self.share.worker) {
            counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
