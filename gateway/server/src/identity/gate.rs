//! Who is behind a token? Decided with what is remembered, where that will do.
//!
//! A token that is known costs no call to anybody: its entry in the cache is judged by the fence and
//! the lease, at this moment. Everything else is looked up; and who cannot be looked up is unknown,
//! which is not the same as refused.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use gateway_core::admission::Admission;
use gateway_core::credential::Credential;
use gateway_core::rejection::Rejection;
use gateway_core::verdict::{Decision, Invalid, Proof, Unknown, judge};
use idp_token::digest::{Tid, TokenDigest};
use idp_token::lease::Tolerance;
use idp_token::reference::{ReferenceError, ReferenceToken, SPELLED_BYTES, Unproved};
use idp_token::time::{BootTime, UnixSeconds};

use super::Identity;
use super::cache::Found;
use super::effort::Effort;
use super::entry::Entry;
use super::lookup::{Inquiry, Presented};
use crate::clock;
use crate::metrics::Layer;

/// The moment of a decision, by both clocks; read before anything that is judged by it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) boot: BootTime,
    pub(super) unix: UnixSeconds,
}

/// A caller whose token is good, and who told.
pub(crate) struct Granted<'h> {
    entry: Held,
    /// The value token of the client itself, which goes on as it is.
    shown: Option<&'h str>,
    pub(crate) layer: Layer,
}

#[derive(Debug)]
enum Held {
    Remembered(Found),
    Found(Arc<Entry>),
}

/// Not what the client has shown: it is a credential.
impl fmt::Debug for Granted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted")
            .field("entry", &self.entry)
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

/// Why a caller is not let through, and what logs call the token if it may be one.
#[derive(Debug)]
pub(crate) struct Denied {
    pub(crate) rejection: Rejection,
    pub(crate) tid: Option<Tid>,
}

/// What can be said without asking anybody.
pub(super) enum Step {
    Granted(Granted<'static>),
    Inquire(Box<Inquiry>),
}

impl Identity {
    /// Finds out who holds a token, which was found in a request just then. Only what is not remembered is
    /// waited for.
    pub(crate) async fn identify<'h>(
        self: &Arc<Self>,
        admission: &Admission,
        (credential, began): (Credential<'h>, BootTime),
        effort: Effort<'_>,
    ) -> Result<Granted<'h>, Denied> {
        let now = Moment {
            boot: began,
            unix: clock::unix_seconds(),
        };
        let tolerance = admission.tolerance;
        let (step, shown) = match credential {
            Credential::Reference(text) if admission.accept.takes_reference() => {
                (self.recall(tolerance, text, now, effort)?, None)
            }
            Credential::Value(text) if admission.accept.takes_value() => {
                (self.recall_shown(tolerance, text, now, effort)?, Some(text))
            }
            Credential::Reference(_) | Credential::Value(_) | Credential::Other(_) => {
                return Err(Invalid::Kind.into());
            }
        };
        let granted = match step {
            Step::Granted(granted) => granted,
            Step::Inquire(inquiry) => Box::pin(self.inquire(tolerance, *inquiry)).await?,
        };
        Ok(Granted { shown, ..granted })
    }

    /// Decides about a reference token with what is remembered of it. It is taken apart only if that is
    /// nothing: whoever is known by the digest was looked at before.
    fn recall(
        self: &Arc<Self>,
        tolerance: Tolerance,
        text: &[u8],
        now: Moment,
        effort: Effort<'_>,
    ) -> Result<Step, Denied> {
        if text.len() != SPELLED_BYTES {
            return Err(Invalid::from(ReferenceError::Shape).into());
        }
        let digest = TokenDigest::of(text);
        let found = self.cache.find(&digest, self.following.knowledge.fence());
        let known = found.as_ref().map(Found::entry);
        let (gap, asks_provider) = match self.judge(known.map(|it| &**it), tolerance, now) {
            Decision::Serve(proof) => {
                let found = found.ok_or(Rejection::from(Unknown::Unreachable))?;
                return Ok(Step::Granted(match effort.unused_since() {
                    None => self.serve(found, text, (proof, now)),
                    Some(_) => Granted::remembered(found, proof),
                }));
            }
            Decision::Refuse(invalid) => return Err(Denied::of(invalid, &digest)),
            Decision::Refetch(gap) => (gap, false),
            Decision::Ask(gap) => (gap, true),
        };
        let unproved = Unproved::read(text, now.unix).map_err(Invalid::from)?;
        let token = self.prove(unproved, now);
        let token = token.map_err(|why| Denied::of(why, &digest))?;
        if self.strangers.has(&digest, now.boot) {
            return Err(Denied::of(Invalid::Inactive, &digest));
        }
        Ok(Step::Inquire(Box::new(Inquiry {
            digest,
            token: Presented::Reference(Arc::new(token)),
            gap,
            asks_provider,
            kept: known.map(Arc::clone),
            unused_since: effort.unused_since(),
        })))
    }

