//! When can no gateway serve any more what a change took away?
//!
//! Two things prove it of a gateway, and one of them always comes:
//!
//! - **It says so.** A gateway that reported a change as applied has it for the rest of its run.
//! - **Its lease has lapsed.** It is renewed by the log alone, wherever that is read. What a gateway
//!   knows is fresh as of a moment before beat n was there, and beat n + 1 proves it. That one was
//!   sent only after a look at the outbox which began when beat n was there, and found nothing that
//!   was not in this log. So a change which comes after beat n + 1 in the log was committed after
//!   the moment that this beat proved. Whoever has not applied a change is fresh as of its commit
//!   at the latest, and serves nothing from its cache once its lease has passed since then. When it
//!   last reported does not matter, and neither does the state of Redis.
//!
//! The second needs to know how long a lease is, and the first needs to know who there is. Nobody
//! trusts its cache who has not reported for as long as [`MEMBER_FOR`], or is fresh only as of a
//! moment before it joined ([`idp_token::membership`]). So whoever is not known here has nothing
//! to serve that was taken away before it will be known, with one exception: for that long after
//! this process took over from another, there may be gateways that reported to that one. Until they
//! are known, or can trust nothing any more, they count as one with the longest lease there is.
//!
//! Time is this machine's own. Clocks of machines may differ in speed by a hundredth. A route that
//! tolerates more than the lease is not waited for: that is what it was told to tolerate.

use std::collections::HashMap;
use std::time::Duration;

use idp_token::ask::report::{GatewayId, LEASE_MAX, Report};
use idp_token::epoch::Seq;
use idp_token::membership::MEMBER_FOR;
use idp_token::time::BootTime;

pub const GATEWAYS_MAX: usize = 256;

#[derive(Debug, Default)]
pub struct Receipts {
    /// When it took over from an earlier process.
    began_at: Option<BootTime>,
    gateways: HashMap<GatewayId, Receipt>,
}

/// What is known of one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    pub lease: Duration,
    /// All changes up to this one are in force there.
    pub applied: Seq,
    pub heard_at: BootTime,
}

/// A gateway whose report is not taken trusts nothing that it remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {GATEWAYS_MAX} gateways already")]
pub struct Crowded;

/// A change that somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaited {
    pub seq: Seq,
    /// When it was known to be committed: the clock is read after that.
    pub committed_by: BootTime,
}

/// How far a change has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// These may still serve what it took away.
    pub missing: Vec<GatewayId>,
    /// When it is worth another look, if no report comes before; none if it is everywhere.
    pub until: Option<BootTime>,
}

impl Receipts {
    /// Where a store was made anew: no gateway has ever reported to anybody.
    #[must_use]
    pub fn first() -> Self {
        Self::default()
    }

    /// Where there was a process before this one.
    #[must_use]
    pub fn take_over(now: BootTime) -> Self {
        Self {
            began_at: Some(now),
            gateways: HashMap::new(),
        }
    }

    /// Takes note of a report, before it is acknowledged. Reports may come in any order.
    pub fn note(&mut self, report: &Report, now: BootTime) -> Result<(), Crowded> {
        self.gateways.retain(|_, known| known.is_member(now));
        if self.gateways.len() >= GATEWAYS_MAX && !self.gateways.contains_key(&report.gateway) {
            return Err(Crowded);
        }
        let heard = Receipt {
            lease: report.lease,
            applied: report.applied,
            heard_at: now,
        };
        self.gateways
            .entry(report.gateway)
            .and_modify(|known| known.merge(heard))
            .or_insert(heard);
        Ok(())
    }

    #[must_use]
    pub fn standing(&self, awaited: Awaited, now: BootTime) -> Standing {
        let mut missing = Vec::new();
        let mut until = self.strangers_until(awaited).filter(|until| now < *until);
        for (id, known) in self.members(now) {
            let lapses_at = lapsed(awaited.committed_by, known.lease);
            if known.applied < awaited.seq && now < lapses_at {
                missing.push(id);
                until = until.max(Some(lapses_at));
            }
        }
        missing.sort_unstable();
        Standing { missing, until }
    }

    /// Those that may trust what they remember.
    pub fn members(&self, now: BootTime) -> impl Iterator<Item = (GatewayId, Receipt)> {
        let members = self
            .gateways
            .iter()
            .filter(move |(_, it)| it.is_member(now));
        members.map(|(id, receipt)| (*id, *receipt))
    }

    /// Until when gateways may serve what was taken away that only an earlier process knew.
    fn strangers_until(&self, awaited: Awaited) -> Option<BootTime> {
        let known_at = lapsed(self.began_at?, MEMBER_FOR);
        Some(known_at.min(lapsed(awaited.committed_by, LEASE_MAX)))
    }
}

impl Receipt {
    fn is_member(&self, now: BootTime) -> bool {
        now < lapsed(self.heard_at, MEMBER_FOR)
    }

    /// The longest lease counts: which report is the latest is not known.
    fn merge(&mut self, other: Self) {
        self.lease = self.lease.max(other.lease);
        self.applied = self.applied.max(other.applied);
        self.heard_at = self.heard_at.max(other.heard_at);
    }
}

/// When so long has passed on every clock.
fn lapsed(since: BootTime, span: Duration) -> BootTime {
    // A span is over a little after it, which is not the same moment.
    let longest = span + span / 100 + Duration::from_millis(1);
    BootTime(since.0.saturating_add(longest))
}

#[cfg(test)]
mod tests;
