//! What people allowed clients, and how it is taken back.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use idp_core::id::UserId;
use idp_core::record::Record;
use idp_core::store::{Key, Range};
use serde::Serialize;

use super::actor::Actor;
use super::answer::{Done, Problem};
use super::page::{Page, Paging};
use super::{clients, find, users};
use crate::desk::Desk;
use crate::withdrawal::{Withdrawing, withdraw, withdraw_all};

#[derive(Serialize)]
pub(super) struct Told {
    client: String,
    scope: String,
    given_at: u64,
}

pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Told>>, Problem> {
    let user = users::parse_id(&id)?;
    let after = paging.after.as_deref().map(clients::parse_id).transpose()?;
    let after = after.map(|client| Key::Consent(user, client));
    let page = paging.read(&desk, Range::consents_of(user), after);
    Ok(Json(page.await?.tell(|record| {
        let Record::Consent(consent) = record else {
            return None;
        };
        let client = consent.client.as_str().to_owned();
        let told = Told {
            client: client.clone(),
            scope: consent.scopes.as_str().to_owned(),
            given_at: consent.given_at.0,
        };
        Some((client, told))
    })))
}

pub(super) async fn take_back(
    State(desk): State<Arc<Desk>>,
    Path((id, client)): Path<(String, String)>,
    actor: Actor,
) -> Result<Done, Problem> {
    let client = clients::parse_id(&client)?;
    let asked = of(&desk, &id, &actor).await?;
    withdraw(&desk, &asked, &client).await?;
    Ok(Done)
}

pub(super) async fn take_all_back(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
) -> Result<Done, Problem> {
    let asked = of(&desk, &id, &actor).await?;
    withdraw_all(&desk, &asked).await?;
    Ok(Done)
}

/// Of somebody there is: whoever mistypes an id is not told that it is done.
async fn of(desk: &Desk, id: &str, actor: &Actor) -> Result<Withdrawing, Problem> {
    let user: UserId = users::parse_id(id)?;
    find(desk, Key::User(user)).await?;
    Ok(Withdrawing {
        user,
        actor: Some(actor.as_str().to_owned()),
    })
}
