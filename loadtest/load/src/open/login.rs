//! Tokens for those who ask: got from an identity provider before anything is sent.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::caller::{CallError, Caller};
use super::scenario::{Login, Scenario, encode};

/// Tokens that are asked for at the same time: the provider writes many at once as cheaply as one.
const CALLERS: usize = 32;
const SAID_MAX: usize = 200;

#[derive(Debug, Error)]
pub enum LoginError {
    #[error("`values.{value}`: no token from {authority}")]
    Call {
        value: String,
        authority: String,
        source: CallError,
    },
    #[error("`values.{value}`: {authority} gives no token but {status}: {said}")]
    Refused {
        value: String,
        authority: String,
        status: u16,
        said: String,
    },
    #[error("`values.{value}`: a token lives {lives_s} s, and the run is longer")]
    Short { value: String, lives_s: u64 },
}

/// What RFC 6749 §5.1 has an answer to be.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
}

/// Fills every value that says `login`; `tell` hears of each hundred.
pub(super) fn log_in(
    scenario: &mut Scenario,
    tell: &(dyn Fn(usize, usize) + Sync),
) -> Result<(), LoginError> {
    let lasts = scenario.warm_up + scenario.rate.lasts;
    for login in &scenario.logins {
        let tokens = login.all(scenario.timeout, lasts, tell)?;
        scenario.values.set_lines(&login.value, tokens);
    }
    Ok(())
}

impl Login {
    fn all(
        &self,
        timeout: Duration,
        lasts: Duration,
        tell: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<Box<str>>, LoginError> {
        let begun = AtomicUsize::new(0);
        let tokens = Mutex::new(Vec::with_capacity(self.count));
        let failed = Mutex::new(None);
        let work = || {
            let mut caller = Caller::new(self.target.clone(), timeout);
            while begun.fetch_add(1, Ordering::Relaxed) < self.count {
                match self.token(&mut caller, lasts) {
                    Ok(token) => {
                        let mut tokens = lock(&tokens);
                        tokens.push(Box::from(token));
                        tell(tokens.len(), self.count);
                    }
                    Err(error) => {
                        begun.store(self.count, Ordering::Relaxed);
                        *lock(&failed) = Some(error);
                    }
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..CALLERS.min(self.count) {
                scope.spawn(work);
            }
        });
        match lock(&failed).take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut *lock(&tokens))),
        }
    }

    /// One token, which must live as long as it is needed.
    pub(super) fn token(&self, caller: &mut Caller, lasts: Duration) -> Result<String, LoginError> {
        let mut form = "grant_type=client_credentials".to_owned();
        if let Some(scope) = &self.scope {
            form.push_str(&format!("&scope={}", encode(scope)));
        }
        let value = || self.value.clone();
        let authority = || self.target.authority.clone();
        let said = caller
            .post(&self.path, &self.authorization.0, &form)
            .map_err(|source| LoginError::Call {
                value: value(),
                authority: authority(),
                source,
            })?;
        let granted = serde_json::from_slice::<Granted>(&said.body);
        let Some(granted) = granted.ok().filter(|_| said.status == 200) else {
            let text = String::from_utf8_lossy(&said.body);
            return Err(LoginError::Refused {
                value: value(),
                authority: authority(),
                status: said.status,
                said: text.chars().take(SAID_MAX).collect(),
            });
        };
        match granted.expires_in {
            Some(lives_s) if Duration::from_secs(lives_s) < lasts => Err(LoginError::Short {
                value: value(),
                lives_s,
            }),
            _ => Ok(granted.access_token),
        }
    }
}

/// Nobody panics while holding one.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
