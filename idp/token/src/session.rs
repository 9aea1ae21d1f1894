//! What a session is, and how it is written where gateways find it.
//!
//! The record is JSON with a version. A gateway that does not know the version, or finds a member
//! that it does not know, takes the record for unknown and asks the identity provider: a newer
//! writer may have said something that matters. Nothing in a record is a token: the value token is
//! sealed, and the record lies under a digest.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::epoch::Seq;
use crate::json::{MemberError, Members};
use crate::seal::Sealed;
use crate::time::UnixSeconds;

pub const RECORD_BYTES_MAX: usize = 16 * 1024;
const VERSION: u64 = 1;
const REPORT_MIN: Duration = Duration::from_secs(5);

/// When it began and 96 random bits, spelled as 32 hexadecimal digits. What begins together lies
/// together wherever ids are sorted. That of a session for one token follows from the token
/// ([`TokenName::session`](crate::digest::TokenName::session)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// Of a session that begins. The first 32 of the random bits make room for the time, which is
    /// said beside every session anyway and counts on from 0 after the year 2105.
    #[must_use]
    pub fn begin(at: UnixSeconds, random: [u8; 16]) -> Self {
        let [.., a, b, c, d] = at.0.to_be_bytes();
        let mut id = random;
        if let Some(time) = id.first_chunk_mut() {
            *time = [a, b, c, d];
        }
        Self(id)
    }

    /// Reads the one spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_spelled_well = text.len() == 32
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok()?;
        is_spelled_well.then(|| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub subject: String,
    pub client_id: String,
    pub tenant: String,
    /// Scopes, separated by single spaces.
    pub scope: String,
    pub roles: Vec<String>,
    pub amr: Vec<String>,
    pub auth_time: Option<UnixSeconds>,
    pub began_at: UnixSeconds,
    /// Over then, used or not.
    pub ends_at: UnixSeconds,
    /// Over after so long without use; none if it never idles out.
    pub idle: Option<Duration>,
    /// The published change that the record is built from: older than one of its epochs, it is
    /// to be built anew.
    pub written_seq: Seq,
    pub value_token: Option<StoredValueToken>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredValueToken {
    pub sealed: Sealed,
    /// When a gateway fetches the next one, in the background.
    pub renews_at: UnixSeconds,
    pub expires_at: UnixSeconds,
}

/// Why a session is over although nobody ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    #[error("the session is past its end")]
    Ended,
    #[error("the session was not used for too long")]
    Idle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("longer than any record")]
    TooLong,
    #[error("not an object whose members are there once")]
    Syntax,
    #[error("of version {0}, which is not known")]
    UnknownVersion(u64),
    #[error(transparent)]
    Member(#[from] MemberError),
}

impl Session {
    /// Whether it may be used. Before it is refused for idleness the store is asked for the last
    /// use once more: it may have been used through another gateway.
    pub fn check(&self, last_use: UnixSeconds, now: UnixSeconds) -> Result<(), Over> {
        if now >= self.ends_at {
            return Err(Over::Ended);
        }
        if self.idle.is_some_and(|idle| now.since(last_use) >= idle) {
            return Err(Over::Idle);
        }
        Ok(())
    }

    /// How long a gateway may keep a use to itself; a killed one loses so much activity. None if
    /// nobody needs to know.
    #[must_use]
    pub fn report_after(&self) -> Option<Duration> {
        self.idle.map(|idle| REPORT_MIN.max(idle / 60))
    }

    #[must_use]
    pub fn write(&self) -> String {
        serde_json::to_string(&self.written())
            .expect("invariant: texts, numbers and lists of them are JSON")
    }

    pub fn read(text: &[u8]) -> Result<Self, RecordError> {
        if text.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong);
        }
        let members = Members::parse(text).ok_or(RecordError::Syntax)?;
        Self::read_members(&members)
    }

    /// A record inside of something else.
    pub(crate) fn read_members(members: &Members) -> Result<Self, RecordError> {
        let version = members.whole("v")?;
        if version != VERSION {
            return Err(RecordError::UnknownVersion(version));
        }
        members.check_names(&NAMES)?;
        Ok(read_members(members)?)
    }

    pub(crate) fn written(&self) -> impl Serialize + '_ {
        Written::of(self)
    }
}

const NAMES: [&str; 16] = [
    "v", "sid", "sub", "client", "tenant", "scope", "roles", "amr", "auth", "began", "ends",
    "idle", "seq", "value", "renews", "expires",
];

fn read_members(members: &Members) -> Result<Session, MemberError> {
    let owned = |name| members.text(name).map(str::to_owned);
    let time = |name| members.whole(name).map(UnixSeconds);
    let id = SessionId::parse(members.text("sid")?).ok_or(MemberError::Value("sid"))?;
    Ok(Session {
        id,
        subject: owned("sub")?,
        client_id: owned("client")?,
        tenant: owned("tenant")?,
        scope: owned("scope")?,
        roles: members.texts("roles")?,
        amr: members.texts("amr")?,
        auth_time: members.optional_whole("auth")?.map(UnixSeconds),
        began_at: time("began")?,
        ends_at: time("ends")?,
        idle: members.optional_whole("idle")?.map(Duration::from_secs),
        written_seq: Seq(members.whole("seq")?),
        value_token: read_value_token(members)?,
    })
}

/// All three members, or none.
fn read_value_token(members: &Members) -> Result<Option<StoredValueToken>, MemberError> {
    let Some(sealed) = members.optional_text("value")? else {
        let stray = ["renews", "expires"]
            .into_iter()
            .find(|name| members.has(name));
        return stray.map_or(Ok(None), |name| Err(MemberError::Value(name)));
    };
    let sealed = URL_SAFE_NO_PAD
        .decode(sealed)
        .map_err(|_| MemberError::Value("value"))?;
    Ok(Some(StoredValueToken {
        sealed: Sealed::from_bytes(sealed),
        renews_at: UnixSeconds(members.whole("renews")?),
        expires_at: UnixSeconds(members.whole("expires")?),
    }))
}

#[derive(Serialize)]
struct Written<'a> {
    v: u64,
    sid: String,
    sub: &'a str,
    client: &'a str,
    tenant: &'a str,
    scope: &'a str,
    roles: &'a [String],
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<u64>,
    began: u64,
    ends: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<u64>,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renews: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

impl<'a> Written<'a> {
    fn of(session: &'a Session) -> Self {
        let value = session.value_token.as_ref();
        Self {
            v: VERSION,
            sid: session.id.to_string(),
            sub: &session.subject,
            client: &session.client_id,
            tenant: &session.tenant,
            scope: &session.scope,
            roles: &session.roles,
            amr: &session.amr,
            auth: session.auth_time.map(|time| time.0),
            began: session.began_at.0,
            ends: session.ends_at.0,
            idle: session.idle.map(|idle| idle.as_secs()),
            seq: session.written_seq.0,
            value: value.map(|value| URL_SAFE_NO_PAD.encode(value.sealed.as_bytes())),
            renews: value.map(|value| value.renews_at.0),
            expires: value.map(|value| value.expires_at.0),
        }
    }
}

#[cfg(test)]
mod tests;
