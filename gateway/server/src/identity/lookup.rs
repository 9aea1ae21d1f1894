//! Looks up a token that is not remembered, or not well enough.
//!
//! One look-up at a time for a token ([`super::flights`]), whoever waits for it. What it brings is
//! judged like everything that is remembered: a change that came in the meantime voids it, and it is
//! looked up once more.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::caller::{Caller, Rights};
use gateway_core::verdict::{Decision, Gap, Invalid, Proof, Unknown};
use idp_token::ask::resolve::{Purpose, Question};
use idp_token::digest::{Tid, TokenDigest};
use idp_token::fence::Stamp;
use idp_token::lease::Tolerance;
use idp_token::reference::{ReferenceToken, Unproved};
use idp_token::seal::SealKey;
use idp_token::session::Over;
use idp_token::time::BootTime;
use idp_token::value::told_audience;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::Identity;
use super::entry::{Entry, Value};
use super::gate::{Denied, Granted, Moment};
use super::sources::{Active, Opened, Told};
use crate::clock;
use crate::metrics::Layer;
use crate::spawn::spawn;

/// A token whose changes come faster than its look-ups is given up for now.
const ATTEMPTS_MAX: usize = 3;
/// Between attempts to get the next value token.
const RENEW_PAUSE: Duration = Duration::from_secs(5);

/// What was shown: only whoever has it can ask about it.
#[derive(Clone)]
pub(super) enum Presented {
    Reference(Arc<ReferenceToken>),
    /// A value token, which was verified.
    Value(Arc<Zeroizing<String>>),
}

/// A token that must be looked up, and why.
pub(super) struct Inquiry {
    pub(super) digest: TokenDigest,
    pub(super) token: Presented,
    pub(super) gap: Gap,
    /// No copy will do.
    pub(super) asks_provider: bool,
    /// What was remembered.
    pub(super) kept: Option<Arc<Entry>>,
    /// Since when its session was not used; none if this is for a use of it.
    pub(super) unused_since: Option<BootTime>,
}

/// What a look-up brought, for all who wait for it.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Inactive,
    /// Meant for the services of others.
    Misplaced,
    Active {
        entry: Arc<Entry>,
        layer: Layer,
        /// Before anybody was asked.
        began: BootTime,
    },
}

