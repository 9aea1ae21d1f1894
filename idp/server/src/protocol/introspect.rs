//! The introspection endpoint (RFC 7662), which answers in JSON or, to whoever asks for it, in a
//! signed token (RFC 9701).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use idp_core::introspect::{self, Active, Answer, TokenKind};
use serde::Serialize;

use super::reply::{Form, private, refused};
use crate::desk::{Desk, Unanswerable};

#[derive(Serialize)]
struct Told {
    active: bool,
    #[serde(flatten)]
    more: Option<More>,
}

#[derive(Serialize)]
struct More {
    scope: String,
    client_id: String,
    token_type: &'static str,
    exp: u64,
    iat: u64,
    sub: String,
    aud: Vec<String>,
    iss: String,
    sid: String,
}

pub(super) async fn introspect(
    State(desk): State<Arc<Desk>>,
    form: Form,
) -> Result<Response, Unanswerable> {
    let answered = desk.decide(move |case| {
        introspect::introspect(case.view, case.provider, &form.asking(), case.now)
    });
    Ok(match answered.await? {
        Ok(answered) => {
            let told = told(answered.answer, &desk.ring.load().provider.issuer);
            (private(), axum::Json(told)).into_response()
        }
        Err(refusal) => refused(refusal),
    })
}

fn told(answer: Answer, issuer: &str) -> Told {
    let more = match answer {
        Answer::Inactive => None,
        Answer::Active(active) => Some(more(*active, issuer)),
    };
    Told {
        active: more.is_some(),
        more,
    }
}

fn more(active: Active, issuer: &str) -> More {
    More {
        scope: active.scopes.to_string(),
        client_id: active.client.as_str().to_owned(),
        token_type: match active.kind {
            TokenKind::Bearer => "Bearer",
            TokenKind::Refresh => "refresh_token",
        },
        exp: active.expires_at.0,
        iat: active.issued_at.0,
        sub: active.subject,
        aud: active.audience,
        iss: issuer.to_owned(),
        sid: active.session.to_string(),
    }
}

