//! The one thread that writes.
//!
//! It takes whatever waits as one group: each transaction is tried on what those before it left,
//! by itself, and one `fsync` of the journal covers all. While that runs, the next group gathers, so
//! that the disk sets the pace and nobody waits for company.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use idp_core::store::Transaction;
use idp_token::time::BootTime;
use tokio::sync::oneshot;

use super::Options;
use super::filing::Filing;
use super::hot;
use super::journal::{self, Frame, Journal, JournalId};
use super::layers::Layers;
use super::layout::Moment;
use super::volume::{Refused, Volume};
use crate::clock;
use answers::Tried;
use draft::{Draft, TRANSACTION_BYTES_MAX, Texts};

mod answers;
mod draft;
mod turns;

pub(super) use answers::Answer;

const QUEUE_MAX: usize = 1024;
const GROUP_MAX: usize = 256;
/// With so much in it a frame takes no more transactions.
const FRAME_BYTES_USUAL: usize = 256 * 1024;
/// What a frame can come to: one more transaction, and a head, lengths and padding.
const FRAME_BYTES_MAX: usize = FRAME_BYTES_USUAL + 2 * TRANSACTION_BYTES_MAX;
/// With fewer than this in a group there is nothing to be saved.
const CROWD: usize = 4;
const PATIENCE_MAX: Duration = Duration::from_millis(1);
/// How long nothing is tried after the disk refused.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Order {
    pub(super) transaction: Transaction,
    pub(super) reply: oneshot::Sender<Answer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Conflict,
}

/// What the writer begins with.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) store: PathBuf,
    pub(super) layers: Layers,
    /// None if everything is filed.
    pub(super) journal: Option<Journal>,
}

/// How long each half of a new journal is.
pub(super) fn half_bytes(options: Options) -> u64 {
    journal::half_bytes(options.journal_half_bytes, FRAME_BYTES_MAX)
}

/// It ends when the sending side of the queue is dropped, after what was sent.
pub(super) fn start(
    volume: &Arc<Volume>,
    beginning: Beginning,
) -> io::Result<(SyncSender<Order>, JoinHandle<()>)> {
    let (queue, orders) = sync_channel(QUEUE_MAX);
    let mut writer = Writer::new(volume, beginning)?;
    let writer = thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || {
            writer.write_groups(&orders);
            writer.end();
        })?;
    Ok((queue, writer))
}

pub(super) fn enqueue(queue: &SyncSender<Order>, order: Order) -> Result<(), Refused> {
    queue.try_send(order).map_err(|error| match error {
        TrySendError::Full(_) => Refused::Busy,
        TrySendError::Disconnected(_) => Refused::Ended,
    })
}

struct Writer {
    volume: Arc<Volume>,
    store: PathBuf,
    layers: Layers,
    /// Made with the first commit.
    journal: Option<Journal>,
    journal_id: Option<JournalId>,
    frame: Frame,
    texts: Texts,
    filing: Filing,
    /// Whether what is in the layer of that name was handed over, and is not back.
    is_filing: bool,
    filing_to: Moment,
    /// Whether what is being filed lies in both halves of the journal, so that there is none to write to.
    is_held: bool,
    /// When the first of what is not being filed was written.
    since: BootTime,
    /// How many were told last, and how long their sync took.
    told: usize,
    sync_took: Duration,
    /// When the last attempt to file failed, and why.
    failed: Option<(BootTime, Refused)>,
}

impl Writer {
    fn new(volume: &Arc<Volume>, beginning: Beginning) -> io::Result<Self> {
        let writer = Self {
            volume: Arc::clone(volume),
            store: beginning.store,
            is_held: beginning.layers.filing.is_some(),
            filing_to: beginning.layers.moment,
            layers: beginning.layers,
            journal: beginning.journal,
            journal_id: None,
            frame: Frame::default(),
            texts: Texts::default(),
            filing: Filing::start(volume)?,
            is_filing: false,
            since: clock::boot(),
            told: 0,
            sync_took: Duration::ZERO,
            failed: None,
        };
        writer.show(true);
        Ok(writer)
    }

