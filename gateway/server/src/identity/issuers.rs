//! What do other issuers say of a token?
//!
//! Each issuer is a world of its own: its keys or its answers, and what is remembered of its tokens,
//! so that what one of them says of a token never counts on the routes of another. An issuer whose
//! section of the file changes begins anew; the others keep what they know over a reload.
//!
//! Who cannot be asked has said nothing: that is 503. Only the issuer, or a token that contradicts
//! itself, makes it 401.

use std::fmt;
use std::sync::Arc;

use gateway_core::caller::{Caller, Rights};
use gateway_core::credential::Credential;
use gateway_core::rejection::Rejection;
use gateway_core::verdict::{Invalid, Unknown};
use idp_token::digest::{Tid, TokenDigest};
use idp_token::external::{Holder, Unacceptable};
use idp_token::value::told_issuer;
use tollgate_config::{Issuer as Policy, Proof};

use super::effort::Effort;
use super::gate::Denied;
use super::strangers::Strangers;
use introspection::Introspection;
use keys::Keys;

use crate::clock;
use crate::metrics::{IssuerMetrics, Metrics, Verdict};

mod http;
mod introspection;
mod keys;
mod memory;
mod names;

/// The issuers of a snapshot, by their names.
#[derive(Debug, Default)]
pub(crate) struct Issuers(Vec<Arc<Issuer>>);

/// One of them, with what is known from it.
#[derive(Debug)]
pub(crate) struct Issuer {
    policy: Policy,
    source: Source,
    strangers: Strangers,
    metrics: IssuerMetrics,
}

#[derive(Debug)]
enum Source {
    Keys(keys::Followed),
    Introspection(Arc<Introspection>),
}

/// What came of a token.
#[derive(Debug, Clone)]
enum Outcome {
    Good(Arc<Caller>),
    Bad(Invalid),
}

/// A token and what it is known by.
#[derive(Clone, Copy)]
struct Shown<'a> {
    text: &'a str,
    digest: TokenDigest,
}

impl<'a> Shown<'a> {
    fn of(text: &'a str) -> Self {
        let digest = TokenDigest::of(text.as_bytes());
        Self { text, digest }
    }
}

/// A caller whom another issuer vouches for.
pub(crate) struct Vouched<'a> {
    pub(crate) caller: Arc<Caller>,
    /// The client's token, where services are shown it.
    pub(crate) forwarded: Option<&'a str>,
    /// As logs have it: whether anybody was asked.
    pub(crate) how: &'static str,
    issuer: Arc<Issuer>,
}

impl Vouched<'_> {
    /// The `iss` of its tokens.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer.policy.policy.issuer
    }
}

/// Not the token: it is a secret.
impl fmt::Debug for Vouched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vouched")
            .field("caller", &self.caller)
            .field("issuer", &self.issuer.policy.name)
            .finish_non_exhaustive()
    }
}

impl Issuers {
    /// The issuers of a configuration; one whose section is as before goes on as it is.
    pub(crate) fn build(configured: &[Policy], before: Option<&Self>, metrics: &Metrics) -> Self {
        let known = before.map_or(&[][..], |before| &before.0);
        let issuers = configured.iter().map(|policy| {
            let same = known.iter().find(|known| known.policy == *policy);
            let build = || Arc::new(Issuer::build(policy, metrics));
            same.cloned().unwrap_or_else(build)
        });
        Self(issuers.collect())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Issuer>> {
        self.0.iter().find(|issuer| *issuer.policy.name == *name)
    }

    /// Those whose tokens are all unknown for now.
    pub(crate) fn without_keys(&self) -> impl Iterator<Item = &str> {
        let without = self.0.iter().filter(|issuer| match &issuer.source {
            Source::Keys(keys) => !keys.are_there(),
            Source::Introspection(_) => false,
        });
        without.map(|issuer| &*issuer.policy.name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|issuer| &*issuer.policy.name)
    }
}

impl Issuer {
    fn build(policy: &Policy, metrics: &Metrics) -> Self {
        let metrics = metrics.issuer(&policy.name, policy.policy.max_age);
        let source = match &policy.proof {
            Proof::Keys { at, signature } => {
                let rules = (policy.policy.clone(), signature.clone());
                Source::Keys(Keys::follow((&policy.name, at), rules, metrics.clone()))
            }
            Proof::Introspection {
                at,
                client_id,
                secret,
            } => {
                let credentials = (client_id.as_str(), secret);
                let from = (&policy.name, at);
                let asked = Introspection::new(from, credentials, &policy.policy, metrics.clone());
                Source::Introspection(Arc::new(asked))
            }
        };
        Self {
            policy: policy.clone(),
            source,
            strangers: Strangers::new(),
            metrics,
        }
    }

