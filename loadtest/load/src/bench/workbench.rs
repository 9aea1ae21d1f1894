//! The surroundings every bench needs: CPUs, files, upstream.

use std::path::PathBuf;

use tempfile::TempDir;

use super::peer::{Peer, Row, Site};
use super::upstream::Upstream;
use super::{BenchError, fds, say};
use crate::bench::layout::Layout;

/// Open files a peer needs beyond two per connection.
const FILES_BESIDE_CONNECTIONS: usize = 256;
/// Connections beyond those of the load, for checks and probes.
const CONNECTIONS_SPARE: usize = 64;

/// Fields are dropped in order: the processes end before their folder goes.
#[derive(Debug)]
pub(super) struct Workbench {
    pub(super) site: Site,
    pub(super) layout: Layout,
    gateway: Option<PathBuf>,
    _upstream: Upstream,
    _dir: TempDir,
}

impl Workbench {
    pub(super) async fn set_up(
        connections: usize,
        gateway: Option<PathBuf>,
    ) -> Result<Self, BenchError> {
        let files_max = fds::raise_limit()?;
        let connections_max = connections + CONNECTIONS_SPARE;
        let needed = 2 * connections_max + FILES_BESIDE_CONNECTIONS;
        if needed > files_max {
            return Err(BenchError::TooFewFiles {
                connections,
                needed,
                limit: files_max,
            });
        }
        let layout = Layout::find()?;
        layout.pin_self()?;
        if layout.is_shared() {
            say("only one CPU: the proxy shares it with the load");
        }
        let dir = tempfile::tempdir().map_err(BenchError::io("cannot make a temporary folder"))?;
        let upstream = Upstream::start(dir.path(), layout.load_cpu, files_max).await?;
        let site = Site {
            dir: dir.path().to_owned(),
            upstream: upstream.address,
            connections_max,
            files_max,
            proxy_cpu: layout.proxy_cpu,
        };
        Ok(Self {
            site,
            layout,
            gateway,
            _upstream: upstream,
            _dir: dir,
        })
    }

    /// The rows that can be measured, and the names of those that cannot.
    pub(super) fn divide(&self, rows: &[Row]) -> (Vec<Row>, Vec<&'static str>) {
        let is_here = |row: &Row| !row.is_tollgate() || self.gateway.is_some();
        let (here, missing): (Vec<_>, Vec<_>) = rows.iter().copied().partition(is_here);
        let missing: Vec<_> = missing.into_iter().map(Row::name).collect();
        for name in &missing {
            say(&format!(
                "{name} is missing from this run: no binary was given"
            ));
        }
        (here, missing)
    }

    pub(super) async fn start(&self, row: Row) -> Result<Peer, BenchError> {
        Peer::start(row, &self.site, self.gateway.as_deref()).await
    }

    pub(super) fn gateway(&self) -> Option<&PathBuf> {
        self.gateway.as_ref()
    }
}
