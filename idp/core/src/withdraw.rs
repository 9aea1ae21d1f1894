//! Somebody withdraws what a client was allowed to do in the name of a person.
//!
//! With it end the sessions of that person and client. They are found by a scan, which may miss one
//! that is begun meanwhile; but none is begun once this is committed, since a code is redeemed only
//! on a consent that is still there. So whoever runs this scans again once it is committed, until a scan
//! finds nothing to end.

use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::audit::{About, Entry, Event};
use crate::decision::{Decided, Decision};
use crate::id::{ClientId, UserId};
use crate::record::Cause;
use crate::session;
use crate::store::{Key, Transaction};
use crate::view::View;

/// Sessions per commit.
pub const SESSIONS_MAX: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    pub user: UserId,
    pub client: ClientId,
    /// What a scan found of the person's; those of other clients are left alone.
    pub sessions: Vec<SessionId>,
    /// The administrator who ordered it; none if the person did.
    pub actor: Option<String>,
}

/// Gives out the sessions that were ended.
pub fn withdraw(view: &View, asked: &Withdrawal, now: UnixSeconds) -> Decided<Vec<SessionId>> {
    let sessions = &asked.sessions;
    let sessions = sessions.get(..SESSIONS_MAX).unwrap_or(sessions);
    let consent = Key::Consent(asked.user, asked.client.clone());
    let keys = sessions.iter().copied().map(Key::Session);
    view.want(keys.chain([consent.clone()]))?;

    let mut transaction = Transaction::of(view);
    let cause = match asked.actor {
        Some(_) => Cause::Administrator,
        None => Cause::Revoked,
    };
    let mut ended = Vec::new();
    for id in sessions {
        let is_theirs = view.session(*id)?.is_some_and(|session| {
            session.user == Some(asked.user) && session.client == asked.client
        });
        if is_theirs && session::end(&mut transaction, view, *id, (cause, now))? {
            ended.push(*id);
        }
    }
    if let Some(stored) = view.peek(&consent) {
        transaction.remove(stored, now);
    }
    let audit = (!transaction.is_empty()).then(|| Entry {
        at: now,
        event: Event::ConsentWithdrawn,
        about: About {
            user: Some(asked.user),
            client: Some(asked.client.clone()),
            actor: asked.actor.clone(),
            ..About::default()
        },
    });
    Ok(Decision {
        answer: ended,
        transaction,
        audit,
    })
}
