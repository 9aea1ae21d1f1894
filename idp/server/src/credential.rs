//! The credentials of those who are no clients: operators and gateways.
//!
//! Each is one line of a file that is made at first start. There is none that anybody could know
//! beforehand.

use std::fmt;
use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::random::{self, NoRandom};
use crate::secret_file::{self, SecretFileError};

const SECRET_BYTES: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error("a credential is not to be had")]
    File(#[from] SecretFileError),
    #[error("a credential cannot be drawn")]
    Random(#[from] NoRandom),
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Administrator,
    Gateway,
}

impl Holder {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Administrator => "tg_ak_",
            Self::Gateway => "tg_gk_",
        }
    }
}

/// What is kept of a credential in memory: enough to know it again.
pub(crate) struct Credential([u8; SECRET_BYTES]);

impl Credential {
    pub(crate) fn find_or_create(path: &Path, holder: Holder) -> Result<Self, CredentialError> {
        let secret = secret_file::find_or_create(path, || draw(holder.prefix()))?;
        Ok(Self(hash(&secret)))
    }

    /// Hashes are compared, so that the time it takes tells nothing of the secret.
    pub(crate) fn admits(&self, presented: &str) -> bool {
        verify_slices_are_equal(&self.0, &hash(presented)).is_ok()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential([redacted])")
    }
}

/// A secret of 256 bits, spelled behind a prefix that tells what it is.
pub(crate) fn draw(prefix: &str) -> Result<Zeroizing<String>, CredentialError> {
    let secret = Zeroizing::new(random::bytes::<SECRET_BYTES>()?);
    let mut text = Zeroizing::new(String::with_capacity(64));
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(secret.as_slice(), &mut text);
    Ok(text)
}

fn hash(text: &str) -> [u8; SECRET_BYTES] {
    let mut out = [0; SECRET_BYTES];
    out.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_file_says_is_admitted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.key");
        let credential = Credential::find_or_create(&path, Holder::Administrator).unwrap();
        let secret = secret_file::read(&path).unwrap();
        assert!(secret.starts_with("tg_ak_") && secret.len() == 49);
        assert!(credential.admits(&secret));
        for other in ["", "tg_ak_", &secret[..48], &format!("{}x", *secret)] {
            assert!(!credential.admits(other));
        }
        let again = Credential::find_or_create(&path, Holder::Administrator).unwrap();
        assert!(again.admits(&secret));
    }
}
