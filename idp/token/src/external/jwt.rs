//! May this JWT of another issuer be believed, here and now?
//!
//! Key and algorithm come from the issuer's own set and from the configuration, never from the
//! token; the token may only name which of them it means. The set holds keys of this one issuer, so
//! that no name of a key leads to those of another.

use crate::json::{Json, Members};
use crate::time::UnixSeconds;
use crate::value::jws::{Parts, Signed};
use crate::value::{Algorithm, JwsError, KeySet, PublicKey};

use super::claim::{self, check_purpose, check_unbound};
use super::{Holder, LEEWAY, Policy, Unacceptable};

/// What only ID tokens and messages between issuers and clients have.
const OF_SOMETHING_ELSE: [&str; 4] = ["at_hash", "c_hash", "s_hash", "events"];

/// What is taken of an issuer beside its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// At least one.
    pub algorithms: Vec<Algorithm>,
    pub kind: Kind,
}

/// What a token says it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// RFC 9068: an access token and nothing else (`typ: at+jwt`).
    #[default]
    AccessToken,
    /// Any JWT (`typ: JWT`, or none). The audience alone tells it from what the same issuer signs for
    /// other purposes.
    Jwt,
}

impl Kind {
    /// Media types know no case (RFC 7515 §4.1.9).
    fn takes(self, typ: Option<&Json>) -> bool {
        let typ = match typ {
            None => return self == Self::Jwt,
            Some(typ) => typ.as_text().unwrap_or_default(),
        };
        let taken = match self {
            Self::AccessToken => ["at+jwt", "application/at+jwt"],
            Self::Jwt => ["jwt", "application/jwt"],
        };
        taken.iter().any(|taken| taken.eq_ignore_ascii_case(typ))
    }
}

/// Verifies a token with the keys of its issuer. It costs a signature: keep the outcome under the
/// token's digest, until it ends or the keys are others.
pub fn verify(
    text: &str,
    keys: &KeySet,
    (policy, signature): (&Policy, &Signature),
    now: UnixSeconds,
) -> Result<Holder, Unacceptable> {
    let parts = Parts::read(text)?;
    let algorithm = Algorithm::find_in_any_spelling(parts.algorithm()?);
    let algorithm = algorithm.ok_or(JwsError::UnsupportedAlgorithm)?;
    if !signature.algorithms.contains(&algorithm) {
        return Err(Unacceptable::Algorithm);
    }
    let key = find_key(&parts, algorithm, keys)?;
    let Signed { header, payload } = parts.check(algorithm, key)?;
    if !signature.kind.takes(header.find("typ")) {
        return Err(Unacceptable::Type);
    }
    let members = Members::parse(&payload).ok_or(Unacceptable::Syntax)?;
    read(&members, policy, now)
}

/// A token that names no key is of the only one, if there is only one.
fn find_key<'a>(
    parts: &Parts<'_>,
    algorithm: Algorithm,
    keys: &'a KeySet,
) -> Result<&'a PublicKey, JwsError> {
    match parts.key_id()? {
        Some(id) => keys.find(id).ok_or(JwsError::UnknownKey),
        None => keys.only(algorithm).ok_or(JwsError::KeyIdMissing),
    }
}

fn read(members: &Members, policy: &Policy, now: UnixSeconds) -> Result<Holder, Unacceptable> {
    if members.text("iss")? != policy.issuer {
        return Err(Unacceptable::Issuer);
    }
    let audience = claim::audience(members)?;
    policy.check_audience(&audience.unwrap_or_default())?;
    if OF_SOMETHING_ELSE.iter().any(|name| members.has(name)) {
        return Err(Unacceptable::Purpose);
    }
    check_purpose(members)?;
    check_unbound(members)?;
    let ends_at = check_times(members, policy, now)?;
    let who = (members.text("sub")?, claim::client_id(members)?);
    let holder = claim::holder(members, &policy.roles, who)?;
    Ok(Holder {
        ends_at: Some(ends_at),
        ..holder
    })
}

/// When it is over: by its own word, or because it was made too long ago.
fn check_times(
    members: &Members,
    policy: &Policy,
    now: UnixSeconds,
) -> Result<UnixSeconds, Unacceptable> {
    let issued_at = UnixSeconds(members.whole("iat")?);
    let expires_at = UnixSeconds(members.whole("exp")?);
    let valid_from = members.optional_whole("nbf")?.map(UnixSeconds);
    let latest = now.after(LEEWAY);
    if issued_at > latest || expires_at <= issued_at {
        return Err(Unacceptable::Times);
    }
    if valid_from.is_some_and(|from| from > latest) {
        return Err(Unacceptable::NotYet);
    }
    let expired_at = expires_at.after(LEEWAY);
    if expired_at <= now {
        return Err(Unacceptable::Expired);
    }
    let too_old_at = issued_at.after(policy.max_age);
    if too_old_at <= now {
        return Err(Unacceptable::TooOld);
    }
    Ok(expired_at.min(too_old_at))
}
