use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::time::Duration;

use crate::json::MemberError;
use crate::time::UnixSeconds;

use super::*;

const NOW: u64 = 1_800_000_000;

fn key(algorithm: Algorithm) -> SigningKey {
    let der = match algorithm {
        Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .unwrap()
            .to_pkcs8v1()
            .unwrap()
            .as_ref()
            .to_vec(),
        Algorithm::EdDsa => Ed25519KeyPair::from_seed_unchecked(&[7; 32])
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

fn claims() -> Claims {
    let text = str::to_owned;
    Claims {
        issuer: text("https://id.example"),
        audience: vec![text("pay")],
        subject: text("ann"),
        session: Some(text("0a0b")),
        client_id: text("app"),
        scope: text("pay read"),
        roles: vec![text("payer")],
        auth_time: Some(UnixSeconds(NOW - 100)),
        amr: vec![text("pwd")],
        issued_at: UnixSeconds(NOW),
        expires_at: UnixSeconds(NOW + 600),
        id: text("j1"),
    }
}

fn expectations() -> Expectations {
    Expectations {
        issuer: "https://id.example".to_owned(),
        audience: "pay".to_owned(),
        leeway: Duration::from_secs(5),
        lifetime_max: LIFETIME_MAX,
    }
}

fn verifier<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Verifier {
    let keys = KeySet::parse(key_set(keys).as_bytes()).unwrap();
    Verifier::new(expectations(), keys)
}

/// Signs whatever it is told to, as a broken or hostile issuer with a good key would.
fn forge(key: &SigningKey, header: &str, payload: &str) -> String {
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = key.sign_bytes(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn header(key: &SigningKey) -> Value {
    json!({ "typ": "at+jwt", "alg": "ES256", "kid": key.id() })
}

fn payload() -> Value {
    serde_json::from_slice(&claims().write().unwrap()).unwrap()
}

fn verify(verifier: &Verifier, text: &str) -> Result<Claims, ValueTokenError> {
    verifier.verify(text, UnixSeconds(NOW))
}

#[test]
fn whom_a_token_is_meant_for_is_read_of_one_that_was_told() {
    let of = |audience: &[&str]| {
        let audience = audience.iter().map(|it| (*it).to_owned()).collect();
        let claims = Claims {
            audience,
            ..claims()
        };
        told_audience(&key(Algorithm::EdDsa).sign(&claims).unwrap())
    };
    assert_eq!(of(&["pay"]), Some(vec!["pay".to_owned()]));
    assert_eq!(
        of(&["pay", "bank"]),
        Some(vec!["pay".to_owned(), "bank".to_owned()])
    );
    assert_eq!(of(&[]), Some(Vec::new()));
    for text in [
        "",
        "a.b",
        "a.b.c",
        "e30.e30.",
        "e30.eyJhdWQiOjF9.",
        "e30.eyJhdWQiOlsxXX0.",
    ] {
        assert_eq!(told_audience(text), None, "{text}");
        assert_eq!(told_issuer(text), None, "{text}");
    }
    let signed = key(Algorithm::EdDsa).sign(&claims()).unwrap();
    assert_eq!(told_issuer(&signed), Some(claims().issuer));
}

#[test]
fn what_is_signed_is_verified_with_each_algorithm_and_by_its_own_key_only() {
    let keys = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256].map(key);
    let all = verifier(&keys);
    for signing in &keys {
        let token = signing.sign(&claims()).unwrap();
        assert_eq!(verify(&all, &token), Ok(claims()), "{signing:?}");
        for other in keys.iter().filter(|key| key.id() != signing.id()) {
            let found = verify(&verifier([other]), &token);
            assert_eq!(found, Err(JwsError::UnknownKey.into()), "{signing:?}");
        }
    }
}

/// The library beneath, with its own reading of header and claims, is the second opinion.
#[test]
fn other_implementations_take_what_is_signed() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let signing = key(algorithm);
        let token = signing.sign(&claims()).unwrap();
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&key_set([&signing])).unwrap();
        let public = jsonwebtoken::DecodingKey::from_jwk(set.find(signing.id()).unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(algorithm.of_library());
        validation.validate_exp = false;
        validation.set_audience(&["pay"]);
        validation.set_issuer(&["https://id.example"]);
        let read = jsonwebtoken::decode::<Value>(&token, &public, &validation).unwrap();
        assert_eq!(read.claims, payload());
        assert_eq!(read.header.typ.as_deref(), Some("at+jwt"));
    }
}

#[test]
fn what_is_signed_as_something_else_is_no_value_token_and_nothing_else_either() {
    let kinds = [
        (Statement::IdToken, "JWT"),
        (Statement::LogoutToken, "logout+jwt"),
        (Statement::Introspection, "token-introspection+jwt"),
    ];
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let key = key(algorithm);
        let keys = KeySet::parse(key_set([&key]).as_bytes()).unwrap();
        // The very claims of a value token.
        let payload = claims().write().unwrap();
        let token = key.sign(&claims()).unwrap();
        for (statement, typ) in kinds {
            let text = key.sign_as(statement, &payload).unwrap();
            let refused = Err(ValueTokenError::Type);
            assert_eq!(verify(&verifier([&key]), &text), refused, "{typ}");
            let header = URL_SAFE_NO_PAD.decode(text.split('.').next().unwrap());
            let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
            let expected = json!({"typ": typ, "alg": algorithm.as_str(), "kid": key.id()});
            assert_eq!(header, expected);
            for (other, _) in kinds {
                let verified = jws::verify_as(&text, other, &keys);
                let is_same = other == statement;
                assert_eq!(verified.ok(), is_same.then(|| payload.clone()), "{typ}");
            }
            let refused = Err(JwsError::Statement);
            assert_eq!(jws::verify_as(&token, statement, &keys), refused);
        }
        assert_eq!(key.algorithm(), algorithm);
    }
}

