//! May this value token be believed, here and now?

use std::time::Duration;

use crate::json::Json;
use crate::time::UnixSeconds;

use super::claims::{Claims, ClaimsError};
use super::jws::{self, JwsError};
use super::keys::KeySet;

/// RFC 9068 §4: without this a token that was made for something else would do.
const TYPES: [&str; 2] = ["at+jwt", "application/at+jwt"];

/// What a route expects of tokens of one issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectations {
    pub issuer: String,
    pub audience: String,
    /// How far apart clocks may be.
    pub leeway: Duration,
    /// A token that was given a longer life is refused, since it cannot be taken back.
    pub lifetime_max: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueTokenError {
    #[error(transparent)]
    Jws(#[from] JwsError),
    #[error("the token is no access token")]
    Type,
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    #[error("of another issuer")]
    Issuer,
    #[error("for another audience")]
    Audience,
    #[error("expired")]
    Expired,
    #[error("not valid yet")]
    NotYet,
    #[error("made in the future, or ends before it was made")]
    Times,
    #[error("given a longer life than is taken")]
    LivesTooLong,
}

#[derive(Debug, Clone)]
pub struct Verifier {
    expectations: Expectations,
    keys: KeySet,
}

impl Verifier {
    #[must_use]
    pub const fn new(expectations: Expectations, keys: KeySet) -> Self {
        Self { expectations, keys }
    }

    /// Reads what a client or the identity provider sent. It costs a signature: keep the outcome
    /// under the token's digest until it expires.
    pub fn verify(&self, text: &str, now: UnixSeconds) -> Result<Claims, ValueTokenError> {
        let claims = self.verify_for_anybody(text, now)?;
        if !claims.audience.contains(&self.expectations.audience) {
            return Err(ValueTokenError::Audience);
        }
        Ok(claims)
    }

    /// The same whoever it is meant for: of one that is only passed on, or was signed here.
    pub fn verify_for_anybody(
        &self,
        text: &str,
        now: UnixSeconds,
    ) -> Result<Claims, ValueTokenError> {
        let signed = jws::verify_whole(text, &self.keys)?;
        let kind = signed.header.find("typ").and_then(Json::as_text);
        if !kind.is_some_and(|kind| TYPES.contains(&kind)) {
            return Err(ValueTokenError::Type);
        }
        let (claims, valid_from) = Claims::read(&signed.payload)?;
        if claims.issuer != self.expectations.issuer {
            return Err(ValueTokenError::Issuer);
        }
        self.check_times(&claims, valid_from, now)?;
        Ok(claims)
    }

    fn check_times(
        &self,
        claims: &Claims,
        valid_from: Option<UnixSeconds>,
        now: UnixSeconds,
    ) -> Result<(), ValueTokenError> {
        let latest = now.after(self.expectations.leeway);
        if claims.issued_at > latest || claims.expires_at <= claims.issued_at {
            return Err(ValueTokenError::Times);
        }
        if claims.expires_at.since(claims.issued_at) > self.expectations.lifetime_max {
            return Err(ValueTokenError::LivesTooLong);
        }
        if claims.expires_at.after(self.expectations.leeway) <= now {
            return Err(ValueTokenError::Expired);
        }
        if valid_from.is_some_and(|from| from > latest) {
            return Err(ValueTokenError::NotYet);
        }
        Ok(())
    }
}
