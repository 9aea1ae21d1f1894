//! What the figures say, and whether a promise is broken.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{EverywhereRow, FloodRow, IdlenessRow, LagRow, LookupsRow, ReceiptsRow};
use crate::bench::conditions::Conditions;
use crate::bench::report::{Table, show_conditions};
use crate::bench::{BenchError, read};

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
   are killed meanwhile, and the clocks of two of them are two minutes behind and ahead.
5. Bad tokens are forged (all but the secret and the tag is right), have one bit flipped, or are over, in
   turn, and come at a fixed pace from 200 addresses; so do good ones. Each client is told 401 three hundred
   times in ten seconds, and 429 past that. What they reach is counted at 10,000 a second.
6. What they cost others is timed at 5,000 a second beside 2,000 good ones, in turns of a tenth of a second:
   good requests alone, beside bad tokens, and beside the same bytes in a field that nobody reads, which are
   refused for want of a token. Each block has a turn of each kind, in an order of chance; requests are sent
   when they are due, which is at random moments, the same within a block. The gateway, with one worker, has
   a CPU to itself. Load, service, Redis and the identity provider share the other one, and what sends bad
   tokens gives way to all of them (SCHED_IDLE), so that it delays nobody but through the gateway. All
   others go before whatever else the machine does, if they may (\"real time\").
7. A factor is that of the p99 of two turns of one block: Hodges and Lehmann's estimate over all blocks, and
   the interval of Wilcoxon's signed ranks with a confidence of 95 %, all of which must lie below 1.1. The
   p99 of all requests of a kind stand beside it: a few stalls of the machine move these. A refusal costs
   what the gateway has of its CPU beyond what it has in the quiet turn of the block; `./dev cost` counts it.
";

#[derive(Debug, Serialize)]
pub(super) struct RevocationReport {
    bench: &'static str,
    /// Of the last run; what it did not measure has the conditions of an earlier one.
    conditions: Conditions,
    #[serde(flatten)]
    pub(super) parts: Parts,
    /// Requests that reached the service with a credential of a client.
    pub(super) leaks: u64,
    /// Of this run among the processes of the machine, if it is another one than that of most.
    #[serde(skip)]
    priority: String,
}

/// What can be measured by itself.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Parts {
    lag: Vec<Part<LagRow>>,
    pub(super) lookups: Option<Part<LookupsRow>>,
    pub(super) receipts: Option<Part<ReceiptsRow>>,
    pub(super) everywhere: Option<Part<EverywhereRow>>,
    pub(super) idleness: Option<Part<IdlenessRow>>,
    #[serde(rename = "flood_turns")]
    pub(super) flood: Option<Part<FloodRow>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Part<T> {
    made: String,
    #[serde(flatten)]
    row: T,
}

impl Parts {
    /// Those of the report that is there; none if there is no report.
    pub(super) fn of_report(file: &Path) -> Result<Self, BenchError> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(BenchError::io("cannot read the last report")(error)),
        };
        serde_json::from_str(&text).map_err(|error| BenchError::Unreadable {
            what: "the last report",
            text: error.to_string(),
        })
    }
}

impl RevocationReport {
    pub(super) fn new(conditions: Conditions, parts: Parts) -> Result<Self, BenchError> {
        let stat = read("/proc/self/stat", "the priority of this process")?;
        Ok(Self {
            bench: "revocation",
            conditions,
            parts,
            leaks: 0,
            priority: priority(&stat).unwrap_or_default(),
        })
    }

    pub(super) fn made<T>(&self, row: T) -> Part<T> {
        let made = format!("{}{}", self.conditions.date, self.priority);
        Part { made, row }
    }

    pub(super) fn note_lag(&mut self, row: LagRow) {
        let part = self.made(row);
        let lag = &mut self.parts.lag;
        lag.retain(|it| it.row.with_redis != part.row.with_redis);
        lag.push(part);
        lag.sort_by_key(|it| !it.row.with_redis);
    }

    pub(super) fn table(&self) -> String {
        let parts = &self.parts;
        let mut table = Table::new(&["what", "how much", "seen", "aim", "measured"]);
        let mut push = |made: &str, cells: [String; 4]| {
            let mut cells: Vec<_> = cells.into();
            cells.push(made.to_owned());
            table.push(cells);
        };
        for Part { made, row } in &parts.lag {
            push(made, row.cells());
        }
        if let Some(Part { made, row }) = &parts.lookups {
            push(made, row.cells());
        }
        if let Some(Part { made, row }) = &parts.receipts {
            push(made, row.cells());
        }
        if let Some(Part { made, row }) = &parts.everywhere {
            push(made, row.cells());
        }
        if let Some(Part { made, row }) = &parts.idleness {
            push(made, row.cells());
        }
        if let Some(Part { made, row }) = &parts.flood {
            row.rows().into_iter().for_each(|cells| push(made, cells));
        }
        table.to_markdown()
    }

