//! Those whose users and clients are kept apart.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use idp_core::admin::Order;
use idp_core::id::TenantId;
use idp_core::record::Record;
use idp_core::store::{Key, Kind, Range};
use serde::{Deserialize, Serialize};

use super::actor::Actor;
use super::answer::{Body, Done, Problem};
use super::order;
use super::page::{Page, Paging};
use crate::desk::Desk;

#[derive(Serialize)]
pub(super) struct Told {
    id: String,
    enabled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    enabled: bool,
}

fn parse_id(text: &str) -> Result<TenantId, Problem> {
    TenantId::parse(text).ok_or(Problem::Spelling("a tenant"))
}

pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Told>>, Problem> {
    let after = paging.after.as_deref().map(parse_id).transpose()?;
    let page = paging.read(&desk, Range::of(Kind::Tenant), after.map(Key::Tenant));
    Ok(Json(page.await?.tell(|record| {
        let Record::Tenant(tenant) = record else {
            return None;
        };
        let id = tenant.id.as_str().to_owned();
        let enabled = tenant.is_enabled;
        Some((id.clone(), Told { id, enabled }))
    })))
}

pub(super) async fn set(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
    Body(wanted): Body<Wanted>,
) -> Result<Done, Problem> {
    let id = parse_id(&id)?;
    let is_enabled = wanted.enabled;
    order(&desk, Order::SetTenant { id, is_enabled }, actor).await
}

pub(super) async fn end_sessions(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
) -> Result<Done, Problem> {
    order(&desk, Order::EndTenant(parse_id(&id)?), actor).await
}