/// The key, its thumbprint and the signature are those of RFC 8037, appendix A.
#[test]
fn a_key_is_named_by_its_thumbprint_and_signs_as_others_do() {
    let seed = URL_SAFE_NO_PAD
        .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
        .unwrap();
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let key = SigningKey::from_pkcs8(Algorithm::EdDsa, pair.to_pkcs8().unwrap().as_ref()).unwrap();
    let thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    assert_eq!(key.id(), &thumbprint[..16]);
    let signature = key.sign_bytes(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
    assert_eq!(
        URL_SAFE_NO_PAD.encode(signature.unwrap()),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
    let published: Value = serde_json::from_str(&key_set([&key])).unwrap();
    let expected = json!({ "keys": [{
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
        "kid": "kPrK_qmxVWaYVA9w",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }] });
    assert_eq!(published, expected);
    let shown = format!("SigningKey {{ id: {:?}, .. }}", key.id());
    assert_eq!(format!("{key:?}"), shown);
}

#[test]
fn a_private_key_that_is_none_of_the_algorithm_is_refused() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32])
        .unwrap()
        .to_pkcs8()
        .unwrap();
    for (algorithm, der) in [
        (Algorithm::Es256, pair.as_ref()),
        (Algorithm::Rs256, pair.as_ref()),
        (Algorithm::EdDsa, &pair.as_ref()[1..]),
        (Algorithm::EdDsa, &[]),
    ] {
        let found = SigningKey::from_pkcs8(algorithm, der).err();
        assert_eq!(found, Some(SigningKeyError::Malformed), "{algorithm:?}");
    }
}

