//! What a value token says.

use std::time::Duration;

use serde::Serialize;

use super::jws::Parts;
use crate::json::{Json, MemberError, Members};
use crate::time::UnixSeconds;

/// A value token cannot be taken back, so it does not live long.
pub const LIFETIME_MAX: Duration = Duration::from_secs(600);

/// When a token that is made now ends: never past its session.
#[must_use]
pub fn expiry(now: UnixSeconds, session_end: UnixSeconds) -> UnixSeconds {
    now.after(LIFETIME_MAX).min(session_end)
}

/// The claims of RFC 9068 and the session they are of. What a token of another issuer need not have
/// may be absent or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub issuer: String,
    pub audience: Vec<String>,
    pub subject: String,
    /// `sid`, as session records spell it.
    pub session: Option<String>,
    pub client_id: String,
    /// Scopes, separated by single spaces.
    pub scope: String,
    pub roles: Vec<String>,
    /// When the person last proved who they are; a machine never did.
    pub auth_time: Option<UnixSeconds>,
    pub amr: Vec<String>,
    pub issued_at: UnixSeconds,
    pub expires_at: UnixSeconds,
    pub id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    #[error("the payload is not an object whose members are there once")]
    Syntax,
    #[error(transparent)]
    Member(#[from] MemberError),
}

impl Claims {
    /// When a gateway asks for the next one, in the background: at 80 % of its life.
    #[must_use]
    pub fn renews_at(&self) -> UnixSeconds {
        let lifetime = self.expires_at.since(self.issued_at);
        self.issued_at.after(lifetime - lifetime / 5)
    }

    #[must_use]
    pub fn has_scope(&self, name: &str) -> bool {
        self.scope.split(' ').any(|scope| scope == name)
    }

    /// A list of nothing is left out: every service pays for each byte, with every request.
    pub(super) fn write(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Written::of(self))
    }

    /// Reads what was signed, and when it becomes valid if it says so.
    pub(super) fn read(payload: &[u8]) -> Result<(Self, Option<UnixSeconds>), ClaimsError> {
        let members = Members::parse(payload).ok_or(ClaimsError::Syntax)?;
        let owned = |name| members.text(name).map(str::to_owned);
        let time = |name| members.whole(name).map(UnixSeconds);
        let optional_time = |name| Ok(members.optional_whole(name)?.map(UnixSeconds));
        let claims = Self {
            issuer: owned("iss")?,
            audience: audience(&members)?,
            subject: owned("sub")?,
            session: members.optional_text("sid")?.map(str::to_owned),
            client_id: owned("client_id")?,
            scope: members
                .optional_text("scope")?
                .unwrap_or_default()
                .to_owned(),
            roles: members.texts("roles")?,
            auth_time: optional_time("auth_time")?,
            amr: members.texts("amr")?,
            issued_at: time("iat")?,
            expires_at: time("exp")?,
            id: owned("jti")?,
        };
        let valid_from: Result<_, MemberError> = optional_time("nbf");
        Ok((claims, valid_from?))
    }
}

/// For whom a token is meant that was told by whoever signed it: its signature is not looked at. None if
/// it does not say.
#[must_use]
pub fn told_audience(text: &str) -> Option<Vec<String>> {
    let parts = Parts::read(text).ok()?;
    audience(&Members::parse(parts.payload())?).ok()
}

/// Of whom a token says it is, which anybody may have written: its signature is not looked at.
#[must_use]
pub fn told_issuer(text: &str) -> Option<String> {
    let parts = Parts::read(text).ok()?;
    let members = Members::parse(parts.payload())?;
    members.text("iss").ok().map(str::to_owned)
}

/// One text, or a list of them.
fn audience(members: &Members) -> Result<Vec<String>, MemberError> {
    match members.find("aud") {
        None => Err(MemberError::Missing("aud")),
        Some(Json::Text(one)) => Ok(vec![one.to_string()]),
        Some(_) => members.texts("aud"),
    }
}

#[derive(Serialize)]
struct Written<'a> {
    iss: &'a str,
    aud: Audience<'a>,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    client_id: &'a str,
    scope: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    roles: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'a [String],
    iat: u64,
    exp: u64,
    jti: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Audience<'a> {
    One(&'a str),
    Several(&'a [String]),
}

impl<'a> Written<'a> {
    fn of(claims: &'a Claims) -> Self {
        let aud = match claims.audience.as_slice() {
            [one] => Audience::One(one),
            several => Audience::Several(several),
        };
        Self {
            iss: &claims.issuer,
            aud,
            sub: &claims.subject,
            sid: claims.session.as_deref(),
            client_id: &claims.client_id,
            scope: &claims.scope,
            roles: &claims.roles,
            auth_time: claims.auth_time.map(|time| time.0),
            amr: &claims.amr,
            iat: claims.issued_at.0,
            exp: claims.expires_at.0,
            jti: &claims.id,
        }
    }
}
