//! The introspection endpoint (RFC 7662), which answers in JSON or, to whoever asks for it, in a
//! signed token (RFC 9701).

use idp_core::introspect::{self, Active, Answer, Answered, TokenKind};
use idp_core::refusal::Refusal;
use idp_core::token::Asking;
use idp_token::time::UnixSeconds;
use idp_token::value::Statement;
use serde::Serialize;

use super::reply::{Reply, refused, told};
use crate::clock;
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

#[derive(Serialize)]
struct Signed<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    token_introspection: Told,
}

pub(super) async fn introspect(
    desk: &Desk,
    wants_token: bool,
    asking: &Asking,
) -> Result<Reply, Unanswerable> {
    let answered =
        desk.tell(|view, provider, now| introspect::introspect(view, provider, asking, now));
    Ok(match answered.await? {
        Ok(answered) if wants_token => sign(desk, answered, clock::now()),
        Ok(answered) => told(&about(answered.answer, &desk.ring.load().provider.issuer)),
        Err(refusal) => refused(refusal),
    })
}

fn about(answer: Answer, issuer: &str) -> Told {
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
        scope: active.scopes.as_str().to_owned(),
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

/// Meant for whoever asked and for nobody else, so that it proves nothing to a third.
fn sign(desk: &Desk, answered: Answered, now: UnixSeconds) -> Reply {
    let ring = desk.ring.load();
    let issuer = &ring.provider.issuer;
    let signed = Signed {
        iss: issuer,
        aud: answered.asker.as_str(),
        iat: now.0,
        token_introspection: about(answered.answer, issuer),
    };
    match ring.state(Statement::Introspection, &signed) {
        Ok(token) => Reply::statement(token),
        Err(error) => {
            tracing::error!(%error, "an answer about a token could not be signed");
            refused(Refusal::ServerError)
        }
    }
}
