//! Copies of the store.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use idp_core::audit::Act;
use serde::{Deserialize, Serialize};

use super::actor::Actor;
use super::answer::{Body, Problem};
use crate::desk::Desk;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    to: PathBuf,
}

#[derive(Serialize)]
pub(super) struct Told {
    transaction: u64,
    change: u64,
}

pub(super) async fn backup(
    State(desk): State<Arc<Desk>>,
    actor: Actor,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Told>, Problem> {
    // Where the process was started is nobody's business but its own.
    if !wanted.to.is_absolute() {
        return Err(Problem::Spelling("an absolute path"));
    }
    let moment = desk.store.backup(&wanted.to).await?;
    desk.write_down(Act::BackedUp, actor.as_str()).await;
    Ok(Json(Told {
        transaction: moment.version.0,
        change: moment.row.0,
    }))
}