impl Identity {
    pub(super) async fn inquire(
        self: &Arc<Self>,
        tolerance: Tolerance,
        mut inquiry: Inquiry,
    ) -> Result<Granted<'static>, Denied> {
        let denied = |why, inquiry: &Inquiry| Denied::of(why, &inquiry.digest);
        for _ in 0..ATTEMPTS_MAX {
            self.metrics.count_gap(inquiry.gap);
            let outcome = self.join(&inquiry).await;
            let outcome = outcome.map_err(|unknown| Denied::of(unknown, &inquiry.digest))?;
            let (entry, layer, began) = match outcome {
                Outcome::Inactive => return Err(denied(Invalid::Inactive, &inquiry)),
                Outcome::Misplaced => return Err(denied(Invalid::Audience, &inquiry)),
                Outcome::Active {
                    entry,
                    layer,
                    began,
                } => (entry, layer, began),
            };
            let now = Moment::now();
            match self.judge(Some(&entry), tolerance, now) {
                Decision::Serve(Proof::Fresh | Proof::Grace) => {
                    self.note_joined(&entry, &inquiry, now);
                    return Ok(Granted::found(entry, layer));
                }
                Decision::Refuse(invalid) => return Err(denied(invalid, &inquiry)),
                // Whoever is active elsewhere opens another connection.
                Decision::Refetch(Gap::Idle) | Decision::Ask(Gap::Idle)
                    if inquiry.unused_since.is_some() =>
                {
                    return Err(denied(Invalid::Over(Over::Idle), &inquiry));
                }
                Decision::Ask(Gap::Stale)
                    if layer == Layer::Provider && self.is_recent(began, now) =>
                {
                    self.note_joined(&entry, &inquiry, now);
                    return Ok(Granted::found(entry, layer));
                }
                Decision::Ask(gap) => (inquiry.gap, inquiry.asks_provider) = (gap, true),
                Decision::Refetch(gap) => (inquiry.gap, inquiry.asks_provider) = (gap, false),
            }
            inquiry.kept = Some(entry);
        }
        let unknown = inquiry.gap.unanswered();
        Err(Denied::of(unknown, &inquiry.digest))
    }

    /// Notes a use for which a look-up was joined that was for none.
    fn note_joined(&self, entry: &Entry, inquiry: &Inquiry, now: Moment) {
        if inquiry.unused_since.is_none() && entry.is_use_due(now.boot) {
            self.note_use(entry, now.boot);
        }
    }

    /// Whether an answer of the provider itself may be served on although nothing else is fresh: it
    /// says how things were when it was asked or later, so it is good for as long as the lease.
    fn is_recent(&self, began: BootTime, now: Moment) -> bool {
        let age = now.boot.0.checked_sub(began.0);
        age.is_some_and(|age| age <= self.lease)
    }

    async fn join(self: &Arc<Self>, inquiry: &Inquiry) -> Result<Outcome, Unknown> {
        let now = clock::boot();
        let not_before = match inquiry.asks_provider {
            true => BootTime(now.0.saturating_sub(self.lease)),
            false => BootTime(Duration::ZERO),
        };
        let look_up = || {
            let lookup = Lookup {
                identity: Arc::clone(self),
                digest: inquiry.digest,
                token: inquiry.token.clone(),
                purpose: inquiry.purpose(),
                asks_provider: inquiry.asks_provider,
                kept: inquiry.kept.clone(),
                unused_since: inquiry.unused_since,
            };
            lookup.run()
        };
        let joined = self
            .flights
            .join(inquiry.digest, (now, not_before), look_up);
        let outcome = joined.await?;
        let is_tagged = matches!(inquiry.token, Presented::Reference(_));
        if matches!(outcome, Outcome::Inactive) && inquiry.kept.is_none() && is_tagged {
            self.metrics.unknown_with_valid_tag.inc();
        }
        Ok(outcome)
    }

    /// Fetches the next value token while the present one is still good. Where that does not succeed, or
    /// too many are under way already, a later use tries again.
    pub(super) fn renew(self: &Arc<Self>, unproved: Unproved, entry: &Arc<Entry>, now: Moment) {
        let place = Arc::clone(&self.renewals).try_acquire_owned();
        let (Ok(place), Ok(token)) = (place, self.prove(unproved, now)) else {
            self.cache.note_not_renewed(&entry.digest);
            return;
        };
        let inquiry = Inquiry {
            digest: entry.digest,
            token: Presented::Reference(Arc::new(token)),
            gap: Gap::Spent,
            asks_provider: false,
            kept: Some(Arc::clone(entry)),
            unused_since: None,
        };
        let identity = Arc::clone(self);
        spawn("renew", async move {
            let outcome = identity.join(&inquiry).await;
            drop(place);
            identity.metrics.count_renewal(outcome.is_ok());
            if outcome.is_err() {
                sleep(RENEW_PAUSE).await;
                identity.cache.note_not_renewed(&inquiry.digest);
            }
        });
    }
}

impl Inquiry {
    fn purpose(&self) -> Purpose {
        match self.gap {
            Gap::Spent => Purpose::Renew,
            Gap::Stale if self.has_value() => Purpose::Check,
            Gap::Stale | Gap::Unknown | Gap::Void | Gap::Idle => Purpose::Use,
        }
    }

    fn has_value(&self) -> bool {
        let value = self.kept.as_ref().and_then(|kept| kept.value.as_ref());
        value.is_some_and(|value| clock::unix_seconds() < value.renews_at)
    }
}

/// One look-up.
struct Lookup {
    identity: Arc<Identity>,
    digest: TokenDigest,
    token: Presented,
    purpose: Purpose,
    asks_provider: bool,
    kept: Option<Arc<Entry>>,
    unused_since: Option<BootTime>,
}

impl Lookup {
    async fn run(mut self) -> Result<Outcome, Unknown> {
        let began = clock::boot();
        let (stamp, active) = loop {
            let found = self.ask().await?;
            match found.told {
                Told::Inactive => {
                    self.note_refused(began);
                    return Ok(Outcome::Inactive);
                }
                Told::Active(active) if self.is_misplaced(&active) => {
                    self.note_refused(began);
                    return Ok(Outcome::Misplaced);
                }
                Told::Active(active) => match self.check(*active) {
                    Some(active) => break (found.stamp, active),
                    None => self.purpose = Purpose::Use,
                },
            }
        };
        let layer = match active.expires_at {
            Some(_) => Layer::Provider,
            None => Layer::Redis,
        };
        let (used_at, is_to_be_told) = self.last_use();
        let entry = Arc::new(self.entry(active, stamp, used_at)?);
        self.identity.cache.insert(Arc::clone(&entry));
        if is_to_be_told && entry.report_after.is_some() {
            self.identity.note_use(&entry, used_at);
        }
        Ok(Outcome::Active {
            entry,
            layer,
            began,
        })
    }

