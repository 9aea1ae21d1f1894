//! Who tells this gateway about a token that it does not know?
//!
//! Redis, if there is proof that what it says is fresh, and then the identity provider. Whatever is
//! in the way of an answer is *unknown*, which is never the same as bad: only the identity provider
//! says that of a token.
//!
//! Of a record in Redis only that is believed which the provider has signed: whoever can write there
//! can write anything.
//!
//! The stamp is taken before anything is asked. So whatever is published while the answer is on its
//! way voids it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway_core::verdict::Unknown;
use idp_token::ask::resolve::{self, Answer, Purpose, Question};
use idp_token::digest::TokenDigest;
use idp_token::fence::Stamp;
use idp_token::lease::{Tolerance, Trust};
use idp_token::projection::{self, check_signed, read_found};
use idp_token::seal::SealKey;
use idp_token::session::{Session, StoredValueToken};
use idp_token::time::UnixSeconds;
use idp_token::value::{JwsError, ValueTokenError};
use zeroize::Zeroizing;

use super::asking::{Asking, Unanswered};
use super::keys::Keys;
use super::knowledge::Knowledge;
use super::shelf::Shelf;
use crate::clock;
use crate::metrics::{Heard, SourceMetrics};

#[derive(Debug)]
pub(crate) struct Sources {
    knowledge: Arc<Knowledge>,
    /// Redis, and the keys that its records are verified with.
    copies: Option<(Arc<Shelf>, Arc<Keys>)>,
    asking: Arc<Asking>,
    metrics: SourceMetrics,
    /// Whether a record was not what was signed: one line is enough to look into it.
    has_doubted: AtomicBool,
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
        copies: Option<(Arc<Shelf>, Arc<Keys>)>,
        asking: Arc<Asking>,
        metrics: SourceMetrics,
    ) -> Self {
        Self {
            knowledge,
            copies,
            asking,
            metrics,
            has_doubted: AtomicBool::new(false),
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
        let key = SealKey::from_bytes(*question.key.expose(), question.key.name());
        let answer = self.asking.ask(question).await;
        let answer = answer.map_err(|why| self.unknown(&why))?;
        let told = match answer {
            Answer::Inactive => Told::Inactive,
            Answer::Active(active) => self.read_answer(*active, &key, stamp)?,
        };
        Ok(Found { stamp, told })
    }

    /// Asks the identity provider about a value token, which no copy knows.
    pub(super) async fn ask_about_value(
        &self,
        text: &str,
        digest: TokenDigest,
    ) -> Result<Found, Unknown> {
        let stamp = self.knowledge.stamp();
        let answer = self.asking.ask_about_value(text, digest).await;
        let told = match answer.map_err(|why| self.unknown(&why))? {
            Answer::Inactive => Told::Inactive,
            Answer::Active(active) => {
                self.check_current(&active, stamp)?;
                Told::Active(Box::new(Active {
                    record: active.record,
                    value_token: None,
                    expires_at: Some(active.expires_at),
                }))
            }
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
        let (shelf, keys) = self.copies.as_ref()?;
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
        let (active, stored) = match usable(record, question, clock::unix_seconds()) {
            Ok(usable) => usable,
            Err(why) => {
                self.metrics.count_heard(why);
                return None;
            }
        };
        if let Err(why) = self.check_signed((&active, &stored), question.key.digest(), keys) {
            self.metrics.count_heard(why);
            return None;
        }
        // The process may have stood still meanwhile.
        if !self.is_fresh() {
            self.metrics.count_heard(Heard::Skipped);
            return None;
        }
        self.metrics.count_heard(Heard::Found);
        let told = Told::Active(Box::new(active));
        Some(Found { stamp, told })
    }

    /// Whether a record is what was signed for this token. Where the key is not known, or the session was
    /// ended as far as this gateway knows, the provider tells.
    fn check_signed(
        &self,
        (active, stored): (&Active, &StoredValueToken),
        digest: TokenDigest,
        keys: &Keys,
    ) -> Result<(), Heard> {
        let value_tokens = self.knowledge.value_tokens();
        let (Some(value_tokens), Some(opened)) = (value_tokens.as_ref(), &active.value_token)
        else {
            keys.want();
            return Err(Heard::Unknown);
        };
        let verified = value_tokens.verify_stored(&opened.text, clock::unix_seconds());
        let claims = match verified {
            Ok(claims) => claims,
            Err(ValueTokenError::Jws(JwsError::UnknownKey)) => {
                keys.want();
                return Err(Heard::Unknown);
            }
            Err(error) => return Err(self.doubt(&error)),
        };
        check_signed(&active.record, stored, &claims, digest).map_err(|why| self.doubt(&why))?;
        match self.knowledge.was_ended(&active.record.id) {
            true => Err(Heard::Unknown),
            false => Ok(()),
        }
    }

    fn doubt(&self, why: &(dyn std::error::Error + 'static)) -> Heard {
        if !self.has_doubted.swap(true, Ordering::Relaxed) {
            tracing::error!(error = why, "a record in Redis is not what was signed");
        }
        Heard::Forged
    }

    /// A provider that knows less than this gateway was put back to an older state.
    fn check_current(&self, active: &resolve::Active, stamp: Stamp) -> Result<(), Unknown> {
        let written_seq = active.record.written_seq;
        if written_seq >= stamp.seq() && active.epochs.admit(written_seq) {
            return Ok(());
        }
        self.metrics.stale_answers.inc();
        Err(Unknown::Stale)
    }

    fn read_answer(
        &self,
        active: resolve::Active,
        key: &SealKey,
        stamp: Stamp,
    ) -> Result<Told, Unknown> {
        self.check_current(&active, stamp)?;
        let mut record = active.record;
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
            Unanswered::Late | Unanswered::Silent | Unanswered::Call(_) => match self.is_fresh() {
                true => Unknown::Unreachable,
                false => Unknown::Stale,
            },
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

/// A record from Redis, if it has what was asked for, and what stood in it of its value token.
fn usable(
    mut record: Session,
    question: &Question,
    now: UnixSeconds,
) -> Result<(Active, StoredValueToken), Heard> {
    let stored = record.value_token.take().ok_or(Heard::Unknown)?;
    let is_enough = match question.purpose {
        Purpose::Use => stored.expires_at > now,
        // Another gateway may have been told of the next one already.
        Purpose::Renew => stored.renews_at > now,
        Purpose::Check => false,
    };
    if !is_enough || record.ends_at <= now {
        return Err(Heard::Unknown);
    }
    let value_token = open(&stored, &question.key).ok_or(Heard::Forged)?;
    let active = Active {
        record,
        value_token: Some(value_token),
        expires_at: None,
    };
    Ok((active, stored))
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
