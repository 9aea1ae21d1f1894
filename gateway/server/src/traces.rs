//! Recorded requests, told to a collector that speaks OTLP over HTTP.
//!
//! A request that is recorded leaves one span in a bounded queue; a task sends what gathered there,
//! some at a time. A collector that is slow or gone costs spans, which are counted, and nothing else.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::IntCounter;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::spawn::spawn;

pub(crate) use span::{Span, Value};

mod export;
mod span;

/// Spans that wait to be sent; past these they are dropped.
const QUEUE_MAX: usize = 4096;
/// How long the last spans may take to be sent when the process ends.
const FAREWELL: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Traces(Option<Exporting>);

#[derive(Debug)]
struct Exporting {
    /// `None` once the last span was taken.
    running: Mutex<Option<Running>>,
    dropped: IntCounter,
}

#[derive(Debug)]
struct Running {
    queue: mpsc::Sender<Span>,
    task: JoinHandle<()>,
}

impl Exporting {
    fn queue(&self) -> Option<mpsc::Sender<Span>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|running| running.queue.clone())
    }

    /// Takes no more spans; the task ends once those that wait are sent.
    fn close(&self) -> Option<JoinHandle<()>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.take().map(|running| running.task)
    }
}

impl Traces {
    pub(crate) fn start(traces: Option<&tollgate_config::Traces>, dropped: &IntCounter) -> Self {
        Self(traces.map(|traces| {
            let (queue, spans) = mpsc::channel(QUEUE_MAX);
            let export = export::export(traces.collector, spans, dropped.clone());
            let task = spawn("traces", export);
            Exporting {
                running: Mutex::new(Some(Running { queue, task })),
                dropped: dropped.clone(),
            }
        }))
    }

    /// Takes a span, if there is a collector and room.
    pub(crate) fn note(&self, span: impl FnOnce() -> Span) {
        let Some(exporting) = &self.0 else { return };
        // The span is made outside the lock, which all threads share.
        let Some(queue) = exporting.queue() else {
            return;
        };
        match queue.try_reserve() {
            Ok(place) => place.send(span()),
            Err(_) => exporting.dropped.inc(),
        }
    }

    /// Sends what is left, for a short while.
    pub(crate) async fn stop(&self) {
        let task = self.0.as_ref().and_then(Exporting::close);
        if let Some(mut task) = task
            && tokio::time::timeout(FAREWELL, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}
