//! Is this token good, and what does it say? (RFC 7662)
//!
//! Who asks is authenticated first. A token that is unknown, expired, ended, malformed or none of
//! the asker's business gets one and the same answer, which has no room for a reason.

use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::client::{Client, Introspects, Secrets, authenticate};
use crate::decision::{Decided, Decision, Stop};
use crate::id::ClientId;
use crate::presented::{self, Found};
use crate::provider::Provider;
use crate::refusal::Refusal;
use crate::scope::Scopes;
use crate::token::Asking;
use crate::view::View;

/// An answer, and who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub asker: ClientId,
    pub answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Inactive,
    Active(Box<Active>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    pub kind: TokenKind,
    pub subject: String,
    pub client: ClientId,
    pub session: SessionId,
    pub scopes: Scopes,
    pub audience: Vec<String>,
    pub issued_at: UnixSeconds,
    pub expires_at: UnixSeconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    Bearer,
    Refresh,
}

pub fn introspect(
    view: &View,
    provider: &Provider,
    asking: &Asking,
    now: UnixSeconds,
) -> Decided<Result<Answered, Refusal>> {
    match decide(view, provider, asking, now) {
        Ok(answer) => Ok(Decision::only(Ok(answer), None)),
        Err(stop) => stop.settle(now),
    }
}

fn decide(
    view: &View,
    provider: &Provider,
    asking: &Asking,
    now: UnixSeconds,
) -> Result<Answered, Stop> {
    let (parameters, presented) = asking.parts()?;
    let asker = authenticate(view, &provider.secret_key, presented)?;
    // Anybody can say that they are a public client, so these could be asked on behalf of anybody.
    if asker.secrets == Secrets::Public {
        return Err(Refusal::InvalidClient.into());
    }
    let text = parameters.find("token").ok_or(Refusal::InvalidRequest)?;
    let found = presented::find(view, provider, text, now)?;
    Ok(Answered {
        asker: asker.id.clone(),
        answer: match found {
            Some(found) if may_ask(asker, &found) => tell(view, &found, now)?,
            Some(_) | None => Answer::Inactive,
        },
    })
}

fn tell(view: &View, found: &Found<'_>, now: UnixSeconds) -> Result<Answer, Stop> {
    if !found.is_good(view, now)? {
        return Ok(Answer::Inactive);
    }
    let session = found.session();
    let client = view.client(&session.client)?.ok_or(Refusal::ServerError)?;
    Ok(Answer::Active(Box::new(Active {
        kind: match found {
            Found::Access(..) => TokenKind::Bearer,
            Found::Refresh(..) => TokenKind::Refresh,
        },
        subject: session.subject(),
        client: session.client.clone(),
        session: session.id,
        scopes: found.scopes().meet(&client.scopes),
        audience: client.audience.clone(),
        issued_at: found.issued_at(),
        expires_at: found.expires_at(),
    })))
}

fn may_ask(asker: &Client, found: &Found<'_>) -> bool {
    let session = found.session();
    let is_own = session.client == asker.id;
    let is_of_tenant = match asker.introspects {
        Introspects::Own => false,
        // A refresh token is between its client and this provider.
        Introspects::Tenant => matches!(found, Found::Access(..)) && session.tenant == asker.tenant,
    };
    is_own || is_of_tenant
}
