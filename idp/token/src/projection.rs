//! What lies in Redis, and when may it be believed?
//!
//! Redis holds a copy for gateways that may be lost at any time. It has three kinds of keys, in one
//! database that is not a cluster (Redis 7 or later):
//!
//! | key | what |
//! |---|---|
//! | `tollgate:epochs` | a hash: the newest change of each target, and the *position*: the change as of which that is complete |
//! | `tollgate:log` | a stream: an entry has one field, `e`, spelled as [`crate::log`] says |
//! | `tollgate:record:…` | the record of the token with this digest; it expires |
//!
//! All epochs are one key, so that they are evicted, flushed or restored together with their
//! position and never without it. Nothing in Redis says that a token is bad: what is missing there,
//! or older than what a gateway knows already, is *unknown*, and the identity provider is asked.
//!
//! - A change and its epoch are written at once, and only onto the change before it. A beat is
//!   written only if the position is the change that it names. So a server that lost the last
//!   writes, or was restored, refuses both until the relay has written what it lacks.
//! - A gateway believes a record only if the position is at least what it had read of the log when
//!   it asked (`read_found`). A server that lags behind the log is found out by this.
//! - A gateway whose lease has run out believes no record: there is no telling what Redis lacks.
//! - A gateway believes of a record only what the identity provider has signed (`check_signed`).
//!
//! # Ids in the stream
//!
//! Change 7 has the id `7-0`, the beats after it `7-1`, `7-2` and so on. So a reader that comes
//! from elsewhere knows where to begin (`start`), and a log that was lost and written again gives
//! each change the same id. Reads go to the primary: a replica shows what was there before the read
//! began, and the lease rests on the opposite.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::digest::TokenDigest;
use crate::epoch::{Epochs, Seq};
use crate::log::{Beat, Change, Entry, Target, decimal};
use crate::session::{RecordError, Session};
use crate::time::UnixSeconds;

pub use signed::{Contradiction, check_signed};
pub use stream::{Start, StreamError, StreamId, read_entry, start};

mod signed;
mod stream;

pub const EPOCHS_KEY: &str = "tollgate:epochs";
pub const LOG_KEY: &str = "tollgate:log";
pub const POSITION_FIELD: &str = "position";
/// The one field of an entry of the stream.
pub const ENTRY_FIELD: &str = "e";

/// Changes of one call.
pub const PUBLISH_MAX: usize = 256;
/// Epochs of one call.
pub const FILL_MAX: usize = 1024;
/// About so many entries are kept: half an hour of beats. Whoever was away for longer starts over.
const LOG_ENTRIES: usize = 16 * 1024;
/// Epochs that a beat looks at.
const SWEEP_COUNT: usize = 64;

const PUBLISH: &str = include_str!("projection/publish.lua");
const BEAT: &str = include_str!("projection/beat.lua");
const FIND: &str = include_str!("projection/find.lua");
const STORE: &str = include_str!("projection/store.lua");
const CLEAR: &str = include_str!("projection/clear.lua");
const FILL: &str = include_str!("projection/fill.lua");
const FINISH: &str = include_str!("projection/finish.lua");

/// A script with its keys and arguments. All but `find` answer with 1 for done and 0 for refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub script: &'static str,
    pub keys: Vec<String>,
    pub arguments: Vec<String>,
}

/// The newest change of a target, and when nobody can ask for it any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    pub target: Target,
    pub seq: Seq,
    pub until: Option<UnixSeconds>,
}

/// Why Redis does not know: ask the identity provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    #[error("no record lies there")]
    Absent,
    #[error("the epochs are not complete")]
    NoPosition,
    #[error("the epochs end at change {position:?}, and a later one was read already")]
    Behind { position: Seq },
    #[error("the record is older than one of its epochs")]
    Void,
    #[error("the reply is not what the script gives")]
    Reply,
    #[error("the record cannot be read")]
    Record(#[source] RecordError),
}

/// Adds changes to the log: at most `PUBLISH_MAX`, in order and without a hole, the first of which
/// follows `after`. None if there are none.
#[must_use]
pub fn publish(after: Seq, changes: &[Change]) -> Option<Call> {
    let last = changes.last()?;
    let head = [after.0, last.seq.0, LOG_ENTRIES as u64].map(|number| number.to_string());
    let mut arguments = Vec::from(head);
    for change in changes {
        arguments.push(change.seq.0.to_string());
        arguments.push(field(&change.target));
        arguments.push(epoch(change.seq, change.until));
        arguments.push(Entry::Change(change.clone()).write());
    }
    Some(Call {
        script: PUBLISH,
        keys: vec![EPOCHS_KEY.to_owned(), LOG_KEY.to_owned()],
        arguments,
    })
}

#[must_use]
pub fn beat(beat: Beat, now: UnixSeconds) -> Call {
    Call {
        script: BEAT,
        keys: vec![EPOCHS_KEY.to_owned(), LOG_KEY.to_owned()],
        arguments: vec![
            beat.seq.0.to_string(),
            LOG_ENTRIES.to_string(),
            Entry::Beat(beat).write(),
            now.0.to_string(),
            SWEEP_COUNT.to_string(),
        ],
    }
}

