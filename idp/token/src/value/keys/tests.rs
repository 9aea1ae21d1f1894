use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn ec(id: &str) -> Value {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": encoded(x), "y": encoded(y) })
}

/// No product of two primes, but of a length; a verifier cannot tell.
fn rsa(id: &str, modulus: &[u8]) -> Value {
    json!({ "kty": "RSA", "kid": id, "n": encoded(modulus), "e": "AQAB" })
}

const MODULUS: [u8; 256] = [0xff; 256];

/// The same point, cut between `x` and `y` where it must not be.
fn ec_cut_wrongly(id: &str) -> Value {
    let key = ec(id);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let both = [bytes("x"), bytes("y")].concat();
    let (x, y) = both.split_at(31);
    with(with(key, "x", encoded(x)), "y", encoded(y))
}

fn with(mut key: Value, name: &str, value: impl Into<Value>) -> Value {
    key[name] = value.into();
    key
}

fn without(mut key: Value, name: &str) -> Value {
    key.as_object_mut().unwrap().remove(name);
    key
}

fn parse(keys: &[Value]) -> Result<Vec<String>, KeySetError> {
    let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())?;
    Ok(set.keys().iter().map(|key| key.id().to_owned()).collect())
}

#[test]
fn keys_for_something_else_are_left_out_of_a_set() {
    let edwards = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    #[rustfmt::skip]
    let cases = [
        (ec("a"),                                                   true),
        (with(ec("a"), "alg", "ES256"),                             true),
        (with(ec("a"), "use", "sig"),                               true),
        (with(ec("a"), "key_ops", json!(["sign", "verify"])),       true),
        (edwards.clone(),                                           true),
        (rsa("a", &MODULUS),                              true),
        (rsa("a", &[0xff; 512]),                              true),
        (with(ec("a"), "alg", "ES384"),                             false),
        (with(ec("a"), "alg", json!(["ES256"])),                    false),
        (with(rsa("a", &MODULUS), "alg", "PS256"),        false),
        (with(ec("a"), "use", "enc"),                               false),
        (with(ec("a"), "use", json!(null)),                         false),
        (with(ec("a"), "key_ops", json!(["encrypt"])),              false),
        (with(ec("a"), "key_ops", "verify"),                        false),
        (with(ec("a"), "crv", "P-384"),                             false),
        (with(edwards.clone(), "crv", "X25519"),                    false),
        (with(edwards, "kty", "EC"),                                false),
        (with(ec("a"), "kty", "RSA"),                               false),
        (without(ec("a"), "kty"),                                   false),
    ];
    for (key, is_in) in cases {
        let expected = if is_in {
            vec!["a".to_owned(), "b".to_owned()]
        } else {
            vec!["b".to_owned()]
        };
        assert_eq!(parse(&[key.clone(), ec("b")]), Ok(expected), "{key}");
    }
}

#[test]
fn a_set_with_a_key_that_cannot_be_right_is_refused_whole() {
    let bad = || KeySetError::BadKey("a".to_owned());
    let key = rsa("a", &MODULUS);
    let large = rsa("a", &[0xff; 513]);
    let padded = [&[0], MODULUS.as_slice()].concat();
    #[rustfmt::skip]
    let cases = [
        (with(ec("a"), "d", "AQ"),                  KeySetError::Secret),
        (with(key.clone(), "p", "AQ"),              KeySetError::Secret),
        (json!({ "kty": "oct", "kid": "a", "k": "AQ" }), KeySetError::Secret),
        (without(ec("a"), "kid"),                   KeySetError::KeyId),
        (with(ec("a"), "kid", ""),                  KeySetError::KeyId),
        (with(ec("a"), "kid", 1),                   KeySetError::KeyId),
        (with(ec("a"), "kid", "a".repeat(257)),     KeySetError::KeyId),
        (ec("b"),                                   KeySetError::SameKeyId("b".to_owned())),
        (without(ec("a"), "y"),                     bad()),
        (with(ec("a"), "x", "AQ"),                  bad()),
        (ec_cut_wrongly("a"),                       bad()),
        (with(ec("a"), "y", encoded(&[1; 32])),     bad()),
        (with(ec("a"), "y", "!"),                   bad()),
        (with(key.clone(), "n", encoded(&padded)),  bad()),
        (with(key.clone(), "n", encoded(&MODULUS[1..])),  bad()),
        (with(key.clone(), "n", ""),                bad()),
        (with(key.clone(), "e", "Aw"),              bad()),
        (with(key.clone(), "e", "AAEAAQ"),          bad()),
        (without(key, "e"),                         bad()),
        (large,                                     bad()),
        (json!("a"),                                KeySetError::Syntax),
    ];
    for (key, expected) in cases {
        assert_eq!(parse(&[ec("b"), key.clone()]), Err(expected), "{key}");
    }
}

