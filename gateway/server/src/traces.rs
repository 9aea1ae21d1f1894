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
pub(crate) struct Traces(Option<Mutex<Exporting>>);

#[derive(Debug)]
struct Exporting {
    /// `None` once the last span was taken.
    queue: Option<mpsc::Sender<Span>>,
    task: Option<JoinHandle<()>>,
    dropped: IntCounter,
}

impl Traces {
    pub(crate) fn start(traces: Option<&tollgate_config::Traces>, dropped: &IntCounter) -> Self {
        Self(traces.map(|traces| {
            let (queue, spans) = mpsc::channel(QUEUE_MAX);
            let export = export::export(traces.collector, spans, dropped.clone());
            Mutex::new(Exporting {
                queue: Some(queue),
                task: Some(spawn("traces", export)),
                dropped: dropped.clone(),
            })
        }))
    }

    /// Takes a span, if there is a collector and room.
    pub(crate) fn note(&self, span: impl FnOnce() -> Span) {
        let Some(exporting) = &self.0 else { return };
        let exporting = exporting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = &exporting.queue else {
            return;
        };
        match queue.try_reserve() {
            Ok(place) => place.send(span()),
            Err(_) => exporting.dropped.inc(),
        }
    }

    /// Sends what is left, for a short while.
    pub(crate) async fn stop(&self) {
        let Some(exporting) = &self.0 else { return };
        let task = {
            let mut exporting = exporting.lock().unwrap_or_else(PoisonError::into_inner);
            exporting.queue = None;
            exporting.task.take()
        };
        if let Some(mut task) = task
            && tokio::time::timeout(FAREWELL, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}
