//! Which clients are told that a session of theirs is over? (OpenID Connect Back-Channel Logout)
//!
//! A client is told where it registered to be told, once the end of the session is committed. It is
//! a courtesy: the session is over whether the client hears of it or not.

use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;
use idp_token::value::statements::LogoutClaims;

use crate::id::ClientId;
use crate::provider::Provider;
use crate::store::Key;
use crate::view::{Need, View};

/// Sessions that are looked at together.
pub const SESSIONS_MAX: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Where the logout token is posted to.
    pub uri: String,
    pub client: ClientId,
    pub session: SessionId,
    pub subject: String,
}

impl Notice {
    /// What is signed for the client. The id must be drawn at random.
    #[must_use]
    pub fn claims(&self, provider: &Provider, id: [u8; 16], now: UnixSeconds) -> LogoutClaims {
        LogoutClaims {
            issuer: provider.issuer.clone(),
            subject: self.subject.clone(),
            audience: self.client.as_str().to_owned(),
            session: self.session,
            issued_at: now,
            id: SessionId(id).to_string(),
        }
    }
}

/// Whom to tell of the end of these sessions, of which everybody knows who ended them: a person who
/// signs out, or an administrator. Machines are not told of themselves.
pub fn notices(view: &View, sessions: &[SessionId]) -> Result<Vec<Notice>, Need> {
    let sessions = sessions.get(..SESSIONS_MAX).unwrap_or(sessions);
    view.want(sessions.iter().copied().map(Key::Session))?;
    let mut of_people = Vec::with_capacity(sessions.len());
    for id in sessions {
        of_people.extend(view.session(*id)?.filter(|session| session.user.is_some()));
    }
    let clients = of_people.iter().map(|session| session.client.clone());
    view.want(clients.map(Key::Client))?;
    let mut notices = Vec::new();
    for session in of_people {
        let client = view.client(&session.client)?;
        let uri = client.and_then(|client| client.backchannel_logout_uri.clone());
        notices.extend(uri.map(|uri| Notice {
            uri,
            client: session.client.clone(),
            session: session.id,
            subject: session.subject(),
        }));
    }
    Ok(notices)
}