#[test]
fn a_set_of_keys_has_its_limits() {
    let many = |count: usize| (0..count).map(|at| ec(&at.to_string())).collect::<Vec<_>>();
    assert_eq!(parse(&many(KEYS_MAX)).map(|keys| keys.len()), Ok(KEYS_MAX));
    assert_eq!(parse(&many(KEYS_MAX + 1)), Err(KeySetError::TooManyKeys));

    let empty = r#"{"keys":[]}"#;
    let padded = |bytes: usize| format!("{empty}{}", " ".repeat(bytes - empty.len()));
    let read = |text: &str| KeySet::parse(text.as_bytes()).map(|set| set.keys().len());
    assert_eq!(read(&padded(SET_BYTES_MAX)), Ok(0));
    assert_eq!(read(&padded(SET_BYTES_MAX + 1)), Err(KeySetError::TooLong));
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
        assert_eq!(read(text), Err(KeySetError::Syntax), "{text}");
    }
}

fn parse_external(keys: &[Value]) -> Result<(Vec<String>, usize), KeySetError> {
    let found = KeySet::parse_external(json!({ "keys": keys }).to_string().as_bytes())?;
    let ids = found.set.keys().iter().map(|key| key.id().to_owned());
    Ok((ids.collect(), found.left_out))
}

#[test]
fn a_key_of_another_issuer_that_is_of_no_use_leaves_the_others_good() {
    let large = rsa("a", &[0xff; 513]);
    #[rustfmt::skip]
    let left_out = [
        with(ec("a"), "alg", "ES384"),
        with(ec("a"), "use", "enc"),
        with(rsa("a", &MODULUS), "alg", "RS512"),
        with(ec("a"), "crv", "P-521"),
        json!({ "kty": "AKP", "kid": "a", "alg": "ML-DSA-44", "pub": "AQ" }),
        with(ec("a"), "x", "AQ"),
        ec_cut_wrongly("a"),
        with(rsa("a", &MODULUS), "n", encoded(&MODULUS[1..])),
        with(rsa("a", &MODULUS), "e", "Aw"),
        large,
        with(ec("a"), "kid", ""),
        with(ec("a"), "kid", 1),
        with(ec("a"), "kid", "a".repeat(257)),
        // Of the same name, but of no use: it takes nobody's place.
        with(ec("b"), "use", "enc"),
    ];
    for key in left_out {
        let expected = Ok((vec!["b".to_owned()], 1));
        assert_eq!(parse_external(&[key.clone(), ec("b")]), expected, "{key}");
    }
    let second_name = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    assert_eq!(
        parse_external(&[second_name]),
        Ok((vec!["a".to_owned()], 0))
    );
}

#[test]
fn a_set_of_another_issuer_that_gives_away_a_secret_or_means_two_keys_is_refused_whole() {
    #[rustfmt::skip]
    let cases = [
        (with(ec("a"), "d", "AQ"),                       KeySetError::Secret),
        (json!({ "kty": "oct", "kid": "a", "k": "AQ" }), KeySetError::Secret),
        (ec("b"),                                        KeySetError::SameKeyId("b".to_owned())),
        (json!("a"),                                     KeySetError::Syntax),
    ];
    for (key, expected) in cases {
        assert_eq!(
            parse_external(&[ec("b"), key.clone()]),
            Err(expected),
            "{key}"
        );
    }
    let many = |count: usize| (0..count).map(|at| ec(&at.to_string())).collect::<Vec<_>>();
    assert!(parse_external(&many(KEYS_MAX)).is_ok());
    assert_eq!(
        parse_external(&many(KEYS_MAX + 1)),
        Err(KeySetError::TooManyKeys)
    );
}

#[test]
fn a_key_without_a_name_is_found_only_where_there_is_no_other() {
    let nameless = || without(ec("a"), "kid");
    let parse = |keys: &[Value]| {
        let text = json!({ "keys": keys }).to_string();
        KeySet::parse_external(text.as_bytes()).unwrap().set
    };
    let one = parse(&[nameless(), rsa("b", &MODULUS)]);
    assert!(one.find("").is_none());
    assert!(one.only(Algorithm::Es256).is_some());
    assert!(one.only(Algorithm::Rs256).is_some());
    assert!(one.only(Algorithm::EdDsa).is_none());
    let two = parse(&[nameless(), nameless()]);
    assert!(two.only(Algorithm::Es256).is_none());
}