    fn write_groups(&mut self, orders: &Receiver<Order>) {
        loop {
            let first = match orders.recv_timeout(PAUSE) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Some(first) = first {
                // Whoever is about to ask has a turn, if that is what this core would do otherwise.
                thread::yield_now();
                let others = orders.try_iter().take(GROUP_MAX - 1);
                let mut group: VecDeque<_> = std::iter::once(first).chain(others).collect();
                if let Some(patience) = self.patience(group.len()) {
                    thread::sleep(patience);
                    let late = GROUP_MAX.saturating_sub(group.len());
                    group.extend(orders.try_iter().take(late));
                }
                self.write_group(group);
            }
            self.keep_filing();
        }
    }

    /// How long to wait for those who were just told, who are most likely to come again. If they found
    /// that this group had gone, they would wait for all of its sync, and it for theirs, for ever. Whoever
    /// comes alone finds nobody who waits.
    fn patience(&self, waiting: usize) -> Option<Duration> {
        let is_worth_it = waiting >= CROWD && self.told >= CROWD;
        is_worth_it.then(|| (self.sync_took / 4).min(PATIENCE_MAX))
    }

    /// In one frame, or in more if they are large.
    fn write_group(&mut self, mut group: VecDeque<Order>) {
        while !group.is_empty() {
            if let Err(refused) = self.make_way() {
                tell_all(group.into_iter().map(|order| order.reply), &refused);
                if !matches!(refused, Refused::Full { .. } | Refused::Untrusted) {
                    thread::sleep(PAUSE);
                }
                return;
            }
            let before = self.layers.moment;
            let mut tried = Vec::with_capacity(group.len());
            match self.write_frame(&mut group, &mut tried) {
                Ok(wrote_hot) => {
                    if self.layers.moment != before {
                        self.show(wrote_hot);
                    }
                    self.told = tried.len();
                    answers::tell(tried);
                }
                Err(refused) => {
                    self.layers.recent.take_back(before.version);
                    self.layers.moment = before;
                    self.recover(&refused);
                    let tried = tried.into_iter().map(|(reply, _)| reply);
                    let untried = group.into_iter().map(|order| order.reply);
                    tell_all(tried.chain(untried), &refused);
                    // Otherwise a full disk would be found full as fast as a processor can.
                    thread::sleep(PAUSE);
                    return;
                }
            }
        }
    }

    /// The outcomes of as many as there is room for, once everything that is done is on disk. Says
    /// whether a hot record is among it.
    fn write_frame(
        &mut self,
        group: &mut VecDeque<Order>,
        tried: &mut Vec<Tried>,
    ) -> Result<bool, Refused> {
        let before = self.layers.moment;
        if self.layers.recent.is_empty() {
            self.since = clock::boot();
        }
        self.frame.clear();
        let spelling = (&mut self.frame, &mut self.texts);
        let mut draft = Draft::new(&mut self.layers, spelling, self.volume.sealing());
        let mut wrote_hot = false;
        while draft.bytes() < FRAME_BYTES_USUAL
            && let Some(Order { transaction, reply }) = group.pop_front()
        {
            match draft.attempt(&transaction) {
                Ok(outcome) => {
                    wrote_hot |= hot::is_written_by(&transaction);
                    tried.push((reply, outcome));
                }
                Err(refused) => {
                    tried.push((reply, Err(refused.clone().into())));
                    return Err(refused);
                }
            }
        }
        if self.frame.is_empty() {
            return Ok(false);
        }
        let journal = self.journal.as_mut().ok_or(Refused::Ended)?;
        let written = journal.append(&mut self.frame, before.version, self.layers.moment);
        let written = written.map_err(Refused::journal)?;
        let began = clock::boot();
        let synced = self.volume.judge(journal.sync(written));
        self.sync_took = turns::since(began);
        synced.map_err(Refused::journal)?;
        Ok(wrote_hot)
    }
}

fn tell_all(replies: impl Iterator<Item = oneshot::Sender<Answer>>, refused: &Refused) {
    answers::tell(
        replies
            .map(|reply| (reply, Err(refused.clone().into())))
            .collect(),
    );
}
