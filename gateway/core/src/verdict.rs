//! May a request go on with what is remembered of its token?
//!
//! | what is known | lease fresh | lease over, tolerant, within grace | lease over |
//! |---|---|---|---|
//! | it holds | served | served, marked | the identity provider is asked |
//! | it was voided, or is incomplete by now | looked up | the identity provider is asked | the same |
//! | nothing | looked up | the identity provider is asked | the same |
//! | it is past its end, or its session was ended | refused | refused | refused |
//!
//! What cannot be asked is unknown, and answered with 503. Only the identity provider, or a fact that
//! no time can undo, says that a token is bad.

use idp_token::external::Unacceptable;
use idp_token::lease::Trust;
use idp_token::reference::ReferenceError;
use idp_token::session::Over;
use idp_token::time::UnixSeconds;
use idp_token::value::{JwsError, ValueTokenError};

/// How what is remembered of a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    /// When the token or its session is over, used or not.
    pub ends_at: UnixSeconds,
    /// Whether nobody used its session here for as long as that may lie idle.
    pub is_idle: bool,
    /// When what the service would be shown expires; none if it is shown nothing.
    pub value_expires_at: Option<UnixSeconds>,
}

/// What is to be done with a request whose token named something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Serve(Proof),
    Refuse(Invalid),
    /// Whoever knows best at hand is asked: the copy first, then the identity provider.
    Refetch(Gap),
    /// The identity provider itself is asked, since no copy can be believed.
    Ask(Gap),
}

/// How fresh the proof was that a request is served on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Fresh,
    /// Past the lease, on a route that tolerates it.
    Grace,
}

/// Why what is remembered does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Nothing is remembered.
    Unknown,
    /// A change was published since.
    Void,
    /// The lease has run out, and nothing else is wrong.
    Stale,
    /// Nobody used the session here for so long; it may have been used elsewhere.
    Idle,
    /// The token for the service has expired.
    Spent,
}

/// Why a token is bad. The text is for the log; the client learns no more than that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("the reference token is refused: {0}")]
    Reference(#[from] ReferenceError),
    #[error("the value token is refused: {0}")]
    Value(#[from] ValueTokenError),
    #[error("the token of another issuer is refused: {0}")]
    External(#[from] Unacceptable),
    #[error("a token of a kind that is not taken here")]
    Kind,
    #[error("the issuer does not know the token, or it is over")]
    Inactive,
    #[error("the session was ended")]
    Ended,
    #[error("the session is over: {0}")]
    Over(#[from] Over),
    #[error("the token is meant for another audience")]
    Audience,
}

impl Invalid {
    /// Whether it took a signature, or a question to an issuer, to find out that somebody has made the token up or
    /// shows it before its time. No honest client does that often.
    #[must_use]
    pub const fn was_a_trial(&self) -> bool {
        match self {
            Self::Value(error) => matches!(
                error,
                ValueTokenError::Jws(JwsError::Signature)
                    | ValueTokenError::NotYet
                    | ValueTokenError::Times
            ),
            Self::External(error) => matches!(
                error,
                Unacceptable::Jws(JwsError::Signature) | Unacceptable::NotYet | Unacceptable::Times
            ),
            Self::Inactive => true,
            Self::Reference(_) | Self::Kind | Self::Ended | Self::Over(_) | Self::Audience => false,
        }
    }

    /// Whether it took as much, and no time makes the token good: then it is worth remembering.
    #[must_use]
    pub const fn stays_so(&self) -> bool {
        match self {
            Self::Value(ValueTokenError::Jws(error)) | Self::External(Unacceptable::Jws(error)) => {
                matches!(error, JwsError::Signature)
            }
            Self::Value(error) => {
                !matches!(error, ValueTokenError::NotYet | ValueTokenError::Times)
            }
            Self::External(error) => !matches!(
                error,
                Unacceptable::Algorithm | Unacceptable::NotYet | Unacceptable::Times
            ),
            Self::Inactive => true,
            Self::Reference(_) | Self::Kind | Self::Ended | Self::Over(_) | Self::Audience => false,
        }
    }
}

/// Why nobody can say whether a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    #[error("what is known of the token is older than the lease, and nobody can be asked")]
    Stale,
    #[error("nothing is known of the token, and nobody can be asked")]
    Unreachable,
    #[error("too many tokens are being looked up")]
    Overloaded,
}

/// Decides about a token that looked good so far, at the moment of its use.
///
/// `holds` is the fence's word on what is remembered, `was_ended` that of the list of sessions that
/// were ended lately, which is asked only where the fence says no: it is told of every end as well.
#[must_use]
pub fn judge(
    remembered: Option<&Remembered>,
    holds: bool,
    was_ended: impl FnOnce() -> bool,
    trust: Trust,
    now: UnixSeconds,
) -> Decision {
    let Some(known) = remembered else {
        return look_up(Gap::Unknown, trust);
    };
    if now >= known.ends_at {
        return Decision::Refuse(Invalid::Over(Over::Ended));
    }
    if !holds {
        return match was_ended() {
            true => Decision::Refuse(Invalid::Ended),
            false => look_up(Gap::Void, trust),
        };
    }
    if known.is_idle {
        return look_up(Gap::Idle, trust);
    }
    if known.value_expires_at.is_some_and(|end| now >= end) {
        return look_up(Gap::Spent, trust);
    }
    match trust {
        Trust::Fresh => Decision::Serve(Proof::Fresh),
        Trust::Grace => Decision::Serve(Proof::Grace),
        Trust::Ask => Decision::Ask(Gap::Stale),
    }
}

/// Copies are believed while the lease is fresh, and no longer: nobody can tell what they lack.
fn look_up(gap: Gap, trust: Trust) -> Decision {
    match trust {
        Trust::Fresh => Decision::Refetch(gap),
        Trust::Grace | Trust::Ask => Decision::Ask(gap),
    }
}

impl Gap {
    /// What is answered where nobody could be asked.
    #[must_use]
    pub fn unanswered(self) -> Unknown {
        match self {
            Self::Stale => Unknown::Stale,
            Self::Unknown | Self::Void | Self::Idle | Self::Spent => Unknown::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests;