    /// The lease is asked first: what it vouches for is in the fence by then.
    pub(super) fn judge(
        &self,
        entry: Option<&Entry>,
        tolerance: Tolerance,
        now: Moment,
    ) -> Decision {
        let knowledge = &self.following.knowledge;
        let trust = knowledge.trust(tolerance, now.boot);
        let remembered = entry.map(|it| it.remembered(now.boot));
        let holds = entry.is_some_and(|it| it.holds(knowledge.fence()));
        let session = entry.and_then(|it| it.caller.session);
        let was_ended = || session.is_some_and(|session| knowledge.was_ended(&session));
        judge(remembered.as_ref(), holds, was_ended, trust, now.unix)
    }

    /// Serves from what is remembered, and sees to what a use brings with it.
    fn serve(
        self: &Arc<Self>,
        found: Found,
        text: &[u8],
        (proof, now): (Proof, Moment),
    ) -> Granted<'static> {
        let entry = found.entry();
        if entry.is_use_due(now.boot) {
            self.note_use(entry, now.boot);
        }
        if entry.is_to_be_renewed(now.unix)
            && let Ok(unproved) = Unproved::read(text, now.unix)
            && self.cache.begin_renewal(entry)
        {
            self.renew(unproved, entry, now);
        }
        Granted::remembered(found, proof)
    }

    pub(super) fn note_use(&self, entry: &Entry, at: BootTime) {
        let session = entry.caller.session;
        if session.is_some_and(|session| self.following.uses.note(session, at)) {
            self.cache.note_told(entry, at);
        }
    }

    /// Whether the tag is ours. Where the keys of tags are not known, or not all of them, nobody can
    /// tell.
    pub(super) fn prove(
        &self,
        unproved: Unproved,
        now: Moment,
    ) -> Result<ReferenceToken, Rejection> {
        let copy = self.following.knowledge.filter_keys();
        let Some(copy) = copy.as_ref() else {
            return Err(Unknown::Unreachable.into());
        };
        match unproved.prove(&copy.keys) {
            Err(ReferenceError::UnknownKey) => {
                self.following.keys.want();
                match copy.is_complete(now.boot) {
                    true => Err(Invalid::from(ReferenceError::UnknownKey).into()),
                    false => Err(Unknown::Unreachable.into()),
                }
            }
            proved => Ok(proved.map_err(Invalid::from)?),
        }
    }
}

impl Moment {
    pub(super) fn now() -> Self {
        Self {
            boot: clock::boot(),
            unix: clock::unix_seconds(),
        }
    }
}

impl<'h> Granted<'h> {
    pub(super) fn found(entry: Arc<Entry>, layer: Layer) -> Self {
        Self {
            entry: Held::Found(entry),
            shown: None,
            layer,
        }
    }

    pub(super) fn remembered(found: Found, proof: Proof) -> Self {
        Self {
            entry: Held::Remembered(found),
            shown: None,
            layer: match proof {
                Proof::Fresh => Layer::Cache,
                Proof::Grace => Layer::Grace,
            },
        }
    }

    /// What services are shown.
    pub(crate) fn value_token(&self) -> Option<&[u8]> {
        let shown = self.shown.map(str::as_bytes);
        shown.or_else(|| self.entry.entry().value_token())
    }
}

impl Held {
    fn entry(&self) -> &Entry {
        match self {
            Self::Remembered(found) => found.entry(),
            Self::Found(entry) => entry,
        }
    }
}

impl Deref for Granted<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.entry.entry()
    }
}

impl Denied {
    pub(super) fn of(rejection: impl Into<Rejection>, digest: &TokenDigest) -> Self {
        Self {
            rejection: rejection.into(),
            tid: Some(Tid::of(digest)),
        }
    }
}

/// Of a text that is no token of ours.
impl From<Invalid> for Denied {
    fn from(invalid: Invalid) -> Self {
        Rejection::from(invalid).into()
    }
}

impl From<Rejection> for Denied {
    fn from(rejection: Rejection) -> Self {
        Self {
            rejection,
            tid: None,
        }
    }
}
