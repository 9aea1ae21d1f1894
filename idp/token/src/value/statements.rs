//! What clients are told in signed texts that are no value tokens: who signed in, and who is out.
//!
//! OpenID Connect Core §2 (ID token) and Back-Channel Logout §2.4 (logout token). Neither lives
//! longer than it takes to be read, and an ID token that comes back as a hint may be long over.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::Algorithm;
use super::claims::ClaimsError;
use crate::json::Members;
use crate::session::SessionId;
use crate::time::UnixSeconds;

/// A logout token is sent at once, and a few times again.
pub const LOGOUT_TOKEN_LIFETIME: Duration = Duration::from_secs(120);

/// What an ID token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdClaims {
    pub issuer: String,
    pub subject: String,
    /// The one client that it is for.
    pub audience: String,
    pub session: SessionId,
    pub nonce: Option<String>,
    pub auth_time: UnixSeconds,
    pub amr: Vec<String>,
    pub issued_at: UnixSeconds,
    pub expires_at: UnixSeconds,
    /// Of the access token that it comes with: see [`at_hash`].
    pub access_token_hash: String,
}

/// What a logout token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutClaims {
    pub issuer: String,
    pub subject: String,
    pub audience: String,
    pub session: SessionId,
    pub issued_at: UnixSeconds,
    pub id: String,
}

/// What an ID token that comes back says of whom it was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdHint {
    pub issuer: String,
    pub subject: String,
    pub audience: String,
    pub session: SessionId,
}

/// The left half of a hash of the access token, by the hash that the signature is made with.
#[must_use]
pub fn at_hash(algorithm: Algorithm, access_token: &str) -> String {
    let hash = match algorithm {
        Algorithm::Es256 | Algorithm::Rs256 => digest(&SHA256, access_token.as_bytes()),
        Algorithm::EdDsa => digest(&SHA512, access_token.as_bytes()),
    };
    let (half, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(half)
}

impl IdClaims {
    /// To be signed as [`super::Statement::IdToken`].
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        spell(&WrittenId {
            iss: &self.issuer,
            sub: &self.subject,
            aud: &self.audience,
            sid: self.session.to_string(),
            nonce: self.nonce.as_deref(),
            auth_time: self.auth_time.0,
            amr: &self.amr,
            iat: self.issued_at.0,
            exp: self.expires_at.0,
            at_hash: &self.access_token_hash,
        })
    }
}

impl LogoutClaims {
    /// To be signed as [`super::Statement::LogoutToken`]. It never has a nonce: one that did could be
    /// taken for an ID token.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        spell(&WrittenLogout {
            iss: &self.issuer,
            sub: &self.subject,
            aud: &self.audience,
            sid: self.session.to_string(),
            iat: self.issued_at.0,
            exp: self.issued_at.after(LOGOUT_TOKEN_LIFETIME).0,
            jti: &self.id,
            events: Events { logout: Empty {} },
        })
    }
}

impl IdHint {
    /// Reads the payload of an ID token whose signature was verified.
    pub fn read(payload: &[u8]) -> Result<Self, ClaimsError> {
        let members = Members::parse(payload).ok_or(ClaimsError::Syntax)?;
        let owned = |name| members.text(name).map(str::to_owned);
        let session = SessionId::parse(members.text("sid")?);
        Ok(Self {
            issuer: owned("iss")?,
            subject: owned("sub")?,
            audience: owned("aud")?,
            session: session.ok_or(ClaimsError::Syntax)?,
        })
    }
}

fn spell(claims: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(claims).expect("invariant: texts, numbers and lists of them are JSON")
}

#[derive(Serialize)]
struct WrittenId<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    auth_time: u64,
    amr: &'a [String],
    iat: u64,
    exp: u64,
    at_hash: &'a str,
}

#[derive(Serialize)]
struct WrittenLogout<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    sid: String,
    iat: u64,
    exp: u64,
    jti: &'a str,
    events: Events,
}

#[derive(Serialize)]
struct Events {
    #[serde(rename = "http://schemas.openid.net/event/backchannel-logout")]
    logout: Empty,
}

#[derive(Serialize)]
struct Empty {}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn id_claims() -> IdClaims {
        let text = str::to_owned;
        IdClaims {
            issuer: text("https://id.example"),
            subject: text("ann"),
            audience: text("app"),
            session: SessionId([10; 16]),
            nonce: Some(text("n-0S6")),
            auth_time: UnixSeconds(90),
            amr: vec![text("pwd")],
            issued_at: UnixSeconds(100),
            expires_at: UnixSeconds(700),
            access_token_hash: text("hash"),
        }
    }

    fn read(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn an_id_token_says_who_signed_in_where_and_when() {
        let mut expected = json!({
            "iss": "https://id.example", "sub": "ann", "aud": "app",
            "sid": "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", "nonce": "n-0S6", "auth_time": 90,
            "amr": ["pwd"], "iat": 100, "exp": 700, "at_hash": "hash",
        });
        assert_eq!(read(&id_claims().write()), expected);
        let without = IdClaims {
            nonce: None,
            ..id_claims()
        };
        expected.as_object_mut().unwrap().remove("nonce");
        assert_eq!(read(&without.write()), expected);
    }

    #[test]
    fn a_logout_token_says_which_session_is_over_and_nothing_that_an_id_token_would() {
        let claims = LogoutClaims {
            issuer: "https://id.example".to_owned(),
            subject: "ann".to_owned(),
            audience: "app".to_owned(),
            session: SessionId([10; 16]),
            issued_at: UnixSeconds(100),
            id: "j1".to_owned(),
        };
        let expected = json!({
            "iss": "https://id.example", "sub": "ann", "aud": "app",
            "sid": "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", "iat": 100, "exp": 220, "jti": "j1",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        assert_eq!(read(&claims.write()), expected);
    }

    #[test]
    fn a_hint_is_what_an_id_token_said_and_nothing_less() {
        let written = id_claims().write();
        let expected = IdHint {
            issuer: "https://id.example".to_owned(),
            subject: "ann".to_owned(),
            audience: "app".to_owned(),
            session: SessionId([10; 16]),
        };
        assert_eq!(IdHint::read(&written), Ok(expected));
        for name in ["iss", "sub", "aud", "sid"] {
            let mut claims = read(&written);
            claims.as_object_mut().unwrap().remove(name);
            assert!(IdHint::read(claims.to_string().as_bytes()).is_err());
        }
        let text = String::from_utf8(written).unwrap();
        for (from, to) in [
            ("0a0a0a", "0A0a0a"),
            ("{", "{\"sid\":1,"),
            ("\"app\"", "[]"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert!(IdHint::read(changed.as_bytes()).is_err(), "{changed}");
        }
    }

    /// The example of OpenID Connect Core, appendix A.4, and what openssl makes of it by SHA-512.
    #[test]
    fn the_hash_of_an_access_token_is_half_of_that_of_the_signature() {
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
            assert_eq!(at_hash(algorithm, token), "77QmUPtjPfzWtF2AnpK9RQ");
        }
        assert_eq!(
            at_hash(Algorithm::EdDsa, token),
            "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"
        );
    }
}
