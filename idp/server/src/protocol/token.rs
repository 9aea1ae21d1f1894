//! The token endpoint (RFC 6749 section 3.2).

use idp_core::refusal::Refusal;
use idp_core::token::{self, Asking, Issued};
use idp_token::value::{SignError, Statement};
use serde::Serialize;

use super::reply::{Reply, refused, told};
use crate::clock;
use crate::desk::{Desk, Unanswerable};

#[derive(Serialize)]
struct Told<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

pub(super) async fn token(desk: &Desk, asking: &Asking) -> Result<Reply, Unanswerable> {
    let granted =
        desk.decide(|case| token::grant(case.view, case.provider, asking, case.now, case.random));
    Ok(match granted.await? {
        Ok(issued) => tell(desk, &issued),
        Err(refusal) => refused(refusal),
    })
}

fn tell(desk: &Desk, issued: &Issued) -> Reply {
    let id_token = match id_token(desk, issued) {
        Ok(signed) => signed,
        Err(error) => {
            tracing::error!(%error, "an ID token could not be signed");
            return refused(Refusal::ServerError);
        }
    };
    told(&Told {
        access_token: issued.access_token.as_str(),
        token_type: "Bearer",
        expires_in: issued.expires_in.as_secs(),
        scope: issued.scopes.as_str(),
        refresh_token: issued.refresh_token.as_ref().map(|token| token.as_str()),
        id_token,
    })
}

fn id_token(desk: &Desk, issued: &Issued) -> Result<Option<String>, SignError> {
    let Some(said) = &issued.id_token else {
        return Ok(None);
    };
    let ring = desk.ring.load();
    let algorithm = ring.signing.algorithm();
    let claims = said.claims(
        &ring.provider,
        &issued.access_token,
        algorithm,
        clock::now(),
    );
    let signed = ring.signing.sign_as(Statement::IdToken, &claims.write());
    signed.map(Some)
}
