//! What clients were allowed is taken back, and the sessions that came of it end.
//!
//! Sessions are found by walking over those of the person, while others may begin. Once the consent
//! is gone none begins any more. The first walk takes it away, and may have missed what began before
//! that; so there is another one, and one more until a walk ends nothing.

use idp_core::id::{ClientId, UserId};
use idp_core::record::{Consent, Record};
use idp_core::store::{Key, Owner, Range, Store as _, Stored};
use idp_core::withdraw::{SESSIONS_MAX, Withdrawal, withdraw as decide};
use idp_token::session::SessionId;

use crate::desk::{Desk, Unanswerable};

/// A second walk nearly always finds nothing. A client of the operator's own needs no consent, so
/// that its sessions may begin as fast as they end.
const WALKS_MAX: usize = 16;
/// Consents that are read at a time.
const CONSENTS_MAX: usize = 256;

/// Whose consent is taken back, and by whom.
#[derive(Debug, Clone)]
pub(crate) struct Withdrawing {
    pub(crate) user: UserId,
    /// The administrator who ordered it; none if the person did.
    pub(crate) actor: Option<String>,
}

/// Takes back what one client was allowed.
pub(crate) async fn withdraw(
    desk: &Desk,
    asked: &Withdrawing,
    client: &ClientId,
) -> Result<(), Unanswerable> {
    walk(desk, asked, client).await?;
    for _ in 0..WALKS_MAX {
        if walk(desk, asked, client).await? == 0 {
            return Ok(());
        }
    }
    Err(Unanswerable::Endless)
}

/// Takes back what any client was allowed.
pub(crate) async fn withdraw_all(desk: &Desk, asked: &Withdrawing) -> Result<(), Unanswerable> {
    loop {
        let consents = consents_of(desk, asked.user, None, CONSENTS_MAX).await?;
        if consents.is_empty() {
            return Ok(());
        }
        for consent in consents {
            withdraw(desk, asked, &consent.client).await?;
        }
    }
}

/// What somebody allowed, from the first one after this client on.
pub(crate) async fn consents_of(
    desk: &Desk,
    user: UserId,
    after: Option<ClientId>,
    limit: usize,
) -> Result<Vec<Consent>, Unanswerable> {
    let after = after.map(|client| Key::Consent(user, client));
    let range = Range::consents_of(user);
    let scanned = desk.store.scan(&range, after.as_ref(), limit).await?;
    Ok(scanned.into_iter().filter_map(consent).collect())
}

fn consent(stored: Stored) -> Option<Consent> {
    if let Record::Consent(consent) = stored.record {
        Some(consent)
    } else {
        None
    }
}

/// Ends what one walk finds, and says how many that were.
async fn walk(desk: &Desk, asked: &Withdrawing, client: &ClientId) -> Result<usize, Unanswerable> {
    let owner = Owner::User(asked.user);
    let range = Range::sessions_of(&owner);
    let (mut after, mut ended) = (None, 0);
    loop {
        let page = desk
            .store
            .scan(&range, after.as_ref(), SESSIONS_MAX)
            .await?;
        let sessions: Vec<_> = page.iter().filter_map(session).collect();
        let is_last = page.len() < SESSIONS_MAX;
        after = sessions
            .last()
            .map(|session| Key::SessionOf(owner.clone(), *session));
        let withdrawal = Withdrawal {
            user: asked.user,
            client: client.clone(),
            sessions,
            actor: asked.actor.clone(),
        };
        let withdrawn = desk.decide(move |case| decide(case.view, &withdrawal, case.now));
        ended += withdrawn.await?.len();
        if is_last {
            return Ok(ended);
        }
    }
}

fn session(stored: &Stored) -> Option<SessionId> {
    if let Record::SessionOf(of) = &stored.record {
        Some(of.session)
    } else {
        None
    }
}