/// Begins to write everything anew. `by` is drawn at random, for this once.
#[must_use]
pub fn clear(by: u64) -> Call {
    Call {
        script: CLEAR,
        keys: vec![EPOCHS_KEY.to_owned(), LOG_KEY.to_owned()],
        arguments: vec![by.to_string()],
    }
}

/// Writes at most `FILL_MAX` epochs after `clear`. Refused if somebody else began in between.
#[must_use]
pub fn fill(by: u64, epochs: &[Epoch]) -> Call {
    let mut arguments = vec![by.to_string()];
    for it in epochs {
        arguments.push(field(&it.target));
        arguments.push(epoch(it.seq, it.until));
    }
    Call {
        script: FILL,
        keys: vec![EPOCHS_KEY.to_owned()],
        arguments,
    }
}

/// All epochs were filled in. The position was read from the database before they were: an epoch
/// that is newer than it is only too strict.
#[must_use]
pub fn finish(by: u64, position: Seq) -> Call {
    Call {
        script: FINISH,
        keys: vec![EPOCHS_KEY.to_owned()],
        arguments: vec![by.to_string(), position.0.to_string()],
    }
}

/// Reads what lies under `POSITION_FIELD`; none if nothing can be read there, which is a reason to
/// begin anew.
#[must_use]
pub fn read_position(value: Option<&[u8]>) -> Option<Seq> {
    let text = str::from_utf8(value?).ok()?;
    decimal(text).map(Seq)
}

/// Asks for the record of a token and its epochs.
#[must_use]
pub fn find(digest: TokenDigest) -> Call {
    Call {
        script: FIND,
        keys: vec![EPOCHS_KEY.to_owned(), record_key(digest)],
        arguments: Vec::new(),
    }
}

/// Reads the reply to `find`. `known` is the last change that was read of the log when it was sent,
/// which is to say that of the fence's stamp.
pub fn read_found<B: AsRef<[u8]>>(reply: &[Option<B>], known: Seq) -> Result<Session, Unknown> {
    let [position, session, subject, client, tenant, global, record] = reply else {
        return Err(if reply.is_empty() {
            Unknown::Absent
        } else {
            Unknown::Reply
        });
    };
    let position = position.as_ref().ok_or(Unknown::NoPosition)?;
    let position = read_position(Some(position.as_ref())).ok_or(Unknown::Reply)?;
    if position < known {
        return Err(Unknown::Behind { position });
    }
    let epochs = Epochs {
        session: read_epoch(session.as_ref())?,
        subject: read_epoch(subject.as_ref())?,
        client: read_epoch(client.as_ref())?,
        tenant: read_epoch(tenant.as_ref())?,
        global: read_epoch(global.as_ref())?,
    };
    let record = record.as_ref().ok_or(Unknown::Reply)?;
    let record = Session::read(record.as_ref()).map_err(Unknown::Record)?;
    if !epochs.admit(record.written_seq) {
        return Err(Unknown::Void);
    }
    Ok(record)
}

/// Keeps a record until its token or its session is over; none if they are. A session that idles out
/// is being used now, so that a record which is still there proves a use within that time.
#[must_use]
pub fn store(
    digest: TokenDigest,
    record: &Session,
    expires_at: UnixSeconds,
    now: UnixSeconds,
) -> Option<Call> {
    let idles_at = record.idle.map(|idle| now.after(idle));
    let ends_at = expires_at.min(record.ends_at);
    let kept = idles_at
        .map_or(ends_at, |idles_at| idles_at.min(ends_at))
        .since(now);
    if kept == Duration::ZERO {
        return None;
    }
    let targets = [
        Target::Session(record.id),
        Target::Subject(record.subject.clone()),
        Target::Client(record.client_id.clone()),
        Target::Tenant(record.tenant.clone()),
        Target::Realm,
    ];
    let mut arguments = vec![
        record.written_seq.0.to_string(),
        record.write(),
        kept.as_secs().to_string(),
    ];
    arguments.extend(targets.iter().map(field));
    Some(Call {
        script: STORE,
        keys: vec![EPOCHS_KEY.to_owned(), record_key(digest)],
        arguments,
    })
}

#[must_use]
pub fn record_key(digest: TokenDigest) -> String {
    format!(
        "tollgate:record:{}",
        URL_SAFE_NO_PAD.encode(digest.as_bytes())
    )
}

/// The field of a target among the epochs; `find.lua` spells them, too.
fn field(target: &Target) -> String {
    match target {
        Target::Session(id) => format!("s:{id}"),
        Target::Subject(id) => format!("u:{id}"),
        Target::Client(id) => format!("c:{id}"),
        Target::Tenant(id) => format!("t:{id}"),
        Target::Realm => "g".to_owned(),
    }
}

fn epoch(seq: Seq, until: Option<UnixSeconds>) -> String {
    match until {
        Some(until) => format!("{}:{}", seq.0, until.0),
        None => seq.0.to_string(),
    }
}

fn read_epoch<B: AsRef<[u8]>>(value: Option<&B>) -> Result<Seq, Unknown> {
    let Some(value) = value else {
        return Ok(Seq::NONE);
    };
    let text = str::from_utf8(value.as_ref()).map_err(|_| Unknown::Reply)?;
    let (seq, _) = text.split_once(':').unwrap_or((text, ""));
    decimal(seq).map(Seq).ok_or(Unknown::Reply)
}

#[cfg(test)]
mod tests;
