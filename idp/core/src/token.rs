//! What does a client get at the token endpoint, and for what?
//!
//! The client is authenticated before what it presents is looked at. Three grants and no others:
//! there is no password grant and no implicit one.

use std::fmt;
use std::time::Duration;

use idp_token::digest::{Tid, TokenDigest};
use idp_token::reference::{AbsoluteEnd, ReferenceToken, Spelled};
use idp_token::refresh::SpelledRefresh;
use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;
use idp_token::value::statements::{IdClaims, at_hash};
use idp_token::value::{Algorithm, expiry};

use crate::audit::{About, Entry, Event};
use crate::client::{Client, Grant, Presented, authenticate};
use crate::decision::{Decided, Decision, Random, Stop};
use crate::id::ClientId;
use crate::parameters::Parameters;
use crate::provider::Provider;
use crate::record::{Access, Session};
use crate::refusal::Refusal;
use crate::scope::Scopes;
use crate::view::View;

pub use by_hand::{ByHand, issue_by_hand};
pub use code::SESSIONS_PER_LOGIN_MAX;

mod by_hand;
mod code;
mod machine;
mod refresh;

/// What a client is sent.
#[derive(Debug)]
pub struct Issued {
    pub access_token: Spelled,
    pub expires_in: Duration,
    pub scopes: Scopes,
    pub refresh_token: Option<SpelledRefresh>,
    /// To be signed ([`IdToken::claims`]), where `openid` was asked for.
    pub id_token: Option<IdToken>,
    pub session: SessionId,
}

/// What an ID token says beside its issuer and its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdToken {
    pub subject: String,
    pub audience: ClientId,
    pub session: SessionId,
    pub nonce: Option<String>,
    pub auth_time: UnixSeconds,
    pub amr: Vec<String>,
    /// With its session.
    pub ends_at: UnixSeconds,
}

impl IdToken {
    /// What is signed, beside which access token, with a key of which algorithm.
    #[must_use]
    pub fn claims(
        &self,
        provider: &Provider,
        access_token: &Spelled,
        algorithm: Algorithm,
        now: UnixSeconds,
    ) -> IdClaims {
        IdClaims {
            issuer: provider.issuer.clone(),
            subject: self.subject.clone(),
            audience: self.audience.as_str().to_owned(),
            session: self.session,
            nonce: self.nonce.clone(),
            auth_time: self.auth_time,
            amr: self.amr.clone(),
            issued_at: now,
            expires_at: expiry(now, self.ends_at),
            access_token_hash: at_hash(algorithm, access_token.as_str()),
        }
    }
}

/// A request to an endpoint for clients, read once however often a rule is run on it. It holds
/// secrets, so it is not shown.
pub struct Asking {
    read: Result<(Parameters, Presented), Refusal>,
}

impl Asking {
    /// From the value of the `Authorization` field and from the body.
    #[must_use]
    pub fn read(authorization: Option<&[u8]>, body: &[u8]) -> Self {
        let parameters = Parameters::parse(body).map_err(|_| Refusal::InvalidRequest);
        let read = parameters.and_then(|parameters| {
            let presented = Presented::read(authorization, &parameters)?;
            Ok((parameters, presented))
        });
        Self { read }
    }

    /// What was sent, and who they say that they are.
    pub(crate) fn parts(&self) -> Result<(&Parameters, &Presented), Refusal> {
        let parts = self.read.as_ref().map_err(|refusal| *refusal)?;
        Ok((&parts.0, &parts.1))
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asking([redacted])")
    }
}

pub(crate) type Outcome = Result<Decision<Result<Issued, Refusal>>, Stop>;

/// A client at the token endpoint, authenticated.
pub(crate) struct Caller<'v, 'a> {
    view: &'v View,
    provider: &'v Provider,
    client: &'v Client,
    parameters: &'a Parameters,
    now: UnixSeconds,
}