    /// When the session was last used, and whether anybody is to be told of that.
    fn last_use(&self) -> (BootTime, bool) {
        match (self.unused_since, &self.kept) {
            (None, _) => (clock::boot(), true),
            (Some(since), Some(kept)) if !kept.is_use_due(since) => (kept.told_at(), false),
            (Some(since), _) => (since, true),
        }
    }

    async fn ask(&self) -> Result<super::sources::Found, Unknown> {
        let sources = &self.identity.following.sources;
        let token = match &self.token {
            Presented::Reference(token) => token,
            Presented::Value(text) => return sources.ask_about_value(text, self.digest).await,
        };
        let question = Question {
            key: SealKey::of(token),
            purpose: self.purpose,
        };
        if self.asks_provider {
            sources.ask(question).await
        } else {
            sources.find(question).await
        }
    }

    fn note_refused(&self, began: BootTime) {
        self.identity.cache.remove(&self.digest);
        self.identity.strangers.add(&self.digest, began);
    }

    /// Whether services would be shown what is not meant for them. A value token that a client shows was
    /// looked at before.
    fn is_misplaced(&self, active: &Active) -> bool {
        let ours = &self.identity.audiences;
        let Some(value) = active.value_token.as_ref().filter(|_| !ours.is_empty()) else {
            return false;
        };
        let meant = told_audience(&value.text).unwrap_or_default();
        !meant.iter().any(|audience| ours.contains(audience))
    }

    /// What was asked without a value token gets the one that there was, if it says the same. None
    /// if there has to be another one.
    fn check(&self, active: Active) -> Option<Active> {
        if self.purpose != Purpose::Check {
            return Some(active);
        }
        let kept = self.kept.as_ref()?;
        let value = kept.value.as_ref()?;
        let is_same = *kept.caller.rights == rights(&active)
            && kept.caller.auth_time == active.record.auth_time;
        is_same.then(|| Active {
            value_token: Some(Opened {
                text: value.text.as_str().to_owned().into(),
                renews_at: value.renews_at,
                expires_at: value.expires_at,
            }),
            ..active
        })
    }

    /// A provider that cannot make a value token leaves services without a caller.
    fn entry(&self, active: Active, stamp: Stamp, used_at: BootTime) -> Result<Entry, Unknown> {
        let digest = self.digest;
        let rights = self.identity.rights.share(rights(&active));
        let Active {
            record,
            value_token,
            expires_at,
        } = active;
        let marks = self.identity.following.knowledge.fence().marks(
            &record.id.to_string(),
            &record.subject,
            &record.client_id,
            &record.tenant,
        );
        let ends_at = expires_at.map_or(record.ends_at, |it| it.min(record.ends_at));
        let (value, ends_at, idle) = match &self.token {
            Presented::Reference(token) => {
                let value = value_token.ok_or(Unknown::Unreachable)?;
                let ends_at = token.end().get().min(ends_at);
                (Some(value), ends_at, record.idle.zip(record.report_after()))
            }
            // It lives for so short that nobody need know when it was used.
            Presented::Value(_) => (None, ends_at, None),
        };
        let caller = Caller {
            tid: Tid::of(&digest),
            session: Some(record.id),
            subject: record.subject.into(),
            rights,
            auth_time: record.auth_time,
        };
        let value = value.map(|opened| Value {
            text: opened.text.as_str().into(),
            renews_at: opened.renews_at,
            expires_at: opened.expires_at,
        });
        Ok(Entry::new(
            (digest, caller),
            (stamp, marks),
            value,
            (ends_at, idle),
            used_at,
        ))
    }
}

fn rights(active: &Active) -> Rights {
    let record = &active.record;
    Rights::new(
        &record.client_id,
        &record.tenant,
        &record.scope,
        &record.roles,
    )
}
