//! People.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use idp_core::admin::{NewUser, Order};
use idp_core::id::{TenantId, UserId, Username};
use idp_core::record::{PasswordHash, Record, User};
use idp_core::store::{Key, Kind, Range};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::actor::Actor;
use super::answer::{Body, Done, Problem};
use super::page::{Page, Paging};
use super::{find, order};
use crate::credential::draw;
use crate::desk::Desk;
use crate::withdrawal::{Withdrawing, consents_of, withdraw_all};
use crate::{passwords, random};

/// As many go in the same commit as the person.
const CONSENTS_MAX: usize = 256;

#[derive(Serialize)]
pub(super) struct Told {
    id: String,
    tenant: String,
    name: String,
    roles: Vec<String>,
    enabled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default = "default_tenant")]
    tenant: String,
    name: String,
    /// Drawn where none is given.
    password: Option<Zeroizing<String>>,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Roles {
    roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Name {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Password {
    /// Drawn where none is given.
    password: Option<Zeroizing<String>>,
}

#[derive(Serialize)]
struct Created<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

fn default_tenant() -> String {
    "default".to_owned()
}

pub(super) fn parse_id(text: &str) -> Result<UserId, Problem> {
    UserId::parse(text).ok_or(Problem::Spelling("the id of a user"))
}

fn tell(user: &User) -> Told {
    Told {
        id: user.id.to_string(),
        tenant: user.tenant.as_str().to_owned(),
        name: user.name.as_str().to_owned(),
        roles: user.roles.clone(),
        enabled: user.is_enabled,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    name: Option<String>,
    #[serde(default = "default_tenant")]
    tenant: String,
    after: Option<String>,
    limit: Option<usize>,
}

/// All of them, or the one of a name.
pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    Query(asked): Query<Named>,
) -> Result<Json<Page<Told>>, Problem> {
    if let Some(name) = &asked.name {
        let named = find_named(&desk, &asked.tenant, name).await?;
        return Ok(Json(Page::only(named.as_ref().map(tell))));
    }
    let paging = Paging::new(asked.after, asked.limit);
    let after = paging.after.as_deref().map(parse_id).transpose()?;
    let page = paging.read(&desk, Range::of(Kind::User), after.map(Key::User));
    Ok(Json(page.await?.tell(|record| {
        let Record::User(user) = record else {
            return None;
        };
        Some((user.id.to_string(), tell(user)))
    })))
}

async fn find_named(desk: &Desk, tenant: &str, name: &str) -> Result<Option<User>, Problem> {
    let tenant = TenantId::parse(tenant).ok_or(Problem::Spelling("a tenant"))?;
    let name = Username::parse(name).ok_or(Problem::Spelling("a user's name"))?;
    let id = match find(desk, Key::Username(tenant, name)).await {
        Ok(Record::Username(name)) => name.user,
        Ok(_) | Err(Problem::NotFound) => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let Record::User(user) = find(desk, Key::User(id)).await? else {
        return Ok(None);
    };
    Ok(Some(user))
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
) -> Result<Json<Told>, Problem> {
    let Record::User(user) = find(&desk, Key::User(parse_id(&id)?)).await? else {
        return Err(Problem::NotFound);
    };
    Ok(Json(tell(&user)))
}

pub(super) async fn create(
    State(desk): State<Arc<Desk>>,
    actor: Actor,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let (password, hash) = password(&desk, wanted.password).await?;
    let new = NewUser {
        id: UserId(random::bytes()?),
        tenant: TenantId::parse(&wanted.tenant).ok_or(Problem::Spelling("a tenant"))?,
        name: Username::parse(&wanted.name).ok_or(Problem::Spelling("a user's name"))?,
        password: hash,
        roles: wanted.roles,
    };
    let id = new.id.to_string();
    order(&desk, Order::CreateUser(new), actor).await?;
    let password = password.as_deref().map(String::as_str);
    let created = Json(Created { id, password });
    Ok((StatusCode::CREATED, created).into_response())
}

/// The hash of a password, and the password itself if it was drawn here.
async fn password(
    desk: &Desk,
    given: Option<Zeroizing<String>>,
) -> Result<(Option<Zeroizing<String>>, PasswordHash), Problem> {
    let (drawn, password) = match given {
        Some(given) => (None, given),
        None => {
            let drawn = draw("")?;
            (Some(drawn.clone()), drawn)
        }
    };
    let password = passwords::Password::parse(password).ok_or(Problem::Password)?;
    Ok((drawn, desk.passwords.hash(password).await?))
}

pub(super) async fn enable(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
) -> Result<Done, Problem> {
    order(&desk, Order::EnableUser(parse_id(&id)?), actor).await
}

pub(super) async fn disable(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
) -> Result<Done, Problem> {
    order(&desk, Order::DisableUser(parse_id(&id)?), actor).await
}

pub(super) async fn end_sessions(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
) -> Result<Done, Problem> {
    order(&desk, Order::EndUser(parse_id(&id)?), actor).await
}

pub(super) async fn set_roles(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
    Body(wanted): Body<Roles>,
) -> Result<Done, Problem> {
    order(&desk, Order::SetRoles(parse_id(&id)?, wanted.roles), actor).await
}

pub(super) async fn rename(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
    Body(wanted): Body<Name>,
) -> Result<Done, Problem> {
    let name = Username::parse(&wanted.name).ok_or(Problem::Spelling("a user's name"))?;
    order(&desk, Order::RenameUser(parse_id(&id)?, name), actor).await
}

/// With all that they allowed. What somebody allows at that very moment is found afterwards.
pub(super) async fn delete(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
) -> Result<Done, Problem> {
    let user = parse_id(&id)?;
    let asked = Withdrawing {
        user,
        actor: Some(actor.as_str().to_owned()),
    };
    let consents = consents_of(&desk, user, None, CONSENTS_MAX).await?;
    let clients = consents.into_iter().map(|consent| consent.client).collect();
    order(&desk, Order::DeleteUser(user, clients), actor).await?;
    withdraw_all(&desk, &asked).await?;
    Ok(Done)
}

pub(super) async fn set_password(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
    Body(wanted): Body<Password>,
) -> Result<Response, Problem> {
    let user = parse_id(&id)?;
    let (password, hash) = password(&desk, wanted.password).await?;
    order(&desk, Order::SetPassword(user, hash), actor).await?;
    let password = password.as_deref().map(String::as_str);
    Ok(Json(Created { id, password }).into_response())
}
