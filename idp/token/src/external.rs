//! What do the tokens of other issuers say, and may they be believed here?
//!
//! There are two kinds. A JWT is verified with the keys that its issuer publishes ([`jwt`]); about an
//! opaque token the issuer is asked ([`answer`], RFC 7662). Neither issuer tells us when it takes
//! something back, so there is no lease. What bounds the harm is an age: a JWT is refused so long
//! after it was made, and an answer is kept no longer than that. The bound is the operator's to
//! choose, and [`LEEWAY`] is all that is added to it.
//!
//! An issuer is trusted to say who its own callers are, and in nothing else: what it says is measured,
//! and refused where it could be taken for something else.

use std::time::Duration;

use crate::json::MemberError;
use crate::time::UnixSeconds;
use crate::value::JwsError;

pub use claim::{ClaimName, ClaimNameError};
pub use claim::{ROLE_BYTES_MAX, ROLES_MAX, SCOPE_BYTES_MAX, SUBJECT_BYTES_MAX};

pub mod answer;
mod claim;
pub mod jwt;

/// How far apart the clocks of an issuer and of this machine may be.
pub const LEEWAY: Duration = Duration::from_secs(5);

/// What is expected of the tokens of one issuer, whichever kind they are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The exact `iss`.
    pub issuer: String,
    /// A token is for one of these. Empty only where the issuer is asked about it: then it is the
    /// issuer who says for whom a token is good.
    pub audience: Vec<String>,
    /// Where roles are found.
    pub roles: ClaimName,
    /// How long after something was taken back its token may still be believed.
    pub max_age: Duration,
}

/// Whom a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub subject: String,
    /// Empty if nobody says.
    pub client_id: String,
    /// Scopes, separated by single spaces.
    pub scope: String,
    pub roles: Vec<String>,
    /// From then on it is not believed any more; none if only its issuer knows.
    pub ends_at: Option<UnixSeconds>,
}

/// Why a token is not good here: 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    #[error(transparent)]
    Jws(#[from] JwsError),
    #[error("signed with an algorithm that is not taken of this issuer")]
    Algorithm,
    #[error("the token is of another type than is taken of this issuer")]
    Type,
    #[error("the payload is not an object whose members are there once")]
    Syntax,
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error("of another issuer")]
    Issuer,
    #[error("for another audience")]
    Audience,
    #[error("an ID token or a message of an issuer, and no access token")]
    Purpose,
    #[error("bound to a key whose possession cannot be shown here")]
    Bound,
    #[error("expired")]
    Expired,
    #[error("not valid yet")]
    NotYet,
    #[error("made in the future, or ends before it was made")]
    Times,
    #[error("made longer ago than is taken of this issuer")]
    TooOld,
}

impl Unacceptable {
    /// Whether newer keys could change that.
    #[must_use]
    pub const fn is_for_want_of_a_key(self) -> bool {
        matches!(self, Self::Jws(JwsError::UnknownKey))
    }
}

impl Policy {
    /// Whether what names these is for us.
    fn check_audience(&self, named: &[String]) -> Result<(), Unacceptable> {
        let is_for_us = named.iter().any(|name| self.audience.contains(name));
        if is_for_us || self.audience.is_empty() {
            Ok(())
        } else {
            Err(Unacceptable::Audience)
        }
    }
}

#[cfg(test)]
mod tests;
