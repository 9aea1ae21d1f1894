//! What tokens stand for.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use idp_core::admin::Order;
use idp_core::record::{Record, Session, Standing};
use idp_core::store::{Key, Owner, Range, Store as _};
use idp_token::session::SessionId;
use serde::Serialize;

use super::actor::Actor;
use super::answer::{Done, Problem};
use super::page::{Page, Paging};
use super::{clients, find, order, users};
use crate::desk::{Desk, Unanswerable};

#[derive(Serialize)]
pub(super) struct Told {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    client: String,
    tenant: String,
    scope: String,
    began_at: u64,
    ends_at: u64,
    /// What was done to it alone. It is over as well once all of its owner was ended.
    ended: bool,
}

fn tell(session: &Session) -> Told {
    Told {
        id: session.id.to_string(),
        user: session.user.map(|user| user.to_string()),
        client: session.client.as_str().to_owned(),
        tenant: session.tenant.as_str().to_owned(),
        scope: session.scopes.as_str().to_owned(),
        began_at: session.began_at.0,
        ends_at: session.ends_at.0,
        ended: session.standing != Standing::Live,
    }
}

fn parse_id(text: &str) -> Result<SessionId, Problem> {
    SessionId::parse(text).ok_or(Problem::Spelling("the id of a session"))
}

pub(super) async fn of_user(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Told>>, Problem> {
    list(&desk, Owner::User(users::parse_id(&id)?), &paging).await
}

pub(super) async fn of_client(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Told>>, Problem> {
    list(&desk, Owner::Client(clients::parse_id(&id)?), &paging).await
}

async fn list(desk: &Desk, owner: Owner, paging: &Paging) -> Result<Json<Page<Told>>, Problem> {
    let after = paging.after.as_deref().map(parse_id).transpose()?;
    let after = after.map(|session| Key::SessionOf(owner.clone(), session));
    let found = paging.read(desk, Range::sessions_of(&owner), after).await?;
    let keys: Vec<_> = found.records().filter_map(session_key).collect();
    let stored = desk.store.read(&keys).await.map_err(Unanswerable::from)?;
    let sessions = stored.into_iter().flatten().map(|stored| stored.record);
    Ok(Json(found.with(sessions, |record| {
        let Record::Session(session) = record else {
            return None;
        };
        Some((session.id.to_string(), tell(session)))
    })))
}

fn session_key(record: &Record) -> Option<Key> {
    let Record::SessionOf(of) = record else {
        return None;
    };
    Some(Key::Session(of.session))
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
) -> Result<Json<Told>, Problem> {
    let Record::Session(session) = find(&desk, Key::Session(parse_id(&id)?)).await? else {
        return Err(Problem::NotFound);
    };
    Ok(Json(tell(&session)))
}

pub(super) async fn end(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
) -> Result<Done, Problem> {
    order(&desk, Order::EndSession(parse_id(&id)?), actor).await
}

pub(super) async fn end_all(State(desk): State<Arc<Desk>>, actor: Actor) -> Result<Done, Problem> {
    order(&desk, Order::EndAll, actor).await
}
