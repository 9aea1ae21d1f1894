//! Does every vector of the Wycheproof project come out right?
//!
//! An invalid one is refused, a valid one of a supported algorithm is taken, and every other valid
//! one is refused as unsupported. The two files are kept as they were published, beside their
//! licence.

use idp_token::external::jwt::{self, Kind, Signature};
use idp_token::external::{ClaimName, Policy, Unacceptable};
use idp_token::time::UnixSeconds;
use idp_token::value::{Algorithm, JwsError, KeySet, KeySetError, jws};
use serde_json::{Value, json};
use std::time::Duration;

const KEYS: &str = include_str!("../vectors/wycheproof/json_web_key_test.json");
const SIGNATURES: &str = include_str!("../vectors/wycheproof/json_web_signature_test.json");

const SUPPORTED: [&str; 3] = ["ES256", "EdDSA", "RS256"];

struct Vector {
    id: u64,
    comment: String,
    is_valid: bool,
    is_supported: bool,
    keys: String,
    token: String,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Taken,
    Unsupported,
    Refused,
}

fn vectors(text: &str) -> Vec<Vector> {
    let file: Value = serde_json::from_str(text).unwrap();
    let groups = file["testGroups"].as_array().unwrap();
    let vectors: Vec<_> = groups.iter().flat_map(group).collect();
    assert_eq!(
        vectors.len() as u64,
        file["numberOfTests"].as_u64().unwrap()
    );
    vectors
}

fn group(group: &Value) -> Vec<Vector> {
    let key = group.get("public").unwrap_or(&group["private"]);
    let set = match key.get("keys") {
        Some(_) => key.clone(),
        None => json!({ "keys": [key] }),
    };
    let is_supported = set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .all(|key| SUPPORTED.contains(&key["alg"].as_str().unwrap_or("RS256")));
    let tests = group["tests"].as_array().unwrap().iter();
    tests
        .map(|test| Vector {
            id: test["tcId"].as_u64().unwrap(),
            comment: test["comment"].as_str().unwrap().to_owned(),
            is_valid: test["result"] == "valid",
            is_supported,
            keys: set.to_string(),
            token: test["jws"].as_str().unwrap().to_owned(),
        })
        .collect()
}

fn outcome(vector: &Vector) -> Outcome {
    let keys = match KeySet::parse(vector.keys.as_bytes()) {
        Ok(keys) => keys,
        // A symmetric key is not supported, whatever its algorithm is called.
        Err(KeySetError::Secret) => return Outcome::Unsupported,
        Err(_) => return Outcome::Refused,
    };
    match jws::verify(&vector.token, &keys) {
        Ok(_) => Outcome::Taken,
        Err(JwsError::UnsupportedAlgorithm) => Outcome::Unsupported,
        Err(_) => Outcome::Refused,
    }
}

/// The same by the rules for other issuers. No vector is a token, so a good signature shows in that
/// something else is refused.
fn outcome_of_external(vector: &Vector) -> Outcome {
    let keys = match KeySet::parse_external(vector.keys.as_bytes()) {
        Ok(keys) => keys.set,
        Err(KeySetError::Secret) => return Outcome::Unsupported,
        Err(_) => return Outcome::Refused,
    };
    let policy = Policy {
        issuer: "joe".to_owned(),
        audience: Vec::new(),
        roles: ClaimName::default(),
        max_age: Duration::from_secs(60),
    };
    let signature = Signature {
        algorithms: vec![Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256],
        kind: Kind::Jwt,
    };
    match jwt::verify(&vector.token, &keys, (&policy, &signature), UnixSeconds(0)) {
        Err(Unacceptable::Jws(JwsError::UnsupportedAlgorithm)) => Outcome::Unsupported,
        Err(Unacceptable::Jws(_)) => Outcome::Refused,
        _ => Outcome::Taken,
    }
}

#[test]
fn every_wycheproof_vector_comes_out_right() {
    check_every_vector(outcome);
}

#[test]
fn every_wycheproof_vector_comes_out_right_for_other_issuers() {
    check_every_vector(outcome_of_external);
}

fn check_every_vector(outcome: fn(&Vector) -> Outcome) {
    let mut taken = Vec::new();
    for vector in vectors(KEYS).iter().chain(&vectors(SIGNATURES)) {
        let found = outcome(vector);
        let is_right = match (vector.is_valid, vector.is_supported) {
            (true, true) => found == Outcome::Taken,
            (true, false) => found == Outcome::Unsupported,
            (false, _) => found != Outcome::Taken,
        };
        assert!(is_right, "{}: {}: {found:?}", vector.id, vector.comment);
        if found == Outcome::Taken {
            taken.push(vector.id);
        }
    }
    // All that are valid and of a supported algorithm, so that the rule above cannot hide one.
    assert_eq!(taken, TAKEN);
}

const TAKEN: [u64; 11] = [5, 18, 33, 259, 260, 261, 262, 263, 345, 349, 378];

/// The weak keys are refused for what is wrong with them, not because something else is.
#[test]
fn a_weak_key_is_refused_as_a_key() {
    let bad = |id: &str| KeySetError::BadKey(id.to_owned());
    let cases = [
        (7, bad("kid-rsa-roca-sign")),
        (8, bad("RS256_1024")),
        (9, bad("RS256_2048")),
        (22, bad("kid-ec-sign")),
    ];
    for vector in vectors(KEYS) {
        let found = KeySet::parse(vector.keys.as_bytes()).err();
        for (id, expected) in &cases {
            if vector.id == *id {
                assert_eq!(found.as_ref(), Some(expected), "{}", vector.comment);
            }
        }
    }
}
