//! argon2id, a few at a time: it is made to be slow, and must not make everything else slow.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, PasswordHash as Parsed};
use idp_core::login::Verdict;
use idp_core::record::PasswordHash;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

const WAITING_MAX: usize = 256;

/// Too many passwords wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being looked at")]
pub struct Busy;

#[derive(Debug)]
pub(crate) struct Passwords {
    places: Semaphore,
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            places: Semaphore::new(WAITING_MAX),
            turns: Arc::new(Semaphore::new(at_once)),
        }
    }

    pub(crate) async fn hash(&self, password: Zeroizing<String>) -> Result<PasswordHash, Busy> {
        self.run(move || {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.map(|hash| PasswordHash(hash.to_string()))
                .map_err(|_| Busy)
        })
        .await?
    }

    pub(crate) async fn verify(
        &self,
        hash: PasswordHash,
        password: Zeroizing<String>,
    ) -> Result<Verdict, Busy> {
        self.run(move || {
            let parsed = Parsed::new(&hash.0);
            let found =
                parsed.map(|hash| Argon2::default().verify_password(password.as_bytes(), &hash));
            match found {
                Ok(Ok(())) => Verdict::Matches,
                Ok(Err(_)) | Err(_) => Verdict::Differs,
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _place = self.places.try_acquire().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| Busy)?;
        let computing = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            compute()
        });
        computing.await.map_err(|_| Busy)
    }
}
