//! Which number does a change get, and what is kept of it?
//!
//! One relay takes rows out of the outbox, oldest first, gives each the next number and keeps it in
//! the log and as the epoch of its target, all in one commit. Should there ever be two relays, one
//! of them conflicts. What was numbered is then written to wherever gateways read; that may be
//! repeated at will, since a number is never given twice.

use std::collections::BTreeMap;
use std::time::Duration;

use idp_token::epoch::Seq;
use idp_token::time::UnixSeconds;

use crate::change::Target;
use crate::decision::{Decided, Decision};
use crate::record::{Epoch, Published, Record, Relay};
use crate::store::{Key, Row, Transaction};
use crate::view::View;

pub use pace::{Pace, Step};

mod pace;

/// Rows per commit.
pub const ROWS_MAX: usize = 1024;

/// How long the log is kept for gateways that were away. Whoever was away for longer starts over.
pub const LOG_KEPT: Duration = Duration::from_secs(60 * 60);

/// Leaves so many numbers out. A store that was put back to an older state has given numbers that it does
/// not know of; gateways that heard them would pass over what is given the same ones again. Past the
/// hole they know that they missed something, and begin anew.
pub fn leap(view: &View, by: u64, now: UnixSeconds) -> Decided<Seq> {
    let seq = Seq(view.published()?.0.saturating_add(by));
    let mut transaction = Transaction::of(view);
    transaction.put(view, Record::Relay(Relay { seq }), now);
    Ok(Decision {
        answer: seq,
        transaction,
        audit: None,
    })
}

/// Numbers these rows, which must be the oldest of the outbox.
pub fn publish(view: &View, rows: &[Row], now: UnixSeconds) -> Decided<Vec<Published>> {
    let mut seq = view.published()?;
    let rows = rows.get(..ROWS_MAX).unwrap_or(rows);
    let Some(last) = rows.last() else {
        return Ok(Decision::only(Vec::new(), None));
    };
    let targets = rows.iter().map(|row| row.change.target.clone());
    view.want(targets.map(Key::Epoch))?;

    let mut published = Vec::with_capacity(rows.len());
    let mut epochs: BTreeMap<Target, Epoch> = BTreeMap::new();
    for row in rows {
        seq = seq.next();
        published.push(Published {
            seq,
            change: row.change.clone(),
            forgotten_at: now.after(LOG_KEPT),
        });
        let epoch = Epoch {
            target: row.change.target.clone(),
            seq,
            ends_at: row.change.until,
        };
        epochs.insert(epoch.target.clone(), epoch);
    }
    let mut transaction = Transaction::of(view);
    let records = published.iter().cloned().map(Record::Published);
    let epochs = epochs.into_values().map(Record::Epoch);
    let relay = Record::Relay(Relay { seq });
    for record in records.chain(epochs).chain([relay]) {
        transaction.put(view, record, now);
    }
    transaction.settle(last.id);
    Ok(Decision {
        answer: published,
        transaction,
        audit: None,
    })
}
