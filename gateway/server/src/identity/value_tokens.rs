//! Is this one of our own value tokens, meant for this gateway?

use std::time::Duration;

use idp_token::time::UnixSeconds;
use idp_token::value::{Claims, Expectations, KeySet, LIFETIME_MAX, ValueTokenError, Verifier};

/// How far apart the clocks of provider and gateway may be.
const LEEWAY: Duration = Duration::from_secs(5);

/// What is expected of them, with the provider's keys of the moment.
#[derive(Debug)]
pub(crate) struct ValueTokens {
    verifier: Verifier,
    /// Those of this gateway.
    audiences: Vec<String>,
}

impl ValueTokens {
    pub(super) fn new(issuer: &str, audiences: &[String], keys: KeySet) -> Self {
        let expectations = Expectations {
            issuer: issuer.to_owned(),
            // There may be several: it is looked at here.
            audience: String::new(),
            leeway: LEEWAY,
            lifetime_max: LIFETIME_MAX,
        };
        Self {
            verifier: Verifier::new(expectations, keys),
            audiences: audiences.to_vec(),
        }
    }

    /// Of one that a client shows. It costs a signature: keep the outcome under the token's digest until
    /// it expires.
    pub(crate) fn verify(&self, text: &str, now: UnixSeconds) -> Result<Claims, ValueTokenError> {
        let claims = self.verify_stored(text, now)?;
        let is_meant = |audience: &String| claims.audience.contains(audience);
        if !self.audiences.iter().any(is_meant) {
            return Err(ValueTokenError::Audience);
        }
        Ok(claims)
    }

    /// Of one that services are shown: it is meant for them.
    pub(super) fn verify_stored(
        &self,
        text: &str,
        now: UnixSeconds,
    ) -> Result<Claims, ValueTokenError> {
        self.verifier.verify_for_anybody(text, now)
    }
}