    /// The promise that the figures break.
    pub(super) fn verdict(&self) -> Option<String> {
        let parts = &self.parts;
        let is_slow =
            |it: &Part<LagRow>| it.row.p99_ms > LAG_P99_MS_MAX || it.row.max_ms > LEASE_MS;
        let asked = parts.lookups.as_ref().is_some_and(|it| {
            it.row.redis_commands > it.row.commands_allowed || it.row.unexpected > 0
        });
        let broken = parts
            .receipts
            .as_ref()
            .is_some_and(|it| it.row.accepted > 0);
        let changes = parts
            .everywhere
            .as_ref()
            .is_some_and(|it| it.row.changes != 1);
        let idled = parts.idleness.as_ref();
        let found = [
            (
                parts.lag.iter().any(is_slow),
                "a token was refused too late",
            ),
            (
                asked,
                "a known token cost a look-up, or was not let through",
            ),
            (broken, "a receipt did not hold"),
            (changes, "signing out everywhere was not one change"),
            (
                idled.is_some_and(|it| it.row.early + it.row.late > 0),
                "a session ended too early or too late",
            ),
            (self.leaks > 0, "a service saw a client's credential"),
        ];
        let flooded = parts.flood.as_ref().and_then(|it| it.row.verdict());
        let words = found.into_iter().find(|(is_so, _)| *is_so);
        words.map(|(_, words)| words).or(flooded).map(str::to_owned)
    }

    pub(super) fn to_markdown(&self, table: &str) -> String {
        format!(
            "# Revocation: how soon, at what cost\n\n{table}\n{HOW_TO_READ}\n## Conditions\n{}",
            show_conditions(&self.conditions)
        )
    }
}

impl LagRow {
    fn cells(&self) -> [String; 4] {
        let with = if self.with_redis { "with" } else { "without" };
        [
            format!("delay of a refusal, {with} Redis"),
            format!("{} revocations", self.revocations),
            format!(
                "p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
                self.p50_ms, self.p99_ms, self.max_ms
            ),
            format!("p99 {LAG_P99_MS_MAX} ms, at most {LEASE_MS} ms"),
        ]
    }
}

impl LookupsRow {
    fn cells(&self) -> [String; 4] {
        [
            "look-ups for known tokens".to_owned(),
            format!(
                "{} requests in {:.0} s, {} revocations",
                self.requests, self.seconds, self.revocations
            ),
            format!(
                "{} commands of Redis, {} questions, {} answers not 2xx",
                self.redis_commands, self.idp_questions, self.unexpected
            ),
            format!("{} commands, 0 not 2xx", self.commands_allowed),
        ]
    }
}

impl ReceiptsRow {
    fn cells(&self) -> [String; 4] {
        [
            "receipts".to_owned(),
            format!("{} orders, {} pauses", self.whole + self.begun, self.pauses),
            format!("{} given, {} broken", self.whole, self.accepted),
            "0 broken".to_owned(),
        ]
    }
}

impl EverywhereRow {
    fn cells(&self) -> [String; 4] {
        [
            "signed out everywhere".to_owned(),
            format!("{} sessions", self.sessions),
            format!(
                "{} change, acknowledged in {:.1} ms; refused after {:.1} ms (single: {:.1}), \
                 at most {:.1}; memory +{} KiB",
                self.changes,
                self.took_ms,
                self.p50_ms,
                self.single_p50_ms,
                self.max_ms,
                self.grown_kib
            ),
            "1 change".to_owned(),
        ]
    }
}

impl IdlenessRow {
    fn cells(&self) -> [String; 4] {
        [
            "sliding expiry".to_owned(),
            format!("{} sessions, {} kills", self.sessions, self.kills),
            format!("{} early, {} late", self.early, self.late),
            "0 and 0".to_owned(),
        ]
    }
}

/// What `/proc/PID/stat` says of it, behind a comma; nothing of the ordinary one.
fn priority(stat: &str) -> Option<String> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<_> = rest.split_ascii_whitespace().collect();
    match (*fields.get(16)?, *fields.get(38)?) {
        (_, "1" | "2") => Some(", real time".to_owned()),
        ("0", _) => None,
        (nice, _) => Some(format!(", nice {nice}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_priority_is_told_if_it_is_another_than_that_of_most() {
        let stat = |nice: &str, policy: &str| {
            let mut fields = vec!["0"; 50];
            fields[16] = nice;
            fields[38] = policy;
            format!("7 (load bench) {}", fields.join(" "))
        };
        let cases = [
            (stat("0", "0"), None),
            (stat("-10", "0"), Some(", nice -10")),
            (stat("0", "1"), Some(", real time")),
            ("7 (load) S".to_owned(), None),
        ];
        for (stat, expected) in cases {
            assert_eq!(priority(&stat).as_deref(), expected, "{stat}");
        }
    }
}
