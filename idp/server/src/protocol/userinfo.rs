//! The userinfo endpoint (OpenID Connect Core section 5.3). The token comes in the `Authorization`
//! field and nowhere else.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use idp_core::refusal::Refusal;
use idp_core::userinfo;
use serde::Serialize;

use super::reply::{private, refused};
use crate::desk::{Desk, Unanswerable};

#[derive(Serialize)]
struct Told {
    sub: String,
    preferred_username: String,
}

pub(super) async fn userinfo(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
) -> Result<Response, Unanswerable> {
    let Some(token) = bearer(&headers) else {
        return Ok(refused(Refusal::InvalidToken).into_response());
    };
    let found = desk.look(|case| userinfo::userinfo(case.view, case.provider, token, case.now));
    Ok(match found? {
        Ok(info) => {
            let told = Told {
                sub: info.subject.to_string(),
                preferred_username: info.name.as_str().to_owned(),
            };
            (private(), axum::Json(told)).into_response()
        }
        Err(refusal) => refused(refusal).into_response(),
    })
}

/// The one bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let field = fields.next()?.to_str().ok()?;
    if fields.next().is_some() {
        return None;
    }
    let (scheme, token) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}
