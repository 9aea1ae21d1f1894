//! How much memory does a gateway need that remembers a million sessions?
//!
//! A real gateway is shown every token once, over HTTP, and looks each up at a real identity provider.
//! Then some are shown again, to see that it remembers them.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;
use tokio::task::JoinSet;

use crate::bench::memory::rss_kib;
use crate::bench::peer::{Peer, Site, free_addresses};
use crate::bench::report::Table;
use crate::bench::{BenchError, say};
use crate::closed::{Dialogue, Limits, Load, Request};
use crate::fleet::{Fleet, FleetSettings};
use crate::revocation::Case;

use super::credentials::wrong;
use super::tollgate;

/// Connections over which tokens are shown.
const CLIENTS: usize = 64;
/// Of so many one is shown again.
const SAMPLED: usize = 50;
const RESIDENT_MIB_MAX: f64 = 150.0;

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Hot {
    sessions: u64,
    resident_mib_before: f64,
    resident_mib_after: f64,
    /// Of those that were shown again, how many nobody was asked about.
    remembered_share: f64,
}

impl Hot {
    pub(super) async fn measure(
        program: &Path,
        site: &Site,
        sessions: u64,
    ) -> Result<Self, BenchError> {
        let settings = FleetSettings {
            gateways: 0,
            has_redis: false,
            ..FleetSettings::new(program.to_owned(), site.upstream)
        };
        let fleet = Fleet::start(&settings).await?;
        let count = usize::try_from(sessions).unwrap_or(usize::MAX);
        let cases = Case::issue(&fleet, count, None).await?;
        let tokens: Vec<_> = cases.into_iter().map(|case| case.token.text).collect();
        say(&format!("{sessions} tokens were issued"));

        let addresses = free_addresses()?;
        let [address, admin] = addresses;
        let section = format!("{}  cache: {{ size: 150MiB }}\n", fleet.idp.section());
        let plan = tollgate::plan_hot(site, program, (addresses, &section))?;
        let peer = Peer::launch(plan, address).await?;
        let resident = || {
            let kib = rss_kib(&peer.process.family()?)?;
            Ok::<_, BenchError>(kib as f64 / 1024.0)
        };
        let shown = tokens.iter().take(1).cloned().collect();
        show_all(address, shown).await?;
        let resident_mib_before = resident()?;
        let sampled: Vec<_> = tokens.iter().step_by(SAMPLED).cloned().collect();
        show_all(address, tokens).await?;
        let resident_mib_after = resident()?;
        let before = from_cache(admin).await?;
        let again = sampled.len() as f64;
        show_all(address, sampled).await?;
        let remembered = from_cache(admin).await?.saturating_sub(before);
        Ok(Self {
            sessions,
            resident_mib_before,
            resident_mib_after,
            remembered_share: remembered as f64 / again,
        })
    }

    /// The promise that was broken.
    pub(super) fn verdict(&self) -> Option<String> {
        let grown = self.grown();
        (grown > RESIDENT_MIB_MAX).then(|| {
            format!("{grown:.1} MiB are resident more and {RESIDENT_MIB_MAX} are promised")
        })
    }

    pub(super) fn markdown(&self) -> String {
        format!(
            "## Memory of hot sessions\n\nA gateway whose cache may have 150 MiB is shown each token \
             once, and looks it up at the identity provider; one in {SAMPLED} is shown again.\n\n{}\n",
            self.table()
        )
    }

    pub(super) fn table(&self) -> String {
        let mut table = Table::new(&[
            "sessions",
            "resident MiB before",
            "resident MiB with all",
            "grown by MiB",
            "remembered of those shown again",
        ]);
        table.push(vec![
            self.sessions.to_string(),
            format!("{:.1}", self.resident_mib_before),
            format!("{:.1}", self.resident_mib_after),
            format!("{:.1}", self.grown()),
            format!("{:.1} %", self.remembered_share * 100.0),
        ]);
        table.to_markdown()
    }

    fn grown(&self) -> f64 {
        self.resident_mib_after - self.resident_mib_before
    }
}

/// Shows each once, and sees it let through.
async fn show_all(address: SocketAddr, tokens: Vec<String>) -> Result<(), BenchError> {
    let mut showing = JoinSet::new();
    let share = tokens.len().div_ceil(CLIENTS).max(1);
    for tokens in tokens.chunks(share) {
        let tokens = tokens.to_vec();
        showing.spawn(async move {
            let mut dialogue = Dialogue::new(address, Limits::default());
            for token in tokens {
                let request = Request::get("/v1/accounts/1")
                    .header("Authorization", format!("Bearer {token}"));
                let answered = dialogue.ask(&request).await;
                let answer = answered.map_err(|failure| wrong(failure.to_string()))?;
                if answer.status != 200 {
                    return Err(wrong(format!("{} for a good token", answer.status)));
                }
            }
            Ok(())
        });
    }
    showing.join_all().await.into_iter().collect()
}

/// Requests whose caller the cache knew.
async fn from_cache(admin: SocketAddr) -> Result<u64, BenchError> {
    const ROW: &str = "tollgate_identity_callers_total{layer=\"cache\"} ";
    let asked = Load::new(admin, Request::get("/metrics")).ask().await;
    let answer = asked.map_err(|failure| wrong(failure.to_string()))?;
    let text = String::from_utf8_lossy(&answer.body);
    let row = text.lines().find_map(|line| line.strip_prefix(ROW));
    let value = row.and_then(|value| value.trim().parse().ok());
    value.ok_or_else(|| wrong("no count of callers".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promise_is_about_what_the_sessions_take() {
        for (after, is_kept) in [(190.0, true), (190.1, false)] {
            let hot = Hot {
                sessions: 1,
                resident_mib_before: 40.0,
                resident_mib_after: after,
                remembered_share: 1.0,
            };
            assert_eq!(hot.verdict().is_none(), is_kept, "{after}");
        }
    }
}
