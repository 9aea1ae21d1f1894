use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::value::{Algorithm, JwsError, KeySet, SigningKey, key_set};

use super::jwt::{Kind, Signature};
use super::*;

pub(super) const NOW: u64 = 1_800_000_000;
const ALL: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];

fn key(algorithm: Algorithm) -> SigningKey {
    let der = match algorithm {
        Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .unwrap()
            .to_pkcs8v1()
            .unwrap()
            .as_ref()
            .to_vec(),
        Algorithm::EdDsa => Ed25519KeyPair::generate()
            .unwrap()
            .to_pkcs8()
            .unwrap()
            .as_ref()
            .to_vec(),
        Algorithm::Rs256 => aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048)
            .unwrap()
            .as_der()
            .unwrap()
            .as_ref()
            .to_vec(),
    };
    SigningKey::from_pkcs8(algorithm, &der).unwrap()
}

pub(super) fn policy() -> Policy {
    Policy {
        issuer: "https://partner.example".to_owned(),
        audience: vec!["pay".to_owned(), "https://pay.example".to_owned()],
        roles: ClaimName::default(),
        max_age: Duration::from_secs(60),
    }
}

fn signature(kind: Kind) -> Signature {
    Signature {
        algorithms: ALL.to_vec(),
        kind,
    }
}

fn header(key: &SigningKey) -> Value {
    json!({ "typ": "at+jwt", "alg": key.algorithm().as_str(), "kid": key.id() })
}

fn payload() -> Value {
    json!({
        "iss": "https://partner.example", "aud": "pay", "sub": "ann", "azp": "app",
        "scope": "pay read", "roles": ["payer"], "iat": NOW, "exp": NOW + 3600,
    })
}

pub(super) fn holder() -> Holder {
    Holder {
        subject: "ann".to_owned(),
        client_id: "app".to_owned(),
        scope: "pay read".to_owned(),
        roles: vec!["payer".to_owned()],
        ends_at: Some(UnixSeconds(NOW + 60)),
    }
}

