//! An administrator issues a token by hand: for a client, or for a client in somebody's name.
//!
//! It is a token like any other, with a session of its own that can be ended, and the audit log says
//! who issued it. Nobody signed in, so it says nothing of how or when.

use idp_token::time::UnixSeconds;

use super::{Caller, Issued};
use crate::admin::OrderError;
use crate::audit::{About, Act, Entry, Event};
use crate::decision::{Decided, Decision, Random, Stop};
use crate::id::{ClientId, UserId};
use crate::parameters::Parameters;
use crate::provider::Provider;
use crate::record::Session;
use crate::scope::Scopes;
use crate::session;
use crate::store::Transaction;
use crate::view::View;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    pub client: ClientId,
    pub user: Option<UserId>,
    /// All that the client may have, if none are named.
    pub scopes: Option<Scopes>,
}

/// Issues it.
pub fn issue_by_hand(
    view: &View,
    provider: &Provider,
    (wanted, actor): (&ByHand, &str),
    now: UnixSeconds,
    random: &Random,
) -> Decided<Result<Issued, OrderError>> {
    let Some(client) = view.client(&wanted.client)? else {
        return Ok(Decision::only(Err(OrderError::Unknown), None));
    };
    let owners = (wanted.user, &client.id, &client.tenant);
    let Some(generations) = session::generations(view, owners.0, owners.1, owners.2)? else {
        return Ok(Decision::only(Err(OrderError::Disabled), None));
    };
    let scopes = match &wanted.scopes {
        Some(asked) if !asked.is_within(&client.scopes) => {
            return Ok(Decision::only(Err(OrderError::Scopes), None));
        }
        Some(asked) => asked.clone(),
        None => client.scopes.clone(),
    };
    let parameters = Parameters::default();
    let caller = Caller {
        view,
        provider,
        client,
        parameters: &parameters,
        now,
    };
    let begun = match session::begin(view, random.id, client, now) {
        Ok(begun) => begun,
        Err(Stop::Need(need)) => return Err(need),
        Err(Stop::Refused(_)) => return Ok(Decision::only(Err(OrderError::Disabled), None)),
    };
    let session = Session {
        user: wanted.user,
        scopes,
        generations,
        ..begun
    };
    let Ok((issued, session, digest)) = caller.mint_alone(session, random) else {
        return Ok(Decision::only(Err(OrderError::TooLate), None));
    };
    let about = caller.entry(Event::TokenIssued, Some(&session), Some(digest));
    let mut transaction = Transaction::of(view);
    session::put_alone(&mut transaction, session);
    Ok(Decision {
        answer: Ok(issued),
        transaction,
        audit: Some(Entry {
            event: Event::Administered(Act::TokenIssued),
            about: About {
                actor: Some(actor.to_owned()),
                ..about.about
            },
            ..about
        }),
    })
}