    /// Finds out who holds a token. Only for what is not remembered anybody is asked.
    pub(crate) async fn vouch<'a>(
        self: &Arc<Self>,
        credential: Credential<'a>,
        effort: Effort<'_>,
    ) -> Result<Vouched<'a>, Denied> {
        let shown = Shown::of(self.text(credential)?);
        let (caller, how) = match self.recall(&shown) {
            Some(caller) => (caller, "cache"),
            None => (Box::pin(self.look_into(shown, effort)).await?, "issuer"),
        };
        Ok(Vouched {
            caller,
            forwarded: self.policy.forwards.then_some(shown.text),
            how,
            issuer: Arc::clone(self),
        })
    }

    /// What may be a token of this issuer. One of ours is a secret that it must not see.
    fn text<'a>(&self, credential: Credential<'a>) -> Result<&'a str, Invalid> {
        match (credential, &self.source) {
            (Credential::Value(text), _) | (Credential::Other(text), Source::Introspection(_)) => {
                Ok(text)
            }
            (Credential::Reference(_), _) | (Credential::Other(_), Source::Keys(_)) => {
                Err(Invalid::Kind)
            }
        }
    }

    /// Who holds a token, if that is still known from last time. Nothing is asked.
    fn recall(&self, shown: &Shown<'_>) -> Option<Arc<Caller>> {
        let known = match &self.source {
            Source::Keys(keys) => keys.known(&shown.digest),
            Source::Introspection(introspection) => introspection.known(&shown.digest),
        };
        if known.is_some() {
            self.metrics.count(Verdict::Remembered);
        }
        known
    }

    async fn look_into(&self, shown: Shown<'_>, effort: Effort<'_>) -> Result<Arc<Caller>, Denied> {
        let denied = |why: Rejection| Denied::of(why, &shown.digest);
        let outcome = if self.strangers.has(&shown.digest, clock::boot()) {
            Ok(Outcome::Bad(Invalid::Inactive))
        } else if self.is_of_another(shown.text) {
            Ok(Outcome::Bad(Unacceptable::Issuer.into()))
        } else {
            effort.check().map_err(denied)?;
            let outcome = self.ask(shown).await;
            if let Ok(Outcome::Bad(invalid)) = &outcome {
                self.note_refused(&shown.digest, invalid, effort);
            }
            outcome
        };
        let verdict = match &outcome {
            Ok(Outcome::Good(_)) => Verdict::Good,
            Ok(Outcome::Bad(_)) => Verdict::Bad,
            Err(_) => Verdict::Unknown,
        };
        self.metrics.count(verdict);
        match outcome {
            Ok(Outcome::Good(caller)) => Ok(caller),
            Ok(Outcome::Bad(invalid)) => Err(denied(invalid.into())),
            Err(unknown) => Err(denied(unknown.into())),
        }
    }

    /// Whether an issuer would be shown what somebody else has signed, such as a value token of ours, with which
    /// it could act as its holder.
    fn is_of_another(&self, text: &str) -> bool {
        let would_be_shown = matches!(self.source, Source::Introspection(_));
        would_be_shown && told_issuer(text).is_some_and(|told| told != self.policy.policy.issuer)
    }

    async fn ask(&self, shown: Shown<'_>) -> Result<Outcome, Unknown> {
        match &self.source {
            Source::Keys(keys) => keys.identify(shown).await,
            Source::Introspection(introspection) => introspection.identify(shown).await,
        }
    }

    fn note_refused(&self, digest: &TokenDigest, invalid: &Invalid, effort: Effort<'_>) {
        effort.note(invalid);
        if invalid.stays_so() {
            self.strangers.add(digest, clock::boot());
        }
    }
}

/// Other issuers know neither our sessions nor our tenants.
fn caller(digest: &TokenDigest, holder: &Holder) -> Arc<Caller> {
    let rights = Rights::new(&holder.client_id, "", &holder.scope, &holder.roles);
    Arc::new(Caller {
        tid: Tid::of(digest),
        session: None,
        subject: holder.subject.as_str().into(),
        rights: Arc::new(rights),
        auth_time: None,
    })
}

/// Nobody could be asked.
const UNREACHABLE: Unknown = Unknown::Unreachable;

#[cfg(test)]
mod tests;
