//! Tokens are given back here (RFC 7009).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use idp_core::revoke;

use super::reply::{Form, private, refused};
use crate::desk::{Desk, Unanswerable};

pub(super) async fn revoke(
    State(desk): State<Arc<Desk>>,
    form: Form,
) -> Result<Response, Unanswerable> {
    let asking = form.asking();
    let revoked = desk.decide(|case| revoke::revoke(case.view, case.provider, &asking, case.now));
    Ok(match revoked.await? {
        Ok(revoke::Revoked) => private().into_response(),
        Err(refusal) => refused(refusal).into_response(),
    })
}
