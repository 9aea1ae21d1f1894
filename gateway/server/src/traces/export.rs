//! Sending spans, some at a time.

use std::net::SocketAddr;
use std::time::Duration;

use prometheus::IntCounter;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::span::{Span, export_request};
use crate::errand::{self, Miscarried};

/// Spans that are sent together.
const BATCH_MAX: usize = 512;
/// How long a span waits for others to be sent with it.
const GATHER: Duration = Duration::from_secs(1);
/// For one export.
const DEADLINE: Duration = Duration::from_secs(5);

/// Why spans were not taken.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("the collector could not be told")]
    Miscarried(#[from] Miscarried),
    #[error("the collector did not answer in time")]
    Late,
    #[error("the collector answered {0}")]
    Status(u16),
}

/// Sends until nobody can record any more and the queue is empty.
pub(super) async fn export(
    collector: SocketAddr,
    mut spans: mpsc::Receiver<Span>,
    dropped: IntCounter,
) {
    let mut is_well = true;
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while gather(&mut spans, &mut batch).await {
        let sent = send(collector, &batch).await;
        // One line when it begins to fail and one when that is over.
        match &sent {
            Ok(()) if !is_well => tracing::info!(%collector, "traces are taken again"),
            Err(reason) if is_well => {
                let error = reason as &dyn std::error::Error;
                tracing::warn!(%collector, error, "traces are lost");
            }
            Ok(()) | Err(_) => {}
        }
        is_well = sent.is_ok();
        if !is_well {
            dropped.inc_by(batch.len() as u64);
        }
        batch.clear();
    }
}

/// Waits for a span, and a little longer for more. `false`: none will come any more.
async fn gather(spans: &mut mpsc::Receiver<Span>, batch: &mut Vec<Span>) -> bool {
    if spans.recv_many(batch, BATCH_MAX).await == 0 {
        return false;
    }
    let more = async {
        while batch.len() < BATCH_MAX {
            let room = BATCH_MAX - batch.len();
            if spans.recv_many(batch, room).await == 0 {
                return;
            }
        }
    };
    // Whether it is full, or time is up, or no more will come: it is sent.
    let _ = timeout(GATHER, more).await;
    true
}

async fn send(collector: SocketAddr, batch: &[Span]) -> Result<(), NotTaken> {
    let body = export_request(batch);
    let mut request = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: {collector}\r\nuser-agent: tollgate\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(&body);
    let status = timeout(DEADLINE, errand::status(collector, &request)).await;
    match status.map_err(|_| NotTaken::Late)?? {
        200..=299 => Ok(()),
        status => Err(NotTaken::Status(status)),
    }
}
