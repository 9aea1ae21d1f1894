//! What was fetched goes to Redis behind everybody's back: a queue of bounded size, and one task.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::entity::Writing;
use super::link::Link;
use crate::metrics::SharedMetrics;

/// Batches that wait, each of one call.
const BATCHES_MAX: usize = 256;
/// What all that waits may measure.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// What one command may measure.
const COMMAND_BYTES_MAX: usize = 1024 * 1024;

/// The entities of one call.
#[derive(Debug)]
struct Batch {
    writings: Vec<Writing>,
    bytes: usize,
    metrics: SharedMetrics,
}

/// Where batches are put.
#[derive(Debug)]
pub(super) struct Queue {
    sender: Sender<Batch>,
    bytes: Arc<AtomicUsize>,
}

/// Where they are taken from.
#[derive(Debug)]
pub(super) struct Writer {
    receiver: Receiver<Batch>,
    bytes: Arc<AtomicUsize>,
}

pub(super) fn queue() -> (Queue, Writer) {
    let (sender, receiver) = channel(BATCHES_MAX);
    let bytes = Arc::<AtomicUsize>::default();
    let of_writer = Arc::clone(&bytes);
    let writer = Writer {
        receiver,
        bytes: of_writer,
    };
    (Queue { sender, bytes }, writer)
}

impl Queue {
    /// Puts entities behind those that wait. Where there is no room they are dropped, and counted.
    pub(super) fn put(&self, writings: Vec<Writing>, metrics: &SharedMetrics) {
        let count = writings.len() as u64;
        if count == 0 {
            return;
        }
        let bytes = writings.iter().map(bytes_of).sum();
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let batch = Batch {
            writings,
            bytes,
            metrics: metrics.clone(),
        };
        if before + bytes > BYTES_MAX || self.sender.try_send(batch).is_err() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            metrics.dropped.inc_by(count);
        }
    }
}

impl Writer {
    pub(super) async fn run(mut self, link: Arc<Link>) {
        while let Some(batch) = self.receiver.recv().await {
            let mut rest = &*batch.writings;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(fitting(rest));
                rest = later;
                match link.store(now).await {
                    Some(stored) => {
                        let count = stored.iter().filter(|it| **it).count();
                        batch.metrics.stored.inc_by(count as u64);
                        let refused = now.len().saturating_sub(count);
                        batch.metrics.refused.inc_by(refused as u64);
                    }
                    None => batch.metrics.dropped.inc_by(now.len() as u64),
                }
            }
            self.bytes.fetch_sub(batch.bytes, Ordering::Relaxed);
        }
    }
}

fn bytes_of(writing: &Writing) -> usize {
    writing.name.len() + writing.seen.len() + writing.value.len()
}

/// How many of these go into one command; at least one.
fn fitting(writings: &[Writing]) -> usize {
    let mut bytes = 0;
    let fits = |writing: &&Writing| {
        bytes += bytes_of(writing);
        bytes <= COMMAND_BYTES_MAX
    };
    writings.iter().take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redis::IntoConnectionInfo as _;

    use super::*;
    use crate::metrics::Metrics;

    fn writing(bytes: usize) -> Writing {
        Writing {
            name: String::new(),
            seen: Vec::new(),
            value: vec![0; bytes],
            until: 0,
        }
    }

    #[test]
    fn what_waits_is_taken_up_to_its_bounds_and_dropped_past_them() {
        let metrics = Metrics::new().unwrap().shared("member");
        let (queue, mut writer) = queue();
        queue.put(vec![writing(BYTES_MAX)], &metrics);
        assert_eq!(metrics.dropped.get(), 0);
        queue.put(vec![writing(1), writing(1)], &metrics);
        assert_eq!(metrics.dropped.get(), 2);
        assert_eq!(writer.receiver.try_recv().unwrap().bytes, BYTES_MAX);

        let (queue, _writer) = super::queue();
        for _ in 0..BATCHES_MAX {
            queue.put(vec![writing(1)], &metrics);
        }
        assert_eq!(metrics.dropped.get(), 2);
        queue.put(vec![writing(1)], &metrics);
        assert_eq!(metrics.dropped.get(), 3);
        assert_eq!(queue.bytes.load(Ordering::Relaxed), BATCHES_MAX);
    }

    #[tokio::test]
    async fn what_is_done_with_makes_room_again_even_where_no_redis_takes_it() {
        let metrics = Metrics::new().unwrap();
        let nowhere = "redis://127.0.0.1:1".into_connection_info().unwrap();
        let link = Link::new(nowhere, Duration::from_secs(1), metrics.level()).unwrap();
        let metrics = metrics.shared("member");
        let (queue, writer) = queue();
        queue.put(vec![writing(COMMAND_BYTES_MAX), writing(1)], &metrics);
        queue.put(vec![writing(1)], &metrics);
        let waiting = Arc::clone(&queue.bytes);
        assert_eq!(waiting.load(Ordering::Relaxed), COMMAND_BYTES_MAX + 2);
        drop(queue);
        writer.run(Arc::new(link)).await;
        assert_eq!(waiting.load(Ordering::Relaxed), 0);
        assert_eq!(metrics.dropped.get(), 3);
    }

    #[test]
    fn a_command_is_filled_to_its_bound() {
        let half = COMMAND_BYTES_MAX / 2;
        assert_eq!(fitting(&[writing(half), writing(half), writing(1)]), 2);
        assert_eq!(fitting(&[writing(half), writing(half + 1)]), 1);
        assert_eq!(fitting(&[writing(2 * COMMAND_BYTES_MAX)]), 1);
    }
}
