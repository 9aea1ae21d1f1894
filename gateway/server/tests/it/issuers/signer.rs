//! A key of an issuer.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use serde_json::{Value, json};

pub(super) struct Signer {
    pair: KeyPair,
    name: &'static str,
}

impl Signer {
    pub(super) fn new(name: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        Self { pair, name }
    }

    /// A token that says this.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": self.name });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(super) fn set(signers: &[&Signer]) -> Value {
    let keys = signers.iter().map(|signer| {
        let point = URL_SAFE_NO_PAD.encode(signer.pair.public_key_raw());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": signer.name, "x": point })
    });
    json!({ "keys": keys.collect::<Vec<_>>() })
}

/// Of a good token of the issuer that goes by this name.
pub(super) fn claims(name: &str) -> Value {
    let now = now();
    json!({
        "iss": format!("https://{name}.example"), "aud": "pay", "sub": "ann", "client_id": "app",
        "scope": "money.read money.write", "roles": ["payer"], "iat": now, "exp": now + 600,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokens of others are made by their clock"
)]
pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}
