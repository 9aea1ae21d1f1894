//! Is a session still what it was, and what does it begin with?
//!
//! A session that nobody ended may be over all the same: past its end, idle for too long, or begun
//! under a user, client, tenant or realm of which everything was ended since.

use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::client::Client;
use crate::decision::Stop;
use crate::id::{Generation, TenantId, UserId};
use crate::record::{Cause, Generations, Record, Session, SessionOf, Standing};
use crate::refusal::Refusal;
use crate::store::{Key, Owner, Transaction};
use crate::view::{Need, View};

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    #[error("it was ended")]
    Ended(Cause),
    #[error("it is past its end")]
    Expired,
    #[error("it was not used for too long")]
    Idle,
    #[error("everything of its user, client, tenant or of this provider was ended")]
    Owner,
}

impl Session {
    /// The `sub` of its tokens: a person, or a client that acts for itself.
    #[must_use]
    pub fn subject(&self) -> String {
        self.user
            .map_or_else(|| self.client.as_str().to_owned(), |user| user.to_string())
    }
}

/// Whether a session may be used. Last uses are told late, by up to what a gateway may keep to
/// itself; so a session may be found idle here while it is in use, for that long.
pub(crate) fn check(
    view: &View,
    session: &Session,
    now: UnixSeconds,
) -> Result<Result<(), Over>, Need> {
    if let Standing::Over { cause, .. } = session.standing {
        return Ok(Err(Over::Ended(cause)));
    }
    if now >= session.ends_at {
        return Ok(Err(Over::Expired));
    }
    let owners = [
        Key::Client(session.client.clone()),
        Key::Tenant(session.tenant.clone()),
        Key::Realm,
        Key::LastUse(session.id),
    ];
    view.want(owners.into_iter().chain(session.user.map(Key::User)))?;

    let found = generations(view, session.user, &session.client, &session.tenant)?;
    if found != Some(session.generations) {
        return Ok(Err(Over::Owner));
    }
    let last = view.last_use(session.id)?;
    let last = last.map_or(session.began_at, |last| last.max(session.began_at));
    let is_idle = session.idle.is_some_and(|idle| now.since(last) >= idle);
    Ok(if is_idle { Err(Over::Idle) } else { Ok(()) })
}

/// Under what a session would begin now; none if one of its owners is gone or disabled.
pub(crate) fn generations(
    view: &View,
    user: Option<UserId>,
    client: &crate::id::ClientId,
    tenant: &TenantId,
) -> Result<Option<Generations>, Need> {
    let Some(people) = of_people(view, user, tenant)? else {
        return Ok(None);
    };
    let client = view.client(client)?;
    let client = client.filter(|client| client.is_enabled && client.tenant == *tenant);
    Ok(client.map(|client| Generations {
        client: client.generation,
        ..people
    }))
}

/// The same without a client: under what somebody signs in.
pub(crate) fn of_people(
    view: &View,
    user: Option<UserId>,
    tenant: &TenantId,
) -> Result<Option<Generations>, Need> {
    let user = match user {
        None => Some(Generation::default()),
        Some(id) => view
            .user(id)?
            .filter(|user| user.is_enabled && user.tenant == *tenant)
            .map(|user| user.generation),
    };
    let enabled = view.tenant(tenant)?.filter(|tenant| tenant.is_enabled);
    let realm = view.realm()?.generation;
    Ok(user.zip(enabled).map(|(user, tenant)| Generations {
        user,
        client: Generation::default(),
        tenant: tenant.generation,
        realm,
    }))
}

/// A session of a client that was authenticated, for itself or for the person of a login.
pub(crate) fn begin(
    view: &View,
    random: [u8; 16],
    client: &Client,
    now: UnixSeconds,
) -> Result<Session, Stop> {
    let generations = generations(view, None, &client.id, &client.tenant)?;
    Ok(Session {
        id: SessionId::begin(now, random),
        user: None,
        login: None,
        client: client.id.clone(),
        tenant: client.tenant.clone(),
        scopes: client.scopes.clone(),
        amr: Vec::new(),
        auth_time: None,
        began_at: now,
        ends_at: now.after(client.lifetimes.absolute),
        idle: client.lifetimes.idle,
        generations: generations.ok_or(Refusal::InvalidClient)?,
        standing: Standing::Live,
    })
}

/// Writes a new session where it can be found by its owners. Their lists say nothing that the session
/// does not, so that it alone is looked for.
pub(crate) fn put_new(
    transaction: &mut Transaction,
    view: &View,
    session: Session,
    now: UnixSeconds,
) {
    list(transaction, &session);
    transaction.put(view, Record::Session(session), now);
}

/// The same for a session whose id follows from a token. Nothing is looked for: nobody else's follows
/// from the same 128 random bits.
pub(crate) fn put_alone(transaction: &mut Transaction, session: Session) {
    list(transaction, &session);
    transaction.overwrite(Record::Session(session));
}

fn list(transaction: &mut Transaction, session: &Session) {
    let of_client = Owner::Client(session.client.clone());
    let owners = session.user.map(Owner::User).into_iter().chain([of_client]);
    for owner in owners {
        let record = Record::SessionOf(SessionOf {
            owner,
            session: session.id,
            ends_at: session.ends_at,
        });
        transaction.overwrite(record);
    }
}

/// Ends a session for good. One that is over already stays as it is.
pub(crate) fn end(
    transaction: &mut Transaction,
    view: &View,
    id: SessionId,
    (cause, now): (Cause, UnixSeconds),
) -> Result<bool, Need> {
    let Some(session) = view.session(id)? else {
        return Ok(false);
    };
    if session.standing != Standing::Live {
        return Ok(false);
    }
    let ended = Session {
        standing: Standing::Over { at: now, cause },
        ..session.clone()
    };
    transaction.put(view, Record::Session(ended), now);
    Ok(true)
}
