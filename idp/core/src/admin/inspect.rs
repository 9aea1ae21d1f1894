//! What is known of a token? For administrators, who are told why it is not good.

use idp_token::time::UnixSeconds;

use crate::presented::{self, Found};
use crate::provider::Provider;
use crate::record::Session;
use crate::scope::Scopes;
use crate::session::{self, Over};
use crate::view::{Need, View};

/// A token that was issued here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    pub kind: Kind,
    pub session: Session,
    pub scopes: Scopes,
    pub issued_at: UnixSeconds,
    pub expires_at: UnixSeconds,
    pub state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Access,
    Refresh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Good,
    /// The token itself: past its end, or not the newest of its family.
    Spent,
    Over(Over),
}

/// None of what was not issued here, or is forgotten already.
pub fn inspect(
    view: &View,
    provider: &Provider,
    token: &str,
    now: UnixSeconds,
) -> Result<Option<Inspected>, Need> {
    let Some(found) = presented::find(view, provider, token, now)? else {
        return Ok(None);
    };
    let session = found.session();
    let state = match session::check(view, session, now)? {
        Err(over) => State::Over(over),
        Ok(()) if found.is_good(view, now)? => State::Good,
        Ok(()) => State::Spent,
    };
    Ok(Some(Inspected {
        kind: match found {
            Found::Access(..) => Kind::Access,
            Found::Refresh(..) => Kind::Refresh,
        },
        session: session.clone(),
        scopes: found.scopes().clone(),
        issued_at: found.issued_at(),
        expires_at: found.expires_at(),
        state,
    }))
}
