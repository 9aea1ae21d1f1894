//! What does an issuer say of a token that it was asked about? RFC 7662 §2.2.
//!
//! An answer that cannot be read is no answer: it is not known then whether the token is good. One
//! that can be read but is about somebody or something else makes the token one that is not good
//! here.

use crate::json::{MemberError, Members};
use crate::time::UnixSeconds;

use super::claim::{self, check_purpose, check_unbound};
use super::{Holder, LEEWAY, Policy, Unacceptable};

pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Active(Holder),
    Inactive,
    /// Good where it was made, and not here.
    Unacceptable(Unacceptable),
}

/// Why an answer is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("longer than any answer")]
    TooLong,
    #[error("not an object whose members are there once")]
    Syntax,
    #[error(transparent)]
    Member(#[from] MemberError),
}

impl Answer {
    pub fn read(text: &[u8], policy: &Policy, now: UnixSeconds) -> Result<Self, AnswerError> {
        if text.len() > ANSWER_BYTES_MAX {
            return Err(AnswerError::TooLong);
        }
        let members = Members::parse(text).ok_or(AnswerError::Syntax)?;
        if !members.truth("active")? {
            return Ok(Self::Inactive);
        }
        match read(&members, policy, now) {
            Ok(holder) => Ok(Self::Active(holder)),
            Err(Unacceptable::Member(error)) => Err(error.into()),
            Err(error) => Ok(Self::Unacceptable(error)),
        }
    }
}

fn read(members: &Members, policy: &Policy, now: UnixSeconds) -> Result<Holder, Unacceptable> {
    let is_of_another = |issuer: &str| issuer != policy.issuer;
    if members.optional_text("iss")?.is_some_and(is_of_another) {
        return Err(Unacceptable::Issuer);
    }
    let audience = claim::audience(members)?;
    policy.check_audience(&audience.unwrap_or_default())?;
    // It may be a refresh token, which is active too.
    let is_no_bearer = |kind: &str| !kind.eq_ignore_ascii_case("bearer");
    if members
        .optional_text("token_type")?
        .is_some_and(is_no_bearer)
    {
        return Err(Unacceptable::Type);
    }
    check_purpose(members)?;
    check_unbound(members)?;
    let ends_at = check_times(members, now)?;
    let client_id = claim::client_id(members)?;
    // A machine that acts for itself has no subject beside itself.
    let subject = members.optional_text("sub")?.or(client_id);
    let subject = subject.ok_or(MemberError::Missing("sub"))?;
    let holder = claim::holder(members, &policy.roles, (subject, client_id))?;
    Ok(Holder { ends_at, ..holder })
}

fn check_times(members: &Members, now: UnixSeconds) -> Result<Option<UnixSeconds>, Unacceptable> {
    let expires_at = members.optional_whole("exp")?.map(UnixSeconds);
    let valid_from = members.optional_whole("nbf")?.map(UnixSeconds);
    if expires_at.is_some_and(|at| at.after(LEEWAY) <= now) {
        return Err(Unacceptable::Expired);
    }
    if valid_from.is_some_and(|from| from > now.after(LEEWAY)) {
        return Err(Unacceptable::NotYet);
    }
    Ok(expires_at)
}

#[cfg(test)]
mod tests;
