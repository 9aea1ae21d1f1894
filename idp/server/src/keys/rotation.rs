//! Keys take over from each other: on schedule, on command, and when one has leaked.
//!
//! A rotation is a decision like any other. As soon as it is on disk the ring in memory is replaced;
//! should the process end in between, it starts with the new keys.

use std::sync::Arc;
use std::time::Duration;

use idp_core::keyring::{
    self, FilterRotation, KeySecret, Keyring, Rotation, RotationError, rotate_filter,
    rotate_signing,
};
use idp_core::provider::Settings;
use idp_token::value::Algorithm;

use super::{MaterialError, Ring, RingError, draw_private_key};
use crate::clock;
use crate::desk::{Desk, Unanswerable};
use crate::random;

/// How often it is looked whether a rotation is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What is signed with, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) algorithm: Algorithm,
    pub(crate) every: Duration,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RotateError {
    #[error(transparent)]
    Refused(#[from] RotationError),
    #[error("a fresh key cannot be made")]
    Material(#[from] MaterialError),
    #[error("the keys in the store cannot be used")]
    Ring(#[from] RingError),
    #[error("the store cannot be asked")]
    Unanswerable(#[from] Unanswerable),
}

/// The key that is published already signs from now on.
pub(crate) async fn rotate(desk: &Desk, actor: Option<String>) -> Result<(), RotateError> {
    let next = draw_private_key(desk.schedule.algorithm)?;
    carry_out(desk, Rotation::Scheduled { next }, actor).await
}

/// No signature of any key so far is believed any more.
pub(crate) async fn replace(desk: &Desk, actor: Option<String>) -> Result<(), RotateError> {
    let rotation = Rotation::Compromised {
        signing: draw_private_key(desk.schedule.algorithm)?,
        next: draw_private_key(desk.schedule.algorithm)?,
    };
    carry_out(desk, rotation, actor).await
}

async fn carry_out(
    desk: &Desk,
    rotation: Rotation,
    actor: Option<String>,
) -> Result<(), RotateError> {
    let rotated = desk
        .decide(move |case| rotate_signing(case.view, &rotation, actor.as_deref(), case.now))
        .await?;
    renew(desk)?;
    Ok(rotated?)
}

/// One step: a fresh filter key is announced, or the one that was announced tags.
pub(crate) async fn step_filter(
    desk: &Desk,
    actor: Option<String>,
) -> Result<FilterRotation, RotateError> {
    let fresh = KeySecret::new(random::bytes().map_err(MaterialError::from)?);
    let stepped = desk
        .decide(move |case| rotate_filter(case.view, &fresh, actor.as_deref(), case.now))
        .await?;
    renew(desk)?;
    Ok(stepped?)
}

/// Takes the keys in the store for the ring in memory.
fn renew(desk: &Desk) -> Result<(), RotateError> {
    let Some(keyring) = find(desk)? else {
        return Ok(());
    };
    let known = desk.ring.load();
    let settings = Settings {
        issuer: known.provider.issuer.clone(),
        logins: known.provider.logins,
    };
    desk.ring.store(Arc::new(Ring::new(settings, &keyring)?));
    Ok(())
}

pub(crate) fn find(desk: &Desk) -> Result<Option<Keyring>, Unanswerable> {
    desk.look(|case| keyring::find(case.view))
}

/// Looks now and then whether something is due, for as long as the process runs.
pub(crate) async fn keep(desk: Arc<Desk>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = look(&desk).await {
            tracing::warn!(%error, "the keys could not be seen to; this is tried again");
        }
    }
}

async fn look(desk: &Desk) -> Result<(), RotateError> {
    let Some(keyring) = find(desk)? else {
        return Ok(());
    };
    let now = clock::now();
    if keyring.signing.due_at(desk.schedule.every) <= now {
        rotate(desk, None).await?;
        tracing::info!("another key signs from now on");
    }
    if keyring.filter.due_at().is_some_and(|at| at <= now) {
        step_filter(desk, None).await?;
        tracing::info!("another key tags reference tokens from now on");
    }
    if desk
        .decide(|case| keyring::tidy(case.view, case.now))
        .await?
    {
        renew(desk)?;
    }
    Ok(())
}
