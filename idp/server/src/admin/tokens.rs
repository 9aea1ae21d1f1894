//! Single tokens, as an operator has one in hand. Tokens come in bodies and never in a URL, so that
//! they stand in no log.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use idp_core::admin::{self, Inspected, Kind, Order};
use idp_core::scope::Scopes;
use idp_core::token::{ByHand, issue_by_hand};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::actor::Actor;
use super::answer::{Body, Done, Problem};
use super::{clients, order, users};
use crate::desk::Desk;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    client: String,
    /// In whose name; the client acts for itself if it is nobody's.
    user: Option<String>,
    /// Separated by spaces; all that the client may have, if none are named.
    scope: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Issued {
    access_token: Zeroizing<String>,
    expires_in: u64,
    scope: String,
    session: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    token: Zeroizing<String>,
}

#[derive(Serialize)]
pub(super) struct Told {
    /// Whether a service would take it.
    good: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    kind: &'static str,
    session: String,
    subject: String,
    client: String,
    tenant: String,
    scope: String,
    issued_at: u64,
    expires_at: u64,
    session_ends_at: u64,
}

pub(super) async fn issue(
    State(desk): State<Arc<Desk>>,
    actor: Actor,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Issued>, Problem> {
    let scopes = wanted.scope.as_deref().map(Scopes::parse);
    let wanted = ByHand {
        client: clients::parse_id(&wanted.client)?,
        user: wanted.user.as_deref().map(users::parse_id).transpose()?,
        scopes: scopes
            .map(|scopes| scopes.ok_or(Problem::Spelling("a scope")))
            .transpose()?,
    };
    let issued = desk.decide(move |case| {
        let wanted = (&wanted, actor.as_str());
        issue_by_hand(case.view, case.provider, wanted, case.now, case.random)
    });
    let issued = issued.await??;
    Ok(Json(Issued {
        access_token: Zeroizing::new(issued.access_token.as_str().to_owned()),
        expires_in: issued.expires_in.as_secs(),
        scope: issued.scopes.as_str().to_owned(),
        session: issued.session.to_string(),
    }))
}

fn find(desk: &Desk, token: &str) -> Result<Inspected, Problem> {
    let found = desk.look(|case| admin::inspect(case.view, case.provider, token, case.now));
    found?.ok_or(Problem::NotFound)
}

pub(super) async fn inspect(
    State(desk): State<Arc<Desk>>,
    Body(asked): Body<Token>,
) -> Result<Json<Told>, Problem> {
    let found = find(&desk, &asked.token)?;
    let why = match found.state {
        admin::State::Good => None,
        admin::State::Spent => {
            Some("the token is past its end, or a newer one was issued".to_owned())
        }
        admin::State::Over(over) => Some(over.to_string()),
    };
    Ok(Json(Told {
        good: why.is_none(),
        why,
        kind: match found.kind {
            Kind::Access => "access",
            Kind::Refresh => "refresh",
        },
        session: found.session.id.to_string(),
        subject: found.session.subject(),
        client: found.session.client.as_str().to_owned(),
        tenant: found.session.tenant.as_str().to_owned(),
        scope: found.scopes.as_str().to_owned(),
        issued_at: found.issued_at.0,
        expires_at: found.expires_at.0,
        session_ends_at: found.session.ends_at.0,
    }))
}

/// Ends the session that it stands for.
pub(super) async fn revoke(
    State(desk): State<Arc<Desk>>,
    actor: Actor,
    Body(asked): Body<Token>,
) -> Result<Done, Problem> {
    let found = find(&desk, &asked.token)?;
    order(&desk, Order::EndSession(found.session.id), actor).await
}
