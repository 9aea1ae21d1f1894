//! Does a record say what the identity provider has signed?
//!
//! Whoever can write to Redis can write a record. The value token in it was signed by the identity
//! provider, for this very token and session; so nobody is taken for somebody else, and nobody has
//! rights that they were not given, on the word of Redis alone.
//!
//! Not everything is signed. A record that is put back after its session was ended, and whatever makes
//! the log there lie, is good until its value token expires: the next one comes from the provider.

use crate::digest::{Alias, TokenDigest};
use crate::session::{Session, StoredValueToken};
use crate::value::Claims;

/// What the record says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record and the token that is signed differ in `{0}`")]
pub struct Contradiction(pub &'static str);

/// Compares a record with the claims of its value token, whose signature was verified.
pub fn check_signed(
    record: &Session,
    stored: &StoredValueToken,
    claims: &Claims,
    digest: TokenDigest,
) -> Result<(), Contradiction> {
    let second = u32::try_from(claims.issued_at.0).ok();
    let id = second.map(|second| Alias::of(&digest).value_token_id(second));
    let same = [
        ("sid", claims.session == Some(record.id.to_string())),
        ("sub", claims.subject == record.subject),
        ("client", claims.client_id == record.client_id),
        ("scope", claims.scope == record.scope),
        ("roles", claims.roles == record.roles),
        ("amr", claims.amr == record.amr),
        ("auth", claims.auth_time == record.auth_time),
        ("expires", claims.expires_at == stored.expires_at),
        ("renews", claims.renews_at() == stored.renews_at),
        // One that was made for another token of whoever writes there.
        ("jti", id.is_some_and(|id| claims.id == id.to_string())),
    ];
    let differs = same.into_iter().find(|(_, is_same)| !is_same);
    differs.map_or(Ok(()), |(name, _)| Err(Contradiction(name)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::epoch::Seq;
    use crate::seal::Sealed;
    use crate::session::SessionId;
    use crate::time::UnixSeconds;

    use super::*;

    const DIGEST: TokenDigest = TokenDigest::from_bytes([7; 16]);

    fn signed() -> (Session, StoredValueToken, Claims) {
        let text = str::to_owned;
        let claims = Claims {
            issuer: text("https://id.example"),
            audience: vec![text("pay")],
            subject: text("ann"),
            session: Some(SessionId([1; 16]).to_string()),
            client_id: text("app"),
            scope: text("pay.read"),
            roles: vec![text("payer")],
            auth_time: Some(UnixSeconds(90)),
            amr: vec![text("pwd")],
            issued_at: UnixSeconds(100),
            expires_at: UnixSeconds(700),
            id: Alias::of(&DIGEST).value_token_id(100).to_string(),
        };
        let record = Session {
            id: SessionId([1; 16]),
            subject: claims.subject.clone(),
            client_id: claims.client_id.clone(),
            tenant: text("bank"),
            scope: claims.scope.clone(),
            roles: claims.roles.clone(),
            amr: claims.amr.clone(),
            auth_time: claims.auth_time,
            began_at: UnixSeconds(90),
            ends_at: UnixSeconds(9000),
            idle: Some(Duration::from_secs(900)),
            written_seq: Seq(3),
            value_token: None,
        };
        let stored = StoredValueToken {
            sealed: Sealed::from_bytes(Vec::new()),
            renews_at: claims.renews_at(),
            expires_at: claims.expires_at,
        };
        (record, stored, claims)
    }

    #[test]
    fn a_record_that_says_what_was_signed_is_believed() {
        let (record, stored, claims) = signed();
        assert_eq!(check_signed(&record, &stored, &claims, DIGEST), Ok(()));
    }

    #[test]
    fn a_record_that_says_anything_else_is_not() {
        type Forgery = fn(&mut Session, &mut StoredValueToken);
        #[rustfmt::skip]
        let cases: [(&str, Forgery); 9] = [
            ("sid",     |record, _| record.id = SessionId([2; 16])),
            ("sub",     |record, _| record.subject = "eve".to_owned()),
            ("client",  |record, _| record.client_id = "other".to_owned()),
            ("scope",   |record, _| record.scope = "pay.read pay.write".to_owned()),
            ("roles",   |record, _| record.roles = vec!["admin".to_owned()]),
            ("amr",     |record, _| record.amr = vec!["hwk".to_owned()]),
            ("auth",    |record, _| record.auth_time = Some(UnixSeconds(99))),
            ("expires", |_, stored| stored.expires_at = UnixSeconds(7000)),
            ("renews",  |_, stored| stored.renews_at = UnixSeconds(699)),
        ];
        for (name, forge) in cases {
            let (mut record, mut stored, claims) = signed();
            forge(&mut record, &mut stored);
            let found = check_signed(&record, &stored, &claims, DIGEST);
            assert_eq!(found, Err(Contradiction(name)));
        }
        let (record, stored, claims) = signed();
        let of_another = TokenDigest::from_bytes([8; 16]);
        let found = check_signed(&record, &stored, &claims, of_another);
        assert_eq!(found, Err(Contradiction("jti")), "signed for another token");
    }
}