/// Answers a request to the token endpoint.
pub fn grant(
    view: &View,
    provider: &Provider,
    asking: &Asking,
    now: UnixSeconds,
    random: &Random,
) -> Decided<Result<Issued, Refusal>> {
    match decide(view, provider, asking, now, random) {
        Ok(decision) => Ok(decision),
        Err(stop) => stop.settle(now),
    }
}

fn decide(
    view: &View,
    provider: &Provider,
    asking: &Asking,
    now: UnixSeconds,
    random: &Random,
) -> Outcome {
    let (parameters, presented) = asking.parts()?;
    let caller = Caller {
        view,
        provider,
        client: authenticate(view, &provider.secret_key, presented)?,
        parameters,
        now,
    };
    match parameters.find("grant_type") {
        Some("authorization_code") => {
            caller.check_grant(Grant::AuthorizationCode)?;
            caller.redeem_code(random)
        }
        Some("refresh_token") => {
            caller.check_grant(Grant::RefreshToken)?;
            caller.refresh(random)
        }
        Some("client_credentials") => {
            caller.check_grant(Grant::ClientCredentials)?;
            caller.act_for_itself(random)
        }
        Some(_) => Err(Refusal::UnsupportedGrantType.into()),
        None => Err(Refusal::InvalidRequest.into()),
    }
}

impl Caller<'_, '_> {
    fn check_grant(&self, grant: Grant) -> Result<(), Refusal> {
        if self.client.grants.contains(&grant) {
            Ok(())
        } else {
            Err(Refusal::UnauthorizedClient)
        }
    }

    /// The scopes that are asked for, of those there are; all of them if none is named.
    fn narrow(&self, granted: &Scopes) -> Result<Scopes, Refusal> {
        let Some(text) = self.parameters.find("scope") else {
            return Ok(granted.clone());
        };
        let asked = Scopes::parse(text).filter(|asked| asked.is_within(granted));
        asked.ok_or(Refusal::InvalidScope)
    }

    /// A token that ends with its session at the latest.
    fn mint(
        &self,
        session: &Session,
        scopes: Scopes,
        random: &Random,
    ) -> Result<(Issued, Access), Refusal> {
        let token = self.draw(session.ends_at, random)?;
        let access = Access {
            digest: token.digest(),
            session: session.id,
            scopes: scopes.clone(),
            issued_at: self.now,
            expires_at: token.end().get(),
        };
        Ok((self.issued(&token, session.id, scopes), access))
    }

    /// A token that is all that there is of its session: it is found by the session's id, has its scopes
    /// and its end, and needs no record of its own.
    fn mint_alone(
        &self,
        session: Session,
        random: &Random,
    ) -> Result<(Issued, Session, TokenDigest), Refusal> {
        let token = self.draw(session.ends_at, random)?;
        let name = token.name();
        let session = Session {
            id: name.session(),
            ends_at: name.end.get(),
            ..session
        };
        let issued = self.issued(&token, session.id, session.scopes.clone());
        Ok((issued, session, name.digest))
    }

    fn draw(&self, latest: UnixSeconds, random: &Random) -> Result<ReferenceToken, Refusal> {
        let end = latest.min(self.now.after(self.client.lifetimes.access));
        let end = AbsoluteEnd::new(end).ok_or(Refusal::ServerError)?;
        let (keys, partition) = (&self.provider.filter_keys, self.provider.partition);
        Ok(ReferenceToken::mint(keys, partition, end, random.secret))
    }

    fn issued(&self, token: &ReferenceToken, session: SessionId, scopes: Scopes) -> Issued {
        Issued {
            access_token: token.spell(),
            expires_in: token.end().get().since(self.now),
            scopes,
            refresh_token: None,
            id_token: None,
            session,
        }
    }

    fn entry(&self, event: Event, session: Option<&Session>, token: Option<TokenDigest>) -> Entry {
        Entry {
            at: self.now,
            event,
            about: About {
                user: session.and_then(|session| session.user),
                client: Some(self.client.id.clone()),
                tenant: Some(self.client.tenant.clone()),
                session: session.map(|session| session.id),
                token: token.map(|digest| Tid::of(&digest)),
                actor: None,
            },
        }
    }
}
