//! A value token that a client shows: is it ours, and was nothing taken back since it was made?
//!
//! It is verified once and remembered by its digest. Nobody can be asked about one, so a change that bears
//! on it refuses it: whoever holds it gets a newer one. For that it is remembered as of the place where
//! the log stood when it was made ([`super::history`]), and not of when it was first seen: otherwise
//! whoever is quick would be served after everything was taken back.

use std::sync::Arc;

use gateway_core::caller::{Caller, Rights};
use gateway_core::rejection::Rejection;
use gateway_core::verdict::{Decision, Gap, Invalid, Unknown};
use idp_token::digest::{Tid, TokenDigest};
use idp_token::lease::{Tolerance, Trust};
use idp_token::session::SessionId;
use idp_token::value::{Claims, JwsError, ValueTokenError};

use super::Identity;
use super::entry::Entry;
use super::gate::{Denied, Granted, Moment};
use crate::metrics::Layer;

impl Identity {
    /// Decides about a value token.
    pub(super) fn recall_shown<'h>(
        &self,
        tolerance: Tolerance,
        text: &'h str,
        now: Moment,
    ) -> Result<Granted<'h>, Denied> {
        let knowledge = &self.following.knowledge;
        let digest = TokenDigest::of(text.as_bytes());
        let found = self.cache.find(&digest, knowledge.fence());
        let known = found.as_ref().map(|found| &**found.entry());
        let gap = match self.judge(known, tolerance, now) {
            Decision::Serve(proof) => {
                let granted = found.map(|found| Granted::remembered(found, proof));
                let granted = granted.ok_or(Rejection::from(Unknown::Unreachable))?;
                return Ok(granted.showing(text));
            }
            Decision::Refuse(invalid) => return Err(Denied::of(invalid, &digest)),
            Decision::Refetch(gap) | Decision::Ask(gap) => gap,
        };
        self.metrics.count_gap(gap);
        if gap == Gap::Stale || knowledge.trust(tolerance, now.boot) == Trust::Ask {
            return Err(Denied::of(Unknown::Stale, &digest));
        }
        drop(found);
        let entry = self.verify(text, &digest, now);
        let entry = entry.map_err(|why| Denied::of(why, &digest))?;
        self.cache.insert(Arc::clone(&entry));
        Ok(Granted::found(entry, Layer::Signature).showing(text))
    }

    fn verify(
        &self,
        text: &str,
        digest: &TokenDigest,
        now: Moment,
    ) -> Result<Arc<Entry>, Rejection> {
        if self.strangers.has(digest, now.boot) {
            return Err(Invalid::from(ValueTokenError::from(JwsError::Signature)).into());
        }
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
                if error == ValueTokenError::Jws(JwsError::Signature) {
                    self.strangers.add(digest, now.boot);
                }
                return Err(Invalid::from(error).into());
            }
        };
        let entry = self.entry_of(&claims, *digest, now)?;
        let knowledge = &self.following.knowledge;
        let session = entry.caller.session;
        let was_ended = session.is_some_and(|session| knowledge.was_ended(&session));
        if was_ended || !knowledge.fence().holds(entry.stamp, &entry.marks) {
            return Err(Invalid::Ended.into());
        }
        Ok(Arc::new(entry))
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

    fn entry_of(
        &self,
        claims: &Claims,
        digest: TokenDigest,
        now: Moment,
    ) -> Result<Entry, Rejection> {
        let fence = self.following.knowledge.fence();
        let stamp = self.history.stamp_at(claims.issued_at, fence.stamp());
        let stamp = stamp.ok_or(Unknown::Stale)?;
        let session = claims.session.as_deref().unwrap_or_default();
        // It does not say its tenant.
        let marks = fence.marks(session, &claims.subject, &claims.client_id, "");
        let rights = Rights::new(&claims.client_id, "", &claims.scope, &claims.roles);
        let caller = Caller {
            tid: Tid::of(&digest),
            session: SessionId::parse(session),
            subject: claims.subject.as_str().into(),
            rights: self.rights.share(rights),
            auth_time: claims.auth_time,
        };
        let of_it = (digest, caller);
        Ok(Entry::new(
            of_it,
            (stamp, marks),
            None,
            (claims.expires_at, None),
            now.unix,
        ))
    }
}