#[test]
fn a_header_that_asks_for_more_than_a_known_key_is_refused() {
    let signing = key(Algorithm::Es256);
    let verifier = verifier([&signing]);
    let with = |name: &str, value: Value| {
        let mut header = header(&signing);
        header[name] = value;
        header.to_string()
    };
    let without = |name: &str| {
        let mut header = header(&signing);
        header.as_object_mut().unwrap().remove(name);
        header.to_string()
    };
    let twice = with("typ", json!("JWT")).replacen('{', r#"{"typ":"at+jwt","#, 1);
    let jws = |error: JwsError| Err(error.into());
    #[rustfmt::skip]
    let cases = [
        (header(&signing).to_string(),                     Ok(claims())),
        (with("typ", json!("application/at+jwt")),         Ok(claims())),
        (with("x5t", json!("abc")),                        Ok(claims())),
        (with("typ", json!("JWT")),                        Err(ValueTokenError::Type)),
        (with("typ", json!(["at+jwt"])),                   Err(ValueTokenError::Type)),
        (without("typ"),                                   Err(ValueTokenError::Type)),
        (twice,                                            jws(JwsError::Header)),
        (without("alg"),                                   jws(JwsError::Header)),
        (with("alg", json!(null)),                         jws(JwsError::Header)),
        (with("alg", json!("none")),                       jws(JwsError::UnsupportedAlgorithm)),
        (with("alg", json!("HS256")),                      jws(JwsError::UnsupportedAlgorithm)),
        (with("alg", json!("es256")),                      jws(JwsError::UnsupportedAlgorithm)),
        (with("alg", json!("RS256")),                      jws(JwsError::WrongAlgorithm)),
        (with("alg", json!("EdDSA")),                      jws(JwsError::WrongAlgorithm)),
        (without("kid"),                                   jws(JwsError::KeyIdMissing)),
        (with("kid", json!(1)),                            jws(JwsError::Header)),
        (with("kid", json!("")),                           jws(JwsError::UnknownKey)),
        (with("kid", json!("../keys")),                    jws(JwsError::UnknownKey)),
        (with("crit", json!(["exp"])),                     jws(JwsError::ForbiddenMember)),
        (with("crit", json!([])),                          jws(JwsError::ForbiddenMember)),
        (with("jku", json!("https://evil.example")),       jws(JwsError::ForbiddenMember)),
        (with("jwk", json!({})),                           jws(JwsError::ForbiddenMember)),
        (with("x5u", json!("https://evil.example")),       jws(JwsError::ForbiddenMember)),
        (with("x5c", json!([])),                           jws(JwsError::ForbiddenMember)),
        (with("b64", json!(false)),                        jws(JwsError::ForbiddenMember)),
        (with("zip", json!("DEF")),                        jws(JwsError::ForbiddenMember)),
        (with("enc", json!("A128GCM")),                    jws(JwsError::ForbiddenMember)),
        ("[]".to_owned(),                                  jws(JwsError::Header)),
        (String::new(),                                    jws(JwsError::Header)),
    ];
    for (header, expected) in cases {
        let token = forge(&signing, &header, &payload().to_string());
        assert_eq!(verify(&verifier, &token), expected, "{header}");
    }
}

/// The claims, with some of them other than they should be.
fn with(name: &str, value: Value) -> String {
    let mut payload = payload();
    payload[name] = value;
    payload.to_string()
}

fn without(name: &str) -> String {
    let mut payload = payload();
    payload.as_object_mut().unwrap().remove(name);
    payload.to_string()
}

fn check_claims(cases: Vec<(String, Result<Claims, ValueTokenError>)>) {
    let signing = key(Algorithm::Es256);
    let verifier = verifier([&signing]);
    for (payload, expected) in cases {
        let token = forge(&signing, &header(&signing).to_string(), &payload);
        assert_eq!(verify(&verifier, &token), expected, "{payload}");
    }
}

#[test]
fn a_token_for_others_or_for_another_time_is_refused() {
    let two = Claims {
        audience: vec!["a".to_owned(), "pay".to_owned()],
        ..claims()
    };
    #[rustfmt::skip]
    check_claims(vec![
        (payload().to_string(),                      Ok(claims())),
        (with("aud", json!(["a", "pay"])),           Ok(two)),
        (with("news", json!({ "a": [1.5] })),        Ok(claims())),
        (with("nbf", json!(NOW + 5)),                Ok(claims())),
        (with("nbf", json!(NOW + 6)),                Err(ValueTokenError::NotYet)),
        (with("nbf", json!(0)),                      Ok(claims())),
        (with("iss", json!("https://evil")),         Err(ValueTokenError::Issuer)),
        (with("iss", json!("https://id.example/")),  Err(ValueTokenError::Issuer)),
        (with("aud", json!("Pay")),                  Err(ValueTokenError::Audience)),
        (with("aud", json!([])),                     Err(ValueTokenError::Audience)),
        (with("exp", json!(NOW + 601)),              Err(ValueTokenError::LivesTooLong)),
        (with("exp", json!(u64::MAX)),               Err(ValueTokenError::LivesTooLong)),
        (with("exp", json!(NOW)),                    Err(ValueTokenError::Times)),
        (with("iat", json!(NOW + 6)),                Err(ValueTokenError::Times)),
    ]);
}

#[test]
fn a_claim_that_is_missing_twice_there_or_of_another_type_is_refused() {
    let missing = |name| Err(ClaimsError::Member(MemberError::Missing(name)).into());
    let kind = |name| Err(ClaimsError::Member(MemberError::Kind(name)).into());
    let twice = payload().to_string().replacen('{', r#"{"sub":"bob","#, 1);
    #[rustfmt::skip]
    let cases = vec![
        (with("nbf", json!("0")),                    kind("nbf")),
        (with("nbf", json!(null)),                   kind("nbf")),
        (with("iss", json!(["https://id.example"])), kind("iss")),
        (without("iss"),                             missing("iss")),
        (with("aud", json!(["pay", 1])),             kind("aud")),
        (with("aud", json!({ "pay": "pay" })),       kind("aud")),
        (without("aud"),                             missing("aud")),
        (without("exp"),                             missing("exp")),
        (with("exp", json!("1900000000")),           kind("exp")),
        (with("exp", json!(1_800_000_600.5)),        kind("exp")),
        (with("exp", json!(-1)),                     kind("exp")),
        (with("exp", json!(null)),                   kind("exp")),
        (without("iat"),                             missing("iat")),
        (with("iat", json!(1.5)),                    kind("iat")),
        (without("sub"),                             missing("sub")),
        (with("sub", json!(1)),                      kind("sub")),
        (without("client_id"),                       missing("client_id")),
        (without("jti"),                             missing("jti")),
        (with("roles", json!("payer")),              kind("roles")),
        (with("scope", json!(["pay"])),              kind("scope")),
        (with("auth_time", json!("1")),              kind("auth_time")),
        (with("sid", json!(7)),                      kind("sid")),
        (twice,                                      Err(ClaimsError::Syntax.into())),
        ("[]".to_owned(),                            Err(ClaimsError::Syntax.into())),
        (String::new(),                              Err(ClaimsError::Syntax.into())),
    ];
    check_claims(cases);
}

#[test]
fn a_token_is_good_from_its_making_to_its_end_give_or_take_the_leeway() {
    let signing = key(Algorithm::EdDsa);
    let verifier = verifier([&signing]);
    let token = signing.sign(&claims()).unwrap();
    let cases = [
        (NOW - 6, Err(ValueTokenError::Times)),
        (NOW - 5, Ok(claims())),
        (NOW + 604, Ok(claims())),
        (NOW + 605, Err(ValueTokenError::Expired)),
        (u64::MAX, Err(ValueTokenError::Expired)),
    ];
    for (now, expected) in cases {
        assert_eq!(verifier.verify(&token, UnixSeconds(now)), expected, "{now}");
    }
}

#[test]
fn a_text_in_a_second_spelling_is_refused() {
    let signing = key(Algorithm::EdDsa);
    let verifier = verifier([&signing]);
    let good = signing.sign(&claims()).unwrap();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("a token has three parts");
    };
    // 64 bytes end in a character of which four bits count: `Q` and `R` read alike if nobody looks.
    let last = signature.chars().next_back().unwrap();
    let sibling = char::from(u8::try_from(last).unwrap() + 1);
    let loose = format!("{}{sibling}", &signature[..signature.len() - 1]);
    let jws = |error: JwsError| Err(error.into());
    #[rustfmt::skip]
    let cases = [
        (good.clone(),                                   Ok(claims())),
        (format!("{header}.{payload}.{loose}"),          jws(JwsError::Base64)),
        (format!("{good}="),                             jws(JwsError::Base64)),
        (format!("{good} "),                             jws(JwsError::Base64)),
        (format!(" {good}"),                             jws(JwsError::Base64)),
        (format!("{header}.{payload}\n.{signature}"),    jws(JwsError::Base64)),
        (format!("{good}."),                             jws(JwsError::Parts)),
        (format!("{header}.{payload}"),                  jws(JwsError::Parts)),
        (format!("{header}.{payload}."),                 jws(JwsError::Signature)),
        (format!("{header}..{signature}"),               jws(JwsError::Signature)),
        (format!(".{payload}.{signature}"),              jws(JwsError::Header)),
        (String::new(),                                  jws(JwsError::Parts)),
        (STANDARD_NO_PAD.encode("é.é.é"),                jws(JwsError::Parts)),
        ("é.é.é".to_owned(),                             jws(JwsError::Base64)),
    ];
    for (text, expected) in cases {
        assert_eq!(verify(&verifier, &text), expected, "{text}");
    }
}

#[test]
fn a_token_is_measured_before_it_is_read() {
    let signing = key(Algorithm::EdDsa);
    let verifier = verifier([&signing]);
    let too_long = Err(JwsError::TooLong.into());
    let of = |bytes: usize| "a".repeat(bytes);
    assert_eq!(
        verify(&verifier, &of(TOKEN_BYTES_MAX)),
        Err(JwsError::Parts.into())
    );
    assert_eq!(verify(&verifier, &of(TOKEN_BYTES_MAX + 1)), too_long);
    assert_eq!(
        verify(&verifier, &format!("{}..", of(1024))),
        Err(JwsError::Header.into())
    );
    assert_eq!(verify(&verifier, &format!("{}..", of(1025))), too_long);
    assert_eq!(
        verify(&verifier, &format!("..{}", of(683))),
        Err(JwsError::Base64.into())
    );
    assert_eq!(verify(&verifier, &format!("..{}", of(684))), too_long);

    let roles = |count| Claims {
        roles: vec!["0123456789abcdef".to_owned(); count],
        ..claims()
    };
    let fitting = signing.sign(&roles(270)).unwrap();
    assert_eq!(verify(&verifier, &fitting), Ok(roles(270)));
    assert_eq!(signing.sign(&roles(400)), Err(SignError::TooLong));
}

#[test]
fn a_value_token_never_outlives_its_session() {
    let now = UnixSeconds(NOW);
    assert_eq!(expiry(now, UnixSeconds(NOW + 9999)), UnixSeconds(NOW + 600));
    assert_eq!(expiry(now, UnixSeconds(NOW + 60)), UnixSeconds(NOW + 60));
    assert_eq!(claims().renews_at(), UnixSeconds(NOW + 480));
    assert!(
        claims().has_scope("read") && !claims().has_scope("rea") && !claims().has_scope("pay read")
    );
}
