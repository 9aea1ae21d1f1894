//! Somebody signs out (OpenID Connect RP-Initiated Logout).
//!
//! With a login end all the sessions that were begun from it. A link that leads here from another
//! site must not sign anybody out, so unless a client shows an ID token of one of these sessions,
//! the person is asked.

use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;
use idp_token::value::statements::IdHint;

use crate::audit::{About, Entry, Event};
use crate::decision::{Decided, Decision};
use crate::id::{ClientId, LoginId};
use crate::notice::{Notice, notices};
use crate::parameters::escape;
use crate::provider::Provider;
use crate::record::{Cause, Login, Record, Standing};
use crate::session;
use crate::store::{Key, Transaction};
use crate::view::{Need, View};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignOut {
    /// From the cookie.
    pub login: Option<LoginId>,
    /// From an ID token whose signature was verified; it may have expired.
    pub hint: Option<Hint>,
    /// Whether the person was asked, on a page of our own.
    pub is_confirmed: bool,
    pub redirect_uri: Option<String>,
    pub state: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub session: SessionId,
    pub client: ClientId,
}

impl Hint {
    /// From what such a token says, if it is one of this provider.
    #[must_use]
    pub fn of(said: &IdHint, provider: &Provider) -> Option<Self> {
        let client = ClientId::parse(&said.audience)?;
        (said.issuer == provider.issuer).then_some(Self {
            session: said.session,
            client,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Ask the person, who may then go on to where the client of the hint registered.
    Ask { location: Option<String> },
    SignedOut {
        /// Where to go next, if the client of the hint registered it; a page of our own if not.
        location: Option<String>,
        /// Whom to tell, once it is committed.
        notices: Vec<Notice>,
    },
}

pub fn sign_out(view: &View, asked: &SignOut, now: UnixSeconds) -> Decided<Outcome> {
    let hinted = match &asked.hint {
        Some(hint) => view
            .session(hint.session)?
            .filter(|session| session.client == hint.client),
        None => None,
    };
    let id = asked.login.or(hinted.and_then(|session| session.login));
    let login = match id {
        Some(id) => view.login(id)?,
        None => None,
    };
    let is_of_login = |login: &Login| hinted.is_some_and(|it| login.sessions.contains(&it.id));
    let is_meant = asked.is_confirmed || login.is_none_or(is_of_login);
    if !is_meant {
        let location = location(view, asked)?;
        return Ok(Decision::only(Outcome::Ask { location }, None));
    }
    let sessions = login.map_or_else(Vec::new, |login| login.sessions.clone());
    let alone = hinted.map(|it| it.id).filter(|id| !sessions.contains(id));
    let all: Vec<_> = sessions.into_iter().chain(alone).collect();
    view.want(all.iter().copied().map(Key::Session))?;

    let mut transaction = Transaction::of(view);
    let mut ended = Vec::new();
    for id in all {
        if session::end(&mut transaction, view, id, (Cause::LoggedOut, now))? {
            ended.push(id);
        }
    }
    let notices = notices(view, &ended)?;
    if let Some(login) = login.filter(|login| login.standing == Standing::Live) {
        transaction.put(view, Record::Login(login.over(now)), now);
    }
    Ok(Decision {
        answer: Outcome::SignedOut {
            location: location(view, asked)?,
            notices,
        },
        transaction,
        audit: login.map(|login| entry(login, now)),
    })
}

fn entry(login: &Login, now: UnixSeconds) -> Entry {
    Entry {
        at: now,
        event: Event::SignedOut,
        about: About {
            user: Some(login.user),
            tenant: Some(login.tenant.clone()),
            ..About::default()
        },
    }
}

impl Login {
    fn over(&self, at: UnixSeconds) -> Self {
        let cause = Cause::LoggedOut;
        Self {
            standing: Standing::Over { at, cause },
            ..self.clone()
        }
    }
}

/// Only to where the client that is named by a verified hint registered.
fn location(view: &View, asked: &SignOut) -> Result<Option<String>, Need> {
    let Some((uri, hint)) = asked.redirect_uri.as_ref().zip(asked.hint.as_ref()) else {
        return Ok(None);
    };
    let client = view.client(&hint.client)?;
    if !client.is_some_and(|client| client.logout_uris.contains(uri)) {
        return Ok(None);
    }
    let mut location = uri.clone();
    if let Some(state) = &asked.state {
        location.push(if uri.contains('?') { '&' } else { '?' });
        location.push_str("state=");
        escape(state, &mut location);
    }
    Ok(Some(location))
}
