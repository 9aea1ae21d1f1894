//! What must gateways hear of?
//!
//! A change of security is a row in the outbox, committed with the change itself. No rule writes
//! such a row: what a write takes away is read off the difference between the record that was
//! there and the one that is to be, here and in one table, so that nothing can be ended in
//! silence.

use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::client::Client;
use crate::id::{ClientId, TenantId};
use crate::keyring::Keyring;
use crate::record::{Realm, Record, Session, Standing, Tenant, User};

/// Whose cached tokens are void.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    Session(SessionId),
    /// A `sub`: a user, or a client that acts for itself.
    Subject(String),
    Client(ClientId),
    Tenant(TenantId),
    Realm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Every session of the target that was begun before is over: it may be refused unasked.
    Ended,
    /// The target may say something else from now on: ask again.
    Changed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub target: Target,
    pub kind: Kind,
    pub at: UnixSeconds,
    /// When no token of the target can be left; none if that is not known.
    pub until: Option<UnixSeconds>,
}

/// What a write means for those who remember the record that was there before.
#[must_use]
pub(crate) fn announce(
    before: Option<&Record>,
    after: Option<&Record>,
    at: UnixSeconds,
) -> Option<Change> {
    let Some(before) = before else {
        return of_new(after?, at);
    };
    let (target, kind, until) = match (before, after) {
        (Record::Session(before), after) => of_session(before, after, at),
        (Record::User(before), after) => of_user(before, after),
        (Record::Client(before), after) => of_client(before, after),
        (Record::Tenant(before), after) => of_tenant(before, after),
        (Record::Realm(before), after) => of_realm(before, after),
        (Record::Keyring(before), after) => of_keyring(before, after, at),
        // Nothing that gateways remember follows from these.
        (
            Record::Username(_)
            | Record::Lockout(_)
            | Record::Consent(_)
            | Record::Login(_)
            | Record::Code(_)
            | Record::SessionOf(_)
            | Record::LastUse(_)
            | Record::Access(_)
            | Record::Refresh(_)
            | Record::Relay(_)
            | Record::Epoch(_)
            | Record::Published(_),
            _,
        ) => None,
    }?;
    Some(Change {
        target,
        kind,
        at,
        until,
    })
}

/// What is new takes nothing away, unless it stands for something that always was: before everything
/// was ended for the first time, there is no record of the realm.
fn of_new(after: &Record, at: UnixSeconds) -> Option<Change> {
    let Record::Realm(_) = after else {
        return None;
    };
    announce(Some(&Record::Realm(Realm::default())), Some(after), at)
}

type Meaning = Option<(Target, Kind, Option<UnixSeconds>)>;

fn of_session(before: &Session, after: Option<&Record>, at: UnixSeconds) -> Meaning {
    // Past its end a session is over for whoever remembers it, too.
    if before.standing != Standing::Live || at >= before.ends_at {
        return None;
    }
    let kind = match after {
        Some(Record::Session(after)) if after == before => return None,
        Some(Record::Session(after)) if after.standing == Standing::Live => Kind::Changed,
        _ => Kind::Ended,
    };
    Some((Target::Session(before.id), kind, Some(before.ends_at)))
}

fn of_user(before: &User, after: Option<&Record>) -> Meaning {
    let kind = match after {
        Some(Record::User(after)) => {
            let has_ended =
                after.generation != before.generation || (before.is_enabled && !after.is_enabled);
            let has_changed = after.roles != before.roles || after.is_enabled != before.is_enabled;
            kind_of(has_ended, has_changed)?
        }
        _ => Kind::Ended,
    };
    Some((Target::Subject(before.id.to_string()), kind, None))
}

fn of_client(before: &Client, after: Option<&Record>) -> Meaning {
    let kind = match after {
        Some(Record::Client(after)) => {
            let has_ended =
                after.generation != before.generation || (before.is_enabled && !after.is_enabled);
            let has_changed = after.roles != before.roles
                || after.scopes != before.scopes
                || after.audience != before.audience
                || after.is_enabled != before.is_enabled;
            kind_of(has_ended, has_changed)?
        }
        _ => Kind::Ended,
    };
    Some((Target::Client(before.id.clone()), kind, None))
}

fn of_tenant(before: &Tenant, after: Option<&Record>) -> Meaning {
    let kind = match after {
        Some(Record::Tenant(after)) => {
            let has_ended =
                after.generation != before.generation || (before.is_enabled && !after.is_enabled);
            kind_of(has_ended, after.is_enabled != before.is_enabled)?
        }
        _ => Kind::Ended,
    };
    Some((Target::Tenant(before.id.clone()), kind, None))
}

fn of_realm(before: &Realm, after: Option<&Record>) -> Meaning {
    let is_same = matches!(after, Some(Record::Realm(after)) if after == before);
    (!is_same).then_some((Target::Realm, Kind::Ended, None))
}

/// A key that goes while something may still be verified with it was dropped: what it signed is no
/// good any more, and everybody needs something that another one signed.
fn of_keyring(before: &Keyring, after: Option<&Record>, at: UnixSeconds) -> Meaning {
    let after = match after {
        Some(Record::Keyring(after)) => Some(after),
        _ => None,
    };
    let is_kept = |key| after.is_some_and(|it| it.signing.published(at).any(|kept| kept == key));
    let is_dropped = !before.signing.published(at).all(is_kept);
    is_dropped.then_some((Target::Realm, Kind::Changed, None))
}

const fn kind_of(has_ended: bool, has_changed: bool) -> Option<Kind> {
    if has_ended {
        Some(Kind::Ended)
    } else if has_changed {
        Some(Kind::Changed)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
