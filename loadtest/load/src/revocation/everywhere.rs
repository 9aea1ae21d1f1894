//! Does ending everything of somebody cost more, or take longer, the more there is of it?

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::BenchError;
use crate::closed::Histogram;
use crate::fleet::{Fleet, Wait};

use super::lag::{dialogue, first_refusal, meet};
use super::{Case, measure_lag};

/// Sessions of the user that are in use at every gateway when all are ended: as many as end at once one by
/// one, so that the load is the same.
const IN_USE: usize = 8;
/// Sessions that are ended one by one, for comparison.
const SINGLE: usize = 64;

#[derive(Clone, Debug)]
pub struct Everywhere {
    pub sessions: usize,
    /// Changes that were published for it.
    pub changes: u64,
    /// Until the order was acknowledged.
    pub took: Duration,
    pub to_refusal: Histogram,
    /// The same for single sessions.
    pub single: Histogram,
    /// Of all gateways together.
    pub rss_kib_before: u64,
    pub rss_kib_after: u64,
}

/// Gives a user so many sessions and ends them all at once.
pub async fn end_everywhere(fleet: &Fleet, sessions: usize) -> Result<Everywhere, BenchError> {
    let single = measure_lag(fleet, SINGLE).await?.to_refusal;
    let mut operator = fleet.operator()?;
    let user = operator.find_user().await?;
    let cases = Case::issue(fleet, sessions, Some(&user)).await?;
    let mut dialogues = Vec::new();
    for gateway in &fleet.gateways {
        for case in cases.iter().take(IN_USE) {
            let mut dialogue = dialogue(gateway);
            meet(&mut dialogue, &case.token).await?;
            dialogues.push((dialogue, case.token.clone()));
        }
    }
    let rss_kib_before = rss_kib(fleet)?;
    let seq_before = published_seq(fleet).await?;
    let mut probing = JoinSet::new();
    for (dialogue, token) in dialogues {
        probing.spawn(first_refusal(dialogue, token));
    }
    let asked = Instant::now();
    operator.end_sessions_of(&user, Wait::None).await?;
    let acknowledged = Instant::now();
    let took = asked.elapsed();
    let mut to_refusal = Histogram::default();
    for probed in probing.join_all().await {
        let (_, refused) = probed?;
        to_refusal.record(refused.saturating_duration_since(acknowledged));
    }
    Ok(Everywhere {
        sessions,
        changes: published_seq(fleet).await? - seq_before,
        took,
        to_refusal,
        single,
        rss_kib_before,
        rss_kib_after: rss_kib(fleet)?,
    })
}

fn rss_kib(fleet: &Fleet) -> Result<u64, BenchError> {
    fleet.gateways.iter().map(|it| it.member.rss_kib()).sum()
}

async fn published_seq(fleet: &Fleet) -> Result<u64, BenchError> {
    fleet.idp.metric("tollgate_idp_published_seq").await
}