/// Signs whatever it is told to, as an issuer would.
fn forge(key: &SigningKey, header: &Value, payload: &str) -> String {
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = key.sign_bytes(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn set<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> KeySet {
    let set = KeySet::parse_external(key_set(keys).as_bytes()).unwrap();
    assert_eq!(set.left_out, 0);
    set.set
}

fn verify(text: &str, keys: &KeySet) -> Result<Holder, Unacceptable> {
    let signature = signature(Kind::AccessToken);
    jwt::verify(text, keys, (&policy(), &signature), UnixSeconds(NOW))
}

/// Changes one member of what a token says; `null` takes it away.
fn with(name: &str, value: Value) -> Value {
    changed(payload(), name, value)
}

pub(super) fn changed(mut object: Value, name: &str, value: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    object
}

#[test]
fn a_token_is_taken_with_each_algorithm_that_the_issuer_may_use_and_with_no_other() {
    let keys = ALL.map(key);
    let all = set(&keys);
    for key in &keys {
        let token = forge(key, &header(key), &payload().to_string());
        assert_eq!(verify(&token, &all), Ok(holder()), "{key:?}");
        for allowed in ALL {
            let only = Signature {
                algorithms: vec![allowed],
                kind: Kind::AccessToken,
            };
            let found = jwt::verify(&token, &all, (&policy(), &only), UnixSeconds(NOW));
            let expected = match allowed == key.algorithm() {
                true => Ok(holder()),
                false => Err(Unacceptable::Algorithm),
            };
            assert_eq!(found, expected, "{key:?} {allowed:?}");
        }
    }
    let key = &keys[1];
    let second_name = changed(header(key), "alg", json!("Ed25519"));
    let token = forge(key, &second_name, &payload().to_string());
    assert_eq!(verify(&token, &all), Ok(holder()));
}

#[test]
fn the_key_is_the_issuers_choice_and_the_algorithm_the_keys() {
    let (mine, other) = (key(Algorithm::Es256), key(Algorithm::Es256));
    let keys = set([&mine]);
    let text = payload().to_string();
    let with = |name: &str, value: Value| forge(&mine, &changed(header(&mine), name, value), &text);
    let jws = |error: JwsError| Err(error.into());
    let stolen_name = forge(&other, &header(&mine), &text);
    let ids_of = |key: &SigningKey| changed(header(key), "kid", Value::Null);
    #[rustfmt::skip]
    let cases = [
        (with("alg", json!("none")),                   jws(JwsError::UnsupportedAlgorithm)),
        (with("alg", json!("HS256")),                  jws(JwsError::UnsupportedAlgorithm)),
        (with("alg", json!("ES384")),                  jws(JwsError::UnsupportedAlgorithm)),
        (with("alg", json!("RS256")),                  jws(JwsError::WrongAlgorithm)),
        (with("alg", json!("EdDSA")),                  jws(JwsError::WrongAlgorithm)),
        (with("crit", json!(["exp"])),                 jws(JwsError::ForbiddenMember)),
        (with("jku", json!("https://evil.example")),   jws(JwsError::ForbiddenMember)),
        (with("jwk", json!({})),                       jws(JwsError::ForbiddenMember)),
        (with("x5u", json!("https://evil.example")),   jws(JwsError::ForbiddenMember)),
        (forge(&other, &header(&other), &text),        jws(JwsError::UnknownKey)),
        (stolen_name,                                  jws(JwsError::Signature)),
        (forge(&mine, &ids_of(&mine), &text),          Ok(holder())),
        (forge(&other, &ids_of(&other), &text),        jws(JwsError::Signature)),
        (with("kid", json!("")),                       jws(JwsError::UnknownKey)),
    ];
    for (token, expected) in cases {
        assert_eq!(verify(&token, &keys), expected, "{token}");
        let is_unknown = expected == jws(JwsError::UnknownKey);
        let found = expected.is_err_and(Unacceptable::is_for_want_of_a_key);
        assert_eq!(found, is_unknown, "{token}");
    }
    // Two keys of one algorithm: a token that names none could mean either.
    let unnamed = forge(&mine, &ids_of(&mine), &text);
    let refused = jws(JwsError::KeyIdMissing);
    assert_eq!(verify(&unnamed, &set([&mine, &other])), refused);
}

/// The public key is no secret: whoever takes it for one takes what anybody signs.
#[test]
fn a_public_key_is_never_a_secret_to_sign_with() {
    let key = key(Algorithm::Rs256);
    let published = key_set([&key]);
    let header = json!({ "typ": "at+jwt", "alg": "HS256", "kid": key.id() });
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(payload().to_string())
    );
    let modulus: Value = serde_json::from_str(&published).unwrap();
    let secrets = [
        published.clone(),
        modulus["keys"][0]["n"].as_str().unwrap().to_owned(),
    ];
    for secret in secrets {
        let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        let tag = aws_lc_rs::hmac::sign(&secret, text.as_bytes());
        let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
        let refused = Err(JwsError::UnsupportedAlgorithm.into());
        assert_eq!(verify(&token, &set([&key])), refused);
    }
}

#[test]
fn a_token_is_of_the_type_that_is_taken_of_its_issuer() {
    let key = key(Algorithm::EdDsa);
    let keys = set([&key]);
    #[rustfmt::skip]
    let cases = [
        (json!("at+jwt"),                 Some(Kind::AccessToken)),
        (json!("AT+JWT"),                 Some(Kind::AccessToken)),
        (json!("application/at+jwt"),     Some(Kind::AccessToken)),
        (json!("JWT"),                    Some(Kind::Jwt)),
        (json!("jwt"),                    Some(Kind::Jwt)),
        (Value::Null,                     Some(Kind::Jwt)),
        (json!("logout+jwt"),             None),
        (json!("secevent+jwt"),           None),
        (json!(["JWT"]),                  None),
        (json!(""),                       None),
    ];
    for (typ, taken) in cases {
        let token = forge(
            &key,
            &changed(header(&key), "typ", typ.clone()),
            &payload().to_string(),
        );
        for kind in [Kind::AccessToken, Kind::Jwt] {
            let found = jwt::verify(
                &token,
                &keys,
                (&policy(), &signature(kind)),
                UnixSeconds(NOW),
            );
            let expected = match Some(kind) == taken {
                true => Ok(holder()),
                false => Err(Unacceptable::Type),
            };
            assert_eq!(found, expected, "{typ} as {kind:?}");
        }
    }
}

fn check_payloads(cases: Vec<(Value, Result<Holder, Unacceptable>)>) {
    let key = key(Algorithm::EdDsa);
    let keys = set([&key]);
    for (payload, expected) in cases {
        let token = forge(&key, &header(&key), &payload.to_string());
        assert_eq!(verify(&token, &keys), expected, "{payload}");
    }
}

#[test]
fn a_token_of_another_issuer_for_others_or_for_something_else_is_refused() {
    let missing = |name| Err(MemberError::Missing(name).into());
    let kind = |name| Err(MemberError::Kind(name).into());
    #[rustfmt::skip]
    check_payloads(vec![
        (payload(),                                        Ok(holder())),
        (with("aud", json!(["x", "https://pay.example"])), Ok(holder())),
        (with("aud", json!("PAY")),                        Err(Unacceptable::Audience)),
        (with("aud", json!([])),                           Err(Unacceptable::Audience)),
        (with("aud", Value::Null),                         Err(Unacceptable::Audience)),
        (with("aud", json!(["pay", 1])),                   kind("aud")),
        (with("aud", json!({ "pay": 1 })),                 kind("aud")),
        (with("iss", json!("https://partner.example/")),   Err(Unacceptable::Issuer)),
        (with("iss", json!("https://id.example")),         Err(Unacceptable::Issuer)),
        (with("iss", json!(["https://partner.example"])),  kind("iss")),
        (with("iss", Value::Null),                         missing("iss")),
        (with("sub", Value::Null),                         missing("sub")),
        (with("at_hash", json!("x")),                      Err(Unacceptable::Purpose)),
        (with("c_hash", json!("x")),                       Err(Unacceptable::Purpose)),
        (with("events", json!({})),                        Err(Unacceptable::Purpose)),
        (with("s_hash", json!("x")),                       Err(Unacceptable::Purpose)),
        (with("typ", json!("ID")),                         Err(Unacceptable::Purpose)),
        (with("typ", json!("Refresh")),                    Err(Unacceptable::Purpose)),
        (with("typ", json!("Bearer")),                     Ok(holder())),
        (with("token_use", json!("id")),                   Err(Unacceptable::Purpose)),
        (with("token_use", json!("access")),               Ok(holder())),
        (with("cnf", json!({ "jkt": "x" })),               Err(Unacceptable::Bound)),
        (with("nonce", json!("x")),                        Ok(holder())),
        (json!([]),                                        Err(Unacceptable::Syntax)),
    ]);
    let key = key(Algorithm::EdDsa);
    let twice = payload().to_string().replacen('{', r#"{"sub":"bob","#, 1);
    let token = forge(&key, &header(&key), &twice);
    assert_eq!(verify(&token, &set([&key])), Err(Unacceptable::Syntax));
}

#[test]
fn a_token_is_good_until_it_ends_and_no_longer_than_it_may_be_old() {
    let kind = |name| Err(MemberError::Kind(name).into());
    let until = |at| {
        Ok(Holder {
            ends_at: Some(UnixSeconds(at)),
            ..holder()
        })
    };
    #[rustfmt::skip]
    check_payloads(vec![
        (with("exp", json!(NOW + 10)),         until(NOW + 15)),
        (with("exp", json!(NOW + 54)),         until(NOW + 59)),
        (with("exp", json!(NOW + 55)),         until(NOW + 60)),
        (with("exp", json!(u64::MAX)),         until(NOW + 60)),
        (with("iat", json!(NOW - 59)),         until(NOW + 1)),
        (with("iat", json!(NOW - 60)),         Err(Unacceptable::TooOld)),
        (with("iat", json!(NOW + 5)),          until(NOW + 65)),
        (with("iat", json!(NOW + 6)),          Err(Unacceptable::Times)),
        (with("exp", json!(NOW)),              Err(Unacceptable::Times)),
        (with("nbf", json!(NOW + 5)),          Ok(holder())),
        (with("nbf", json!(NOW + 6)),          Err(Unacceptable::NotYet)),
        (with("exp", Value::Null),             Err(MemberError::Missing("exp").into())),
        (with("iat", Value::Null),             Err(MemberError::Missing("iat").into())),
        (with("exp", json!("1900000000")),     kind("exp")),
        (with("exp", json!(1_800_000_600.5)),  kind("exp")),
        (with("iat", json!(-1)),               kind("iat")),
        (with("nbf", json!("0")),              kind("nbf")),
    ]);
    let short = with("iat", json!(NOW - 50));
    let expired = |ago: u64| changed(short.clone(), "exp", json!(NOW - ago));
    check_payloads(vec![
        (expired(4), until(NOW + 1)),
        (expired(5), Err(Unacceptable::Expired)),
    ]);
}

#[test]
fn callers_are_known_by_the_names_that_issuers_have_for_them() {
    let client = |id: &str| Holder {
        client_id: id.to_owned(),
        ..holder()
    };
    let scope = |scope: &str| Holder {
        scope: scope.to_owned(),
        ..holder()
    };
    let roles = |roles: &[&str]| Holder {
        roles: roles.iter().map(ToString::to_string).collect(),
        ..holder()
    };
    let value = |name| Err(MemberError::Value(name).into());
    let kind = |name| Err(MemberError::Kind(name).into());
    let scp = |value: Value| changed(with("scope", Value::Null), "scp", value);
    #[rustfmt::skip]
    check_payloads(vec![
        (with("client_id", json!("shop")),                  Ok(client("shop"))),
        (with("azp", Value::Null),                          Ok(client(""))),
        (with("azp", json!(1)),                             kind("azp")),
        (with("azp", json!("")),                            value("client_id")),
        (with("scope", json!(["a", "b"])),                  Ok(scope("a b"))),
        (with("scope", json!(" a  b ")),                    Ok(scope("a b"))),
        (with("scope", json!("")),                          Ok(scope(""))),
        (with("scope", json!(["a b"])),                     value("scope")),
        (with("scope", json!([""])),                        value("scope")),
        (with("scope", json!("a\tb")),                      value("scope")),
        (with("scope", json!("a\"b")),                      value("scope")),
        (with("scope", json!("é")),                         value("scope")),
        (with("scope", json!(1)),                           kind("scope")),
        (scp(json!("a b")),                                 Ok(scope("a b"))),
        (scp(json!(["a", "b"])),                            Ok(scope("a b"))),
        (scp(json!([1])),                                   kind("scp")),
        (with("scope", Value::Null),                        Ok(scope(""))),
        (with("roles", json!("a b")),                       Ok(roles(&["a b"]))),
        (with("roles", json!([])),                          Ok(roles(&[]))),
        (with("roles", Value::Null),                        Ok(roles(&[]))),
        (with("roles", json!([1])),                         kind("roles")),
        (with("roles", json!(["a\r\nb"])),                  value("roles")),
        (with("sub", json!("a@b.example")),                 Ok(Holder { subject: "a@b.example".to_owned(), ..holder() })),
        (with("sub", json!("ann\r\ntollgate-scope: all")),  value("sub")),
        (with("sub", json!("ann\u{0}")),                    value("sub")),
        (with("sub", json!(" ann")),                        value("sub")),
        (with("sub", json!("ann ")),                        value("sub")),
        (with("sub", json!("ann\u{a0}")),                value("sub")),
        (with("sub", json!("ann\u{85}b")),               value("sub")),
        (with("sub", json!("änn")),                         Ok(Holder { subject: "änn".to_owned(), ..holder() })),
        (with("sub", json!("")),                            value("sub")),
        (with("sub", json!(7)),                             kind("sub")),
    ]);
}

#[test]
fn what_an_issuer_says_of_a_caller_has_its_limits() {
    let of = |bytes: usize| "a".repeat(bytes);
    let is_taken = |payload: Value| {
        let key = key(Algorithm::EdDsa);
        verify(
            &forge(&key, &header(&key), &payload.to_string()),
            &set([&key]),
        )
        .is_ok()
    };
    let roles = |count: usize| json!(vec!["r"; count]);
    #[rustfmt::skip]
    let cases = [
        (with("sub", json!(of(SUBJECT_BYTES_MAX))),           true),
        (with("sub", json!(of(SUBJECT_BYTES_MAX + 1))),       false),
        (with("client_id", json!(of(SUBJECT_BYTES_MAX))),     true),
        (with("client_id", json!(of(SUBJECT_BYTES_MAX + 1))), false),
        (with("scope", json!(of(SCOPE_BYTES_MAX))),           true),
        (with("scope", json!(of(SCOPE_BYTES_MAX + 1))),       false),
        (with("roles", roles(ROLES_MAX)),                     true),
        (with("roles", roles(ROLES_MAX + 1)),                 false),
        (with("roles", json!([of(ROLE_BYTES_MAX)])),          true),
        (with("roles", json!([of(ROLE_BYTES_MAX + 1)])),      false),
    ];
    for (payload, expected) in cases {
        assert_eq!(is_taken(payload.clone()), expected, "{payload}");
    }
}

#[test]
fn roles_stand_where_the_operator_says() {
    let key = key(Algorithm::EdDsa);
    let said = json!({ "https://x.example/roles": ["a"], "realm_access": { "roles": ["b"] }, "a/b": { "~": "c" } });
    let mut payload = with("roles", json!(["d"]));
    for (name, value) in said.as_object().unwrap() {
        payload[name] = value.clone();
    }
    let token = forge(&key, &header(&key), &payload.to_string());
    #[rustfmt::skip]
    let cases = [
        ("roles",                   &["d"][..]),
        ("/roles",                  &["d"]),
        ("https://x.example/roles", &["a"]),
        ("/realm_access/roles",     &["b"]),
        ("/a~1b/~0",                &["c"]),
        ("/roles/x",                &[]),
        ("groups",                  &[]),
    ];
    for (name, expected) in cases {
        let policy = Policy {
            roles: ClaimName::parse(name).unwrap(),
            ..policy()
        };
        let rules = (&policy, &signature(Kind::AccessToken));
        let found = jwt::verify(&token, &set([&key]), rules, UnixSeconds(NOW));
        assert_eq!(found.unwrap().roles, expected, "{name}");
    }
    let long = format!("/{}", "a/".repeat(8));
    for name in ["", "/", "/a//b", "/a~", "/a~2", &long, &"a".repeat(257)] {
        assert!(ClaimName::parse(name).is_err(), "{name}");
    }
}
