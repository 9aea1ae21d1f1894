//! Taking over a changed file: whole, or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tollgate_config::{Environment, Problems};

use crate::running::{Applied, Running};

/// How often the file is looked at. Looking works where notifications do not: on network mounts and
/// on the symbolic links by which Kubernetes swaps a ConfigMap.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reloads one file into one gateway.
#[derive(Debug)]
pub struct Reloader {
    path: PathBuf,
    environment: Environment,
    gateway: Arc<Running>,
    seen: Option<Stamp>,
}

/// Why a file was not taken over; the configuration before goes on.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("the file was refused; the running configuration goes on\n{0}")]
    Refused(Problems),
    #[error("the reload itself failed; the running configuration goes on")]
    Failed(#[source] tokio::task::JoinError),
}

/// What tells that a file is another than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl Reloader {
    #[must_use]
    pub fn new(path: PathBuf, environment: Environment, gateway: Arc<Running>) -> Self {
        let seen = Stamp::of(&path);
        Self {
            path,
            environment,
            gateway,
            seen,
        }
    }

    /// Loads the file now, changed or not.
    pub async fn reload(&mut self) -> Result<Applied, ReloadError> {
        self.seen = Stamp::of(&self.path);
        let (path, environment) = (self.path.clone(), self.environment.clone());
        let gateway = Arc::clone(&self.gateway);
        // A large file takes milliseconds to compile; no request shall wait for that.
        let applied = tokio::task::spawn_blocking(move || {
            let loaded = tollgate_config::load(&path, &environment)?;
            Ok(gateway.apply(&loaded.gateway))
        });
        let result = match applied.await {
            Ok(loaded) => loaded.map_err(ReloadError::Refused),
            Err(error) => Err(ReloadError::Failed(error)),
        };
        if result.is_err() {
            self.gateway.note_refused();
        }
        result
    }

    /// Waits until the file differs from the one that was loaded last.
    pub async fn changed(&mut self) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            look.tick().await;
            let now = Stamp::of(&self.path);
            // A file that is gone for the moment is about to be replaced.
            if now.is_some() && now != self.seen {
                return;
            }
        }
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            inode: metadata.ino(),
        })
    }
}
