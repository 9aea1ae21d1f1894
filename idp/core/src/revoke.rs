//! A client gives a token back (RFC 7009).
//!
//! Tokens stand for a session, so whichever of them is given back, the session ends. A token that
//! is unknown, over or somebody else's is answered as if it had been ended: there is nothing to
//! learn here. It need not be good to be given back: an old refresh token ends its session too.

use idp_token::time::UnixSeconds;

use crate::audit::{About, Entry, Event};
use crate::client::authenticate;
use crate::decision::{Decided, Decision, Stop};
use crate::presented;
use crate::provider::Provider;
use crate::record::Cause;
use crate::refusal::Refusal;
use crate::session;
use crate::store::Transaction;
use crate::token::Asking;
use crate::view::View;

/// What a client is told: that the token is good no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked;

pub fn revoke(
    view: &View,
    provider: &Provider,
    asking: &Asking,
    now: UnixSeconds,
) -> Decided<Result<Revoked, Refusal>> {
    match decide(view, provider, asking, now) {
        Ok(decision) => Ok(decision),
        Err(stop) => stop.settle(now),
    }
}

fn decide(
    view: &View,
    provider: &Provider,
    asking: &Asking,
    now: UnixSeconds,
) -> Result<Decision<Result<Revoked, Refusal>>, Stop> {
    let (parameters, presented) = asking.parts()?;
    let client = authenticate(view, &provider.secret_key, presented)?;
    let text = parameters.find("token").ok_or(Refusal::InvalidRequest)?;
    let found = presented::find(view, provider, text, now)?;
    let own = found.filter(|found| found.session().client == client.id);
    let Some(own) = own else {
        return Ok(Decision::only(Ok(Revoked), None));
    };
    let session = own.session();
    let mut transaction = Transaction::of(view);
    session::end(&mut transaction, view, session.id, (Cause::Revoked, now))?;
    let about = About {
        user: session.user,
        client: Some(client.id.clone()),
        tenant: Some(client.tenant.clone()),
        session: Some(session.id),
        ..About::default()
    };
    Ok(Decision {
        answer: Ok(Revoked),
        transaction,
        audit: Some(Entry {
            at: now,
            event: Event::TokenRevoked,
            about,
        }),
    })
}
