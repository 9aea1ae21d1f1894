//! What is a gateway told about a value token that a client has shown?
//!
//! A gateway verifies one by itself, and knows of every change since it follows the log. About what was
//! signed before it asks here, with the token, since only that says what was signed. It is verified with
//! the keys of this moment: one that was dropped signs for nobody any more.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use idp_core::resolve::{Resolved, resolve_value};
use idp_token::ask::resolve::{Active, Answer, write_answers};
use idp_token::digest::TokenDigest;
use idp_token::time::UnixSeconds;
use idp_token::value::{Claims, Expectations, KeySet, LIFETIME_MAX, Verifier};

use super::answer::Problem;
use crate::desk::{Desk, Unanswerable, run};
use crate::keys::Ring;
use crate::{clock, protocol};

pub(super) async fn resolve(
    State(desk): State<Arc<Desk>>,
    body: Bytes,
) -> Result<Response, Problem> {
    // Before the keys are read: one that was dropped by what the snapshot knows is not among them.
    let snapshot = desk.store.snapshot().map_err(Unanswerable::from)?;
    let now = clock::now();
    let answer = match verify(&desk.ring.load(), &body, now) {
        None => Answer::Inactive,
        Some(claims) => {
            let resolved = run(&snapshot, |view| resolve_value(view, &claims, now));
            told(
                resolved
                    .map_err(Unanswerable::from)?
                    .ok_or(Unanswerable::Endless)?,
            )
        }
    };
    let counter = match &answer {
        Answer::Inactive => &desk.metrics.resolved_inactive,
        Answer::Active(_) => &desk.metrics.resolved_active,
    };
    counter.inc();
    let told = write_answers([(TokenDigest::of(&body), &answer)]);
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((protocol::private(), kind, told).into_response())
}

/// None for whatever was not signed here, or not as a value token that is good now.
fn verify(ring: &Ring, token: &[u8], now: UnixSeconds) -> Option<Claims> {
    let keys = KeySet::parse(&ring.jwks.text).ok()?;
    let expectations = Expectations {
        issuer: ring.provider.issuer.clone(),
        audience: String::new(),
        leeway: Duration::ZERO,
        lifetime_max: LIFETIME_MAX,
    };
    let verifier = Verifier::new(expectations, keys);
    let text = str::from_utf8(token).ok()?;
    verifier.verify_for_anybody(text, now).ok()
}

fn told(resolved: Resolved) -> Answer {
    match resolved {
        Resolved::Inactive => Answer::Inactive,
        Resolved::Active(active) => Answer::Active(Box::new(Active {
            record: active.record,
            epochs: active.epochs,
            expires_at: active.expires_at,
        })),
    }
}
