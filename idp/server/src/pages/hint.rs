//! Whose session does an ID token name that comes back?

use idp_core::sign_out::Hint;
use idp_token::value::jws::verify_as;
use idp_token::value::statements::IdHint;
use idp_token::value::{KeySet, Statement};

use crate::keys::Ring;

/// What an ID token says that we signed; it may have expired long ago. None if it is anything else.
pub(super) fn read(ring: &Ring, token: &str) -> Option<Hint> {
    let said = verify(&ring.jwks.text, token)?;
    Hint::of(&said, &ring.provider)
}

fn verify(key_set: &[u8], token: &str) -> Option<IdHint> {
    let keys = KeySet::parse(key_set).ok()?;
    let payload = verify_as(token, Statement::IdToken, &keys).ok()?;
    IdHint::read(&payload).ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    use idp_token::value::{Algorithm, SigningKey, key_set};

    use super::*;

    const SESSION: &str = "0123456789abcdef0123456789abcdef";

    fn key() -> SigningKey {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        SigningKey::from_pkcs8(Algorithm::Es256, made.unwrap().as_ref()).unwrap()
    }

    fn claims(session: &str) -> String {
        format!(r#"{{"iss":"a","aud":"web","sub":"a","sid":"{session}","iat":1,"exp":2}}"#)
    }

    #[test]
    fn a_hint_is_an_id_token_that_we_signed_however_long_ago() {
        let (ours, theirs) = (key(), key());
        let keys = key_set([&ours]);
        let (good, nowhere) = (claims(SESSION), claims("../x"));
        let cases = [
            (&ours, Statement::IdToken, &good, true),
            (&theirs, Statement::IdToken, &good, false),
            (&ours, Statement::LogoutToken, &good, false),
            (&ours, Statement::Introspection, &good, false),
            (&ours, Statement::IdToken, &nowhere, false),
        ];
        for (key, statement, claims, expected) in cases {
            let token = key.sign_as(statement, claims.as_bytes()).unwrap();
            let found = verify(keys.as_bytes(), &token);
            assert_eq!(found.is_some(), expected, "{statement:?} {claims}");
        }
        for text in ["", "a.b.c", &good] {
            assert_eq!(verify(keys.as_bytes(), text), None);
        }
    }
}
