//! A value token that a client shows: is it ours, and was nothing taken back since it was made?
//!
//! It is verified once and remembered by its digest, as of the place where the log stood when it was made
//! ([`super::history`]), and not of when it was first seen: otherwise whoever is quick would be served
//! after everything was taken back. Where this gateway cannot tell what happened since, because it did
//! not follow the log yet, or because a change may bear on it, the identity provider is asked about it,
//! once; and what it says is remembered as that about any other token.

use std::sync::Arc;

use gateway_core::caller::{Caller, Rights};
use gateway_core::rejection::Rejection;
use gateway_core::verdict::{Decision, Invalid, Unknown};
use idp_token::digest::{Tid, TokenDigest};
use idp_token::fence::ANY;
use idp_token::lease::{Tolerance, Trust};
use idp_token::session::SessionId;
use idp_token::value::{Claims, JwsError, ValueTokenError};
use zeroize::Zeroizing;

use super::Identity;
use super::cache::Found;
use super::effort::Effort;
use super::entry::Entry;
use super::gate::{Denied, Granted, Moment, Step};
use super::lookup::{Inquiry, Presented};
use crate::metrics::Layer;

impl Identity {
    /// Decides about a value token with what is remembered of it, and with what it says itself.
    pub(super) fn recall_shown(
        &self,
        tolerance: Tolerance,
        text: &str,
        now: Moment,
        effort: Effort<'_>,
    ) -> Result<Step, Denied> {
        let knowledge = &self.following.knowledge;
        let digest = TokenDigest::of(text.as_bytes());
        let found = self.cache.find(&digest, knowledge.fence());
        let known = found.as_ref().map(Found::entry);
        let gap = match self.judge(known.map(|it| &**it), tolerance, now) {
            Decision::Serve(proof) => {
                let granted = found.map(|found| Granted::remembered(found, proof));
                let granted = granted.ok_or(Rejection::from(Unknown::Unreachable))?;
                return Ok(Step::Granted(granted));
            }
            Decision::Refuse(invalid) => return Err(Denied::of(invalid, &digest)),
            Decision::Refetch(gap) | Decision::Ask(gap) => gap,
        };
        if self.strangers.has(&digest, now.boot) {
            return Err(Denied::of(Invalid::Inactive, &digest));
        }
        let kept = known.map(Arc::clone);
        if kept.is_none() {
            let may_be = effort.check();
            let entry = may_be.and_then(|()| self.verify((text, &digest), now, effort));
            let entry = entry.map_err(|why| Denied::of(why, &digest))?;
            let is_trusted = knowledge.trust(tolerance, now.boot) != Trust::Ask;
            if let Some(entry) = entry.filter(|_| is_trusted) {
                self.metrics.count_gap(gap);
                self.cache.insert(Arc::clone(&entry));
                return Ok(Step::Granted(Granted::found(entry, Layer::Signature)));
            }
        }
        Ok(Step::Inquire(Box::new(Inquiry {
            digest,
            token: Presented::Value(Arc::new(Zeroizing::new(text.to_owned()))),
            gap,
            asks_provider: true,
            kept,
            unused_since: effort.unused_since(),
        })))
    }

    /// What a token that is ours says; none where there is no telling whether that is still so.
    fn verify(
        &self,
        (text, digest): (&str, &TokenDigest),
        now: Moment,
        effort: Effort<'_>,
    ) -> Result<Option<Arc<Entry>>, Rejection> {
        let value_tokens = self.following.knowledge.value_tokens();
        let Some(value_tokens) = value_tokens.as_ref() else {
            self.following.keys.want();
            return Err(Unknown::Unreachable.into());
        };
        let claims = match value_tokens.verify(text, now.unix) {
            Ok(claims) => claims,
            Err(ValueTokenError::Jws(JwsError::UnknownKey)) => {
                return Err(self.unknown_key(now));
            }
            Err(error) => {
                let invalid = Invalid::from(error);
                effort.note(&invalid);
                if invalid.stays_so() {
                    self.strangers.add(digest, now.boot);
                }
                return Err(invalid.into());
            }
        };
        let knowledge = &self.following.knowledge;
        let session = claims.session.as_deref().and_then(SessionId::parse);
        if session.is_some_and(|session| knowledge.was_ended(&session)) {
            return Err(Invalid::Ended.into());
        }
        let entry = self.entry_of(&claims, *digest, now);
        Ok(entry.filter(|it| it.holds(knowledge.fence())).map(Arc::new))
    }

    /// A key is published long before it signs, so that who has a fresh set of keys knows them all.
    fn unknown_key(&self, now: Moment) -> Rejection {
        self.following.keys.want();
        let copy = self.following.knowledge.filter_keys();
        let is_fresh = copy.as_ref().is_some_and(|copy| copy.is_complete(now.boot));
        if is_fresh {
            Invalid::from(ValueTokenError::from(JwsError::UnknownKey)).into()
        } else {
            Unknown::Unreachable.into()
        }
    }

    /// None where nobody here knows what happened since it was made.
    fn entry_of(&self, claims: &Claims, digest: TokenDigest, now: Moment) -> Option<Entry> {
        let fence = self.following.knowledge.fence();
        let stamp = self.history.stamp_at(claims.issued_at, fence.stamp())?;
        let session = claims.session.as_deref().unwrap_or_default();
        // It does not say its tenant.
        let marks = fence.marks(session, &claims.subject, &claims.client_id, ANY);
        let rights = Rights::new(&claims.client_id, "", &claims.scope, &claims.roles);
        let caller = Caller {
            tid: Tid::of(&digest),
            session: SessionId::parse(session),
            subject: claims.subject.as_str().into(),
            rights: self.rights.share(rights),
            auth_time: claims.auth_time,
        };
        let of_it = (digest, caller);
        Some(Entry::new(
            of_it,
            (stamp, marks),
            None,
            (claims.expires_at, None),
            now.boot,
        ))
    }
}
