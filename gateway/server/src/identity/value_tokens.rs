//! Is this one of our own value tokens, meant for this gateway?

use std::time::Duration;

use idp_token::time::UnixSeconds;
use idp_token::value::{Claims, Expectations, KeySet, LIFETIME_MAX, ValueTokenError, Verifier};

/// How far apart the clocks of provider and gateway may be.
const LEEWAY: Duration = Duration::from_secs(5);

/// What is expected of them, with the provider's keys of the moment.
#[derive(Debug)]
pub(crate) struct ValueTokens {
    /// One for each audience.
    verifiers: Vec<Verifier>,
}

impl ValueTokens {
    pub(super) fn new(issuer: &str, audiences: &[String], keys: &KeySet) -> Self {
        let verifier = |audience: &String| {
            let expectations = Expectations {
                issuer: issuer.to_owned(),
                audience: audience.clone(),
                leeway: LEEWAY,
                lifetime_max: LIFETIME_MAX,
            };
            Verifier::new(expectations, keys.clone())
        };
        Self {
            verifiers: audiences.iter().map(verifier).collect(),
        }
    }

    /// It costs a signature: keep the outcome under the token's digest until it expires.
    pub(crate) fn verify(&self, text: &str, now: UnixSeconds) -> Result<Claims, ValueTokenError> {
        for verifier in &self.verifiers {
            match verifier.verify(text, now) {
                // Perhaps it is meant for another of them.
                Err(ValueTokenError::Audience) => {}
                verified => return verified,
            }
        }
        Err(ValueTokenError::Audience)
    }
}
