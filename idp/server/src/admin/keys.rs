//! The keys: which there are, and when they take over from each other. No key is ever shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use idp_core::keyring::{FilterRotation, FilterStage, Keyring};
use serde::{Deserialize, Serialize};

use super::actor::Actor;
use super::answer::{Body, Done, Problem};
use crate::desk::Desk;
use crate::keys;

#[derive(Serialize)]
pub(super) struct Told {
    /// The `kid` of what is signed now.
    signing: String,
    signs_since: u64,
    next_may_sign_at: u64,
    next_is_due_at: u64,
    /// Those that signed and are published still.
    retired: usize,
    filter_key: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_filter_key: Option<&'static str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Nothing that any key so far signed is to be believed any more.
    #[serde(default)]
    compromised: bool,
}

#[derive(Serialize)]
#[serde(tag = "filter_key", rename_all = "snake_case")]
pub(super) enum Stepped {
    /// It is taken from now on; rotate once more from then on, and it tags.
    Announced { ready_at: u64 },
    /// It tags; the old one is taken until then.
    Tags { old_until: u64 },
}

pub(super) async fn show(State(desk): State<Arc<Desk>>) -> Result<Json<Told>, Problem> {
    let keyring = keys::find(&desk)?.ok_or(Problem::NotFound)?;
    Ok(Json(tell(&desk, &keyring)))
}

fn tell(desk: &Desk, keyring: &Keyring) -> Told {
    let signing = &keyring.signing;
    Told {
        signing: desk.ring.load().signing.id().to_owned(),
        signs_since: signing.active.since.0,
        next_may_sign_at: signing.ready_at().0,
        next_is_due_at: signing.due_at(desk.schedule.every).0,
        retired: signing.retired.len(),
        filter_key: keyring.filter.tagging.id.get(),
        other_filter_key: keyring
            .filter
            .other
            .as_ref()
            .map(|other| match other.stage {
                FilterStage::Coming { .. } => "announced",
                FilterStage::Retired { .. } => "still taken",
            }),
    }
}

pub(super) async fn rotate(
    State(desk): State<Arc<Desk>>,
    actor: Actor,
    Body(wanted): Body<Wanted>,
) -> Result<Done, Problem> {
    let actor = Some(actor.as_str().to_owned());
    if wanted.compromised {
        keys::replace(&desk, actor).await?;
    } else {
        keys::rotate(&desk, actor).await?;
    }
    Ok(Done)
}

pub(super) async fn step_filter(
    State(desk): State<Arc<Desk>>,
    actor: Actor,
) -> Result<Json<Stepped>, Problem> {
    let stepped = keys::step_filter(&desk, Some(actor.as_str().to_owned())).await?;
    Ok(Json(match stepped {
        FilterRotation::Announced { ready_at } => Stepped::Announced {
            ready_at: ready_at.0,
        },
        FilterRotation::Tags { old_until } => Stepped::Tags {
            old_until: old_until.0,
        },
    }))
}
