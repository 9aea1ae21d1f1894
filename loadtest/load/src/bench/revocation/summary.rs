//! What the figures say, and whether a promise is broken.

use serde::Serialize;

use super::{EverywhereRow, IdlenessRow, LagRow, LookupsRow, ReceiptsRow};
use crate::bench::conditions::Conditions;
use crate::bench::report::{Table, show_conditions};

const LAG_P99_MS_MAX: f64 = 50.0;
const LEASE_MS: f64 = 1000.0;

const HOW_TO_READ: &str = "\
## How to read it
1. The delay is from the identity provider's acknowledgement, which comes when the change is on its disk,
   to the end of the first answer that refuses the token, at each of four gateways that knew it and were
   asked for it all the time.
2. Commands of Redis are all it carried out in that time, for everybody and in scripts. What is allowed
   is half as much again as it carried out before, in as long a time and with sessions ended at the same
   pace, but without these requests.
3. A receipt is broken by a request that was begun after it and let through. Gateways are held by SIGSTOP
   for up to 0.4 s, one after the other, all the time.
4. Sessions lie idle for the time that ends them, less or more the time between two reports; gateways
   are killed meanwhile.
";

#[derive(Debug, Serialize)]
pub(super) struct RevocationReport {
    bench: &'static str,
    conditions: Conditions,
    pub(super) lag: Vec<LagRow>,
    pub(super) lookups: Option<LookupsRow>,
    pub(super) receipts: Option<ReceiptsRow>,
    pub(super) everywhere: Option<EverywhereRow>,
    pub(super) idleness: Option<IdlenessRow>,
    /// Requests that reached the service with a credential of a client.
    pub(super) leaks: u64,
}

impl RevocationReport {
    pub(super) fn new(conditions: Conditions) -> Self {
        Self {
            bench: "revocation",
            conditions,
            lag: Vec::new(),
            lookups: None,
            receipts: None,
            everywhere: None,
            idleness: None,
            leaks: 0,
        }
    }

    pub(super) fn table(&self) -> String {
        let mut table = Table::new(&["what", "how much", "seen", "aim"]);
        let mut push = |cells: [String; 4]| table.push(cells.into());
        for row in &self.lag {
            let with = if row.with_redis { "with" } else { "without" };
            push([
                format!("delay of a refusal, {with} Redis"),
                format!("{} revocations", row.revocations),
                format!(
                    "p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
                    row.p50_ms, row.p99_ms, row.max_ms
                ),
                format!("p99 {LAG_P99_MS_MAX} ms, at most {LEASE_MS} ms"),
            ]);
        }
        if let Some(row) = &self.lookups {
            push([
                "look-ups for known tokens".into(),
                format!("{} requests in {:.0} s", row.requests, row.seconds),
                format!(
                    "{} commands of Redis, {} questions, {} answers not 2xx",
                    row.redis_commands, row.idp_questions, row.unexpected
                ),
                format!("{} commands, 0 not 2xx", row.commands_allowed),
            ]);
        }
        if let Some(row) = &self.receipts {
            push([
                "receipts".into(),
                format!("{} orders, {} pauses", row.whole + row.begun, row.pauses),
                format!("{} given, {} broken", row.whole, row.accepted),
                "0 broken".into(),
            ]);
        }
        if let Some(row) = &self.everywhere {
            push([
                "signed out everywhere".into(),
                format!("{} sessions", row.sessions),
                format!(
                    "{} change, acknowledged in {:.1} ms; refused after {:.1} ms (single: {:.1}), \
                     at most {:.1}; memory +{} KiB",
                    row.changes,
                    row.took_ms,
                    row.p50_ms,
                    row.single_p50_ms,
                    row.max_ms,
                    row.grown_kib
                ),
                "1 change".into(),
            ]);
        }
        if let Some(row) = &self.idleness {
            push([
                "sliding expiry".into(),
                format!("{} sessions, {} kills", row.sessions, row.kills),
                format!("{} early, {} late", row.early, row.late),
                "0 and 0".into(),
            ]);
        }
        table.to_markdown()
    }

    /// The promise that the figures break.
    pub(super) fn verdict(&self) -> Option<String> {
        let slow = self
            .lag
            .iter()
            .any(|row| row.p99_ms > LAG_P99_MS_MAX || row.max_ms > LEASE_MS);
        let asked = self
            .lookups
            .as_ref()
            .is_some_and(|row| row.redis_commands > row.commands_allowed || row.unexpected > 0);
        let broken = self.receipts.as_ref().is_some_and(|row| row.accepted > 0);
        let changes = self.everywhere.as_ref().is_some_and(|row| row.changes != 1);
        let idled = self
            .idleness
            .as_ref()
            .is_some_and(|row| row.early + row.late > 0);
        let found = [
            (slow, "a token was refused too late"),
            (
                asked,
                "a known token cost a look-up, or was not let through",
            ),
            (broken, "a receipt did not hold"),
            (changes, "signing out everywhere was not one change"),
            (idled, "a session ended too early or too late"),
            (self.leaks > 0, "a service saw a client's credential"),
        ];
        let words = found.into_iter().find(|(is_so, _)| *is_so);
        words.map(|(_, words)| words.to_owned())
    }

    pub(super) fn to_markdown(&self, table: &str) -> String {
        format!(
            "# Revocation: how soon, at what cost\n\n{table}\n{HOW_TO_READ}\n## Conditions\n{}",
            show_conditions(&self.conditions)
        )
    }
}
