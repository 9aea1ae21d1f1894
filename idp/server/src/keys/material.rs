//! Fresh keys.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use idp_core::keyring::{KeySecret, Material, PrivateKey};
use idp_core::record::PasswordHash;
use idp_token::value::{Algorithm, SigningKeyError};
use zeroize::Zeroizing;

use crate::random::{self, NoRandom};

#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    #[error(transparent)]
    Random(#[from] NoRandom),
    #[error("the cryptographic library made no key")]
    Refused,
    #[error("the cryptographic library made a key that cannot be used")]
    Unusable(#[from] SigningKeyError),
}

/// All that a new provider needs.
pub(crate) fn draw(
    algorithm: Algorithm,
    dummy_password: PasswordHash,
) -> Result<Material, MaterialError> {
    Ok(Material {
        signing: draw_private_key(algorithm)?,
        next: draw_private_key(algorithm)?,
        filter: draw_secret()?,
        refresh: draw_secret()?,
        client_secrets: draw_secret()?,
        dummy_password,
        partition: 0,
    })
}

pub(crate) fn draw_private_key(algorithm: Algorithm) -> Result<PrivateKey, MaterialError> {
    let der = Zeroizing::new(generate(algorithm).ok_or(MaterialError::Refused)?);
    Ok(PrivateKey::new(algorithm, der)?)
}

/// PKCS#8.
fn generate(algorithm: Algorithm) -> Option<Vec<u8>> {
    let random = SystemRandom::new();
    match algorithm {
        Algorithm::Es256 => {
            let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
            made.ok().map(|made| made.as_ref().to_vec())
        }
        Algorithm::EdDsa => {
            let made = Ed25519KeyPair::generate_pkcs8(&random);
            made.ok().map(|made| made.as_ref().to_vec())
        }
        Algorithm::Rs256 => {
            let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
            let made: Pkcs8V1Der<'_> = pair.as_der().ok()?;
            Some(made.as_ref().to_vec())
        }
    }
}

fn draw_secret() -> Result<KeySecret, NoRandom> {
    random::bytes().map(KeySecret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_algorithm_can_be_made_and_differ() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
            let (one, other) = (draw_private_key(algorithm), draw_private_key(algorithm));
            assert_ne!(one.unwrap(), other.unwrap());
        }
    }
}
