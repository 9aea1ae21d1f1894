//! Who tells this gateway about a token that it does not know?
//!
//! Redis, if there is proof that what it says is fresh, and then the identity provider. Whatever is
//! in the way of an answer is *unknown*, which is never the same as bad: only the identity provider
//! says that of a token.
//!
//! The stamp is taken before anything is asked. So whatever is published while the answer is on its
//! way voids it.

use std::sync::Arc;

use gateway_core::verdict::Unknown;
use idp_token::ask::resolve::{self, Answer, Purpose, Question};
use idp_token::fence::Stamp;
use idp_token::lease::{Tolerance, Trust};
use idp_token::projection::{self, read_found};
use idp_token::seal::SealKey;
use idp_token::session::{Session, StoredValueToken};
use idp_token::time::UnixSeconds;
use zeroize::Zeroizing;

use super::asking::{Asking, Unanswered};
use super::knowledge::Knowledge;
use super::shelf::Shelf;
use crate::clock;
use crate::metrics::{Heard, SourceMetrics};

#[derive(Debug)]
pub(crate) struct Sources {
    knowledge: Arc<Knowledge>,
    shelf: Option<Arc<Shelf>>,
    asking: Arc<Asking>,
    metrics: SourceMetrics,
}

/// What a look-up found, and where the log stood when it began.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) stamp: Stamp,
    pub(crate) told: Told,
}

#[derive(Debug)]
pub(crate) enum Told {
    /// Unknown to the provider, expired or over: 401.
    Inactive,
    Active(Box<Active>),
}

#[derive(Debug)]
pub(crate) struct Active {
    /// Its value token is taken out.
    pub(crate) record: Session,
    /// What services are shown; none if none was asked for, or none can be made.
    pub(crate) value_token: Option<Opened>,
    /// When the token itself is over; where Redis told, the token alone knows.
    pub(crate) expires_at: Option<UnixSeconds>,
}

/// A value token as services see it.
pub(crate) struct Opened {
    pub(crate) text: Zeroizing<String>,
    /// When the next one is to be fetched.
    pub(crate) renews_at: UnixSeconds,
    pub(crate) expires_at: UnixSeconds,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("renews_at", &self.renews_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Sources {
    pub(super) fn new(
        knowledge: Arc<Knowledge>,
        shelf: Option<Arc<Shelf>>,
        asking: Arc<Asking>,
        metrics: SourceMetrics,
    ) -> Self {
        Self {
            knowledge,
            shelf,
            asking,
            metrics,
        }
    }

    /// Looks in Redis, then asks the identity provider.
    pub(crate) async fn find(&self, question: Question) -> Result<Found, Unknown> {
        if let Some(found) = self.find_in_redis(&question).await {
            return Ok(found);
        }
        self.ask(question).await
    }

    /// Asks the identity provider itself: where no copy can be believed, or one is not enough.
    pub(crate) async fn ask(&self, question: Question) -> Result<Found, Unknown> {
        let stamp = self.knowledge.stamp();
        let key = SealKey::from_bytes(*question.key.expose(), question.key.digest());
        let answer = self.asking.ask(question).await;
        let answer = answer.map_err(|why| self.unknown(&why))?;
        let told = match answer {
            Answer::Inactive => Told::Inactive,
            Answer::Active(active) => self.read_answer(*active, &key, stamp)?,
        };
        Ok(Found { stamp, told })
    }

    /// How many wait for the provider to be asked about their tokens.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.asking.waiting()
    }

    /// None if Redis does not know, or there is no telling whether what it says is so.
    async fn find_in_redis(&self, question: &Question) -> Option<Found> {
        let shelf = self.shelf.as_ref()?;
        let stamp = self.knowledge.stamp();
        if question.purpose == Purpose::Check || !self.is_fresh() {
            self.metrics.count_heard(Heard::Skipped);
            return None;
        }
        let reply = match shelf.find(question.key.digest()).await {
            Some(Ok(reply)) => reply,
            Some(Err(_)) => {
                self.metrics.count_heard(Heard::Failed);
                return None;
            }
            None => {
                self.metrics.count_heard(Heard::Skipped);
                return None;
            }
        };
        let record = match read_found(&reply, stamp.seq()) {
            Ok(record) => record,
            Err(unknown) => {
                self.metrics.count_heard(heard(unknown));
                return None;
            }
        };
        let Some(active) = usable(record, question, clock::unix_seconds()) else {
            self.metrics.count_heard(Heard::Unknown);
            return None;
        };
        // The process may have stood still meanwhile.
        if !self.is_fresh() {
            self.metrics.count_heard(Heard::Skipped);
            return None;
        }
        self.metrics.count_heard(Heard::Found);
        let told = Told::Active(Box::new(active));
        Some(Found { stamp, told })
    }

    /// A provider that knows less than this gateway was put back to an older state.
    fn read_answer(
        &self,
        active: resolve::Active,
        key: &SealKey,
        stamp: Stamp,
    ) -> Result<Told, Unknown> {
        let mut record = active.record;
        let is_current =
            record.written_seq >= stamp.seq() && active.epochs.admit(record.written_seq);
        if !is_current {
            self.metrics.stale_answers.inc();
            return Err(Unknown::Stale);
        }
        let value_token = match record.value_token.take() {
            Some(stored) => Some(open(&stored, key).ok_or(Unknown::Unreachable)?),
            None => None,
        };
        Ok(Told::Active(Box::new(Active {
            record,
            value_token,
            expires_at: Some(active.expires_at),
        })))
    }

    fn is_fresh(&self) -> bool {
        let trust = self.knowledge.trust(Tolerance::Strict, clock::boot());
        trust == Trust::Fresh
    }

    fn unknown(&self, why: &Unanswered) -> Unknown {
        match why {
            Unanswered::Full => Unknown::Overloaded,
            Unanswered::Late | Unanswered::Call(_) if self.is_fresh() => Unknown::Unreachable,
            Unanswered::Late | Unanswered::Call(_) => Unknown::Stale,
        }
    }
}

fn heard(unknown: projection::Unknown) -> Heard {
    match unknown {
        projection::Unknown::Behind { .. } => Heard::Behind,
        projection::Unknown::Absent
        | projection::Unknown::NoPosition
        | projection::Unknown::Void
        | projection::Unknown::Reply
        | projection::Unknown::Record(_) => Heard::Unknown,
    }
}

/// A record from Redis, if it has what was asked for.
fn usable(mut record: Session, question: &Question, now: UnixSeconds) -> Option<Active> {
    let stored = record.value_token.take()?;
    let is_enough = match question.purpose {
        Purpose::Use => stored.expires_at > now,
        // Another gateway may have been told of the next one already.
        Purpose::Renew => stored.renews_at > now,
        Purpose::Check => false,
    };
    if !is_enough || record.ends_at <= now {
        return None;
    }
    let value_token = open(&stored, &question.key)?;
    Some(Active {
        record,
        value_token: Some(value_token),
        expires_at: None,
    })
}

/// None if it was not sealed for this token.
fn open(stored: &StoredValueToken, key: &SealKey) -> Option<Opened> {
    let text = key.open(&stored.sealed).ok()?;
    Some(Opened {
        text,
        renews_at: stored.renews_at,
        expires_at: stored.expires_at,
    })
}
