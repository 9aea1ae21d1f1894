//! Which session is a token of, if it is one of ours that is still good?
//!
//! Whether a token is a reference token or a refresh token is told by the token itself; a hint
//! (RFC 7009 section 2.1) is only ever a hint and changes nothing.

use idp_token::digest::TokenName;
use idp_token::reference::ReferenceToken;
use idp_token::refresh::{PresentedRefresh, Redemption};
use idp_token::time::UnixSeconds;

use crate::provider::Provider;
use crate::record::{Refresh, Session};
use crate::scope::Scopes;
use crate::session;
use crate::view::{Need, View};

/// A token that was issued here, good or not.
pub(crate) enum Found<'v> {
    Access(Access<'v>, &'v Session),
    Refresh(&'v Refresh, &'v Session, u32),
}

/// What is kept of a reference token, beside its session or as its session.
pub(crate) struct Access<'v> {
    pub(crate) scopes: &'v Scopes,
    pub(crate) issued_at: UnixSeconds,
    pub(crate) expires_at: UnixSeconds,
}

impl<'v> Found<'v> {
    pub(crate) const fn session(&self) -> &'v Session {
        match self {
            Self::Access(_, session) | Self::Refresh(_, session, _) => session,
        }
    }

    pub(crate) const fn scopes(&self) -> &'v Scopes {
        match self {
            Self::Access(access, _) => access.scopes,
            Self::Refresh(_, session, _) => &session.scopes,
        }
    }

    pub(crate) const fn expires_at(&self) -> UnixSeconds {
        match self {
            Self::Access(access, _) => access.expires_at,
            Self::Refresh(refresh, ..) => refresh.ends_at,
        }
    }

    pub(crate) const fn issued_at(&self) -> UnixSeconds {
        match self {
            Self::Access(access, _) => access.issued_at,
            Self::Refresh(refresh, ..) => refresh.family.advanced_at,
        }
    }

    /// Whether it would be taken for what it is, now.
    pub(crate) fn is_good(&self, view: &View, now: UnixSeconds) -> Result<bool, Need> {
        let is_newest = match self {
            Self::Access(..) => true,
            Self::Refresh(refresh, _, counter) => {
                let found = refresh.family.redeem(*counter, now);
                matches!(found, Redemption::Advance(_))
            }
        };
        if !is_newest || now >= self.expires_at() {
            return Ok(false);
        }
        Ok(session::check(view, self.session(), now)?.is_ok())
    }
}

/// Finds what a text stands for.
pub(crate) fn find<'v>(
    view: &'v View,
    provider: &Provider,
    text: &str,
    now: UnixSeconds,
) -> Result<Option<Found<'v>>, Need> {
    if let Ok(token) = ReferenceToken::parse(text.as_bytes(), &provider.filter_keys, now) {
        return find_access(view, token.name());
    }
    let Ok(presented) = PresentedRefresh::parse(text.as_bytes()) else {
        return Ok(None);
    };
    let Some(refresh) = view.refresh(presented.family())? else {
        return Ok(None);
    };
    let Ok(token) = presented.verify(&provider.refresh_key, &refresh.salt) else {
        return Ok(None);
    };
    let session = view.session(refresh.session)?;
    Ok(session.map(|session| Found::Refresh(refresh, session, token.counter)))
}

pub(crate) fn find_access(view: &View, name: TokenName) -> Result<Option<Found<'_>>, Need> {
    if let Some(session) = view.session(name.session())? {
        let access = Access {
            scopes: &session.scopes,
            issued_at: session.began_at,
            expires_at: session.ends_at,
        };
        return Ok(Some(Found::Access(access, session)));
    }
    let Some(access) = view.access(name.digest)? else {
        return Ok(None);
    };
    let session = view.session(access.session)?;
    let found = Access {
        scopes: &access.scopes,
        issued_at: access.issued_at,
        expires_at: access.expires_at,
    };
    Ok(session.map(|session| Found::Access(found, session)))
}
