//! Looks whether Redis is well while the log is read elsewhere. What it sees there proves nothing
//! and is not applied.

use std::time::Duration;

use idp_token::lease::{Tolerance, Trust};
use idp_token::projection::StreamId;
use tokio::time::sleep;

use super::choice::Choice;
use crate::clock;
use crate::identity::knowledge::Knowledge;
use crate::identity::redis::{Log, Server, Standing, TroubleError};

/// Two beats come in between.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What was there at the last look.
#[derive(Debug, PartialEq, Eq)]
struct Sight {
    standing: Standing,
    end: StreamId,
}

/// Returns once Redis may be read again.
pub(super) async fn until_well(server: &Server, knowledge: &Knowledge, choice: &mut Choice) {
    let mut link = None;
    let mut seen: Option<Sight> = None;
    loop {
        sleep(LOOK_EVERY).await;
        let sight = look(server, &mut link).await.unwrap_or_default();
        let is_well = matches!((&seen, &sight), (Some(before), Some(now))
            if before.standing == now.standing && before.end < now.end);
        let now = clock::boot();
        let is_needed = knowledge.trust(Tolerance::Strict, now) != Trust::Fresh;
        if choice.look(is_well, is_needed, now) {
            return;
        }
        seen = sight;
    }
}

/// None for a replica, or without a log. A connection that fails is not used again.
async fn look(server: &Server, link: &mut Option<Log>) -> Result<Option<Sight>, TroubleError> {
    let mut log = match link.take() {
        Some(log) => log,
        None => server.connect_for_log().await?,
    };
    let standing = log.standing().await?;
    let end = log.end().await?;
    *link = Some(log);
    Ok(end
        .filter(|_| standing.is_primary)
        .map(|end| Sight { standing, end }))
}
