//! Taking over a changed file: whole, or not at all. The certificates it names are part of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tollgate_config::{Environment, Files, Problem, Problems, Provider};

use crate::running::{Applied, Running};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reloads one file into one gateway.
#[derive(Debug)]
pub struct Reloader {
    path: PathBuf,
    environment: Environment,
    gateway: Arc<Running>,
    /// What was read last, whether or not it was taken over.
    seen: Files,
    /// What the file said of an identity provider when this process was started.
    provider: Option<Provider>,
}

/// Why a file was not taken over; the configuration before goes on.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("the file was refused; the running configuration goes on\n{0}")]
    Refused(Problems),
    #[error("the reload itself failed; the running configuration goes on")]
    Failed(#[source] tokio::task::JoinError),
}

impl Reloader {
    /// `seen` are the files that the gateway was started with.
    #[must_use]
    pub fn new(
        path: PathBuf,
        seen: Files,
        environment: Environment,
        gateway: Arc<Running>,
    ) -> Self {
        Self {
            path,
            environment,
            gateway,
            seen,
            provider: None,
        }
    }

    /// The same for a file that spoke of this identity provider, of which nothing is reloaded.
    #[must_use]
    pub fn beside(self, provider: Option<Provider>) -> Self {
        Self { provider, ..self }
    }

    /// Loads the file now, changed or not.
    pub async fn reload(&mut self) -> Result<Applied, ReloadError> {
        let (path, environment) = (self.path.clone(), self.environment.clone());
        let (gateway, provider) = (Arc::clone(&self.gateway), self.provider.clone());
        // A large file takes milliseconds to compile; no request shall wait for that.
        let applied = tokio::task::spawn_blocking(move || {
            let loaded = tollgate_config::load(&path, &environment)?;
            warn_of(&loaded.warnings);
            let mut applied = gateway.apply(loaded.require_gateway()?);
            for key in Provider::differences(provider.as_ref(), loaded.provider.as_ref()) {
                if !applied.needs_restart.contains(&key) {
                    applied.needs_restart.push(key);
                }
            }
            Ok::<_, Problems>((applied, loaded.files))
        });
        let (seen, result) = match applied.await {
            Ok(Ok((applied, files))) => (files, Ok(applied)),
            Ok(Err(problems)) => {
                let files = problems.files().clone();
                (files, Err(ReloadError::Refused(problems)))
            }
            Err(error) => (Files::of(&self.path), Err(ReloadError::Failed(error))),
        };
        self.seen = seen;
        if result.is_err() {
            self.gateway.note_refused();
        }
        result
    }

    /// Waits until a file differs from the one that was loaded last.
    pub async fn changed(&mut self) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            look.tick().await;
            if self.seen.have_changed() {
                return;
            }
        }
    }
}

/// Logs what should be seen to in a file that was taken all the same.
pub fn warn_of(warnings: &[Problem]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}
