//! The one thread that writes.
//!
//! It takes whatever waits as one group: each transaction is tried on what those before it left,
//! by itself, and one `fsync` covers all. While that runs, the next group gathers, so that the disk
//! sets the pace and nobody waits for company.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use idp_core::store::{StoreError, Transaction};
use redb::WriteTransaction;
use tokio::sync::oneshot;

use super::hot;
use super::layout::{Moment, OUTBOX, RECORDS, SELF};
use super::sealing::SealingKey;
use super::volume::{Refused, Volume, failed};
use apply::Tables;

mod apply;

const QUEUE_MAX: usize = 1024;
const GROUP_MAX: usize = 256;
/// How long nothing is tried after the disk refused.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Order {
    pub(super) transaction: Transaction,
    pub(super) reply: oneshot::Sender<Result<Outcome, StoreError>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Conflict,
}

/// It ends when the sending side of the queue is dropped, after what was sent.
pub(super) fn start(volume: Arc<Volume>) -> io::Result<(SyncSender<Order>, JoinHandle<()>)> {
    let (queue, orders) = sync_channel(QUEUE_MAX);
    let writer = thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || write_groups(&volume, &orders))?;
    Ok((queue, writer))
}

pub(super) fn enqueue(queue: &SyncSender<Order>, order: Order) -> Result<(), Refused> {
    queue.try_send(order).map_err(|error| match error {
        TrySendError::Full(_) => Refused::Busy,
        TrySendError::Disconnected(_) => Refused::Ended,
    })
}

fn write_groups(volume: &Volume, orders: &Receiver<Order>) {
    loop {
        let first = match orders.recv_timeout(PAUSE) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                if volume.is_to_be_reopened() {
                    volume.reopen();
                }
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // Whoever is about to ask has a turn, if that is what this core would do otherwise.
        thread::yield_now();
        let group: Vec<_> = std::iter::once(first)
            .chain(orders.try_iter().take(GROUP_MAX - 1))
            .collect();
        write_group(volume, group);
    }
}

fn write_group(volume: &Volume, group: Vec<Order>) {
    if let Err(refused) = volume.check_room() {
        tell_all(group, &refused);
        return;
    }
    match volume.with(|database| {
        let writing = database.begin_write().map_err(failed)?;
        commit(writing, volume.sealing(), &group)
    }) {
        Ok(outcomes) => {
            let transactions = group.iter().map(|order| &order.transaction);
            volume.show(transactions.into_iter().any(hot::is_written_by));
            for (order, outcome) in group.into_iter().zip(outcomes) {
                // Whoever went away meanwhile learns it from the store.
                let _ = order.reply.send(outcome);
            }
        }
        Err(refused) => {
            tracing::error!(
                error = &refused as &dyn std::error::Error,
                transactions = group.len(),
                "a group of transactions failed"
            );
            tell_all(group, &refused);
            volume.reopen();
            // Otherwise a full disk would be found full as fast as a processor can.
            thread::sleep(PAUSE);
        }
    }
}

fn tell_all(group: Vec<Order>, refused: &Refused) {
    for order in group {
        let _ = order.reply.send(Err(refused.clone().into()));
    }
}

/// All outcomes, once everything that is done is on disk.
fn commit(
    writing: WriteTransaction,
    sealing: &SealingKey,
    group: &[Order],
) -> Result<Vec<Result<Outcome, StoreError>>, Refused> {
    let (outcomes, has_written) = {
        let mut own = writing.open_table(SELF).map_err(failed)?;
        let before = Moment::read(&own).map_err(failed)?;
        let mut tables = Tables::new(
            writing.open_table(RECORDS).map_err(failed)?,
            writing.open_table(OUTBOX).map_err(failed)?,
            sealing,
            before,
        );
        let mut outcomes = Vec::with_capacity(group.len());
        for order in group {
            outcomes.push(tables.attempt(&order.transaction).map_err(failed)?);
        }
        let after = tables.moment;
        after.write(&mut own).map_err(failed)?;
        (outcomes, after != before)
    };
    if has_written {
        writing.commit().map_err(failed)?;
    } else {
        writing.abort().map_err(failed)?;
    }
    Ok(outcomes)
}
