//! The table of banks: read whole, read by what changed, and its dates and tags.
//!
//! A removed bank leaves a tombstone with the moment of its removal, so that a delta can say so.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::answer::{self, Etag, Modified, Representation};
use crate::clock::Timestamp;
use crate::ids::BankCode;
use crate::problem::Refusal;
use crate::seed::Bank;

const CACHE: &str = "public, max-age=60";
/// A delta is asked for to learn what is new, which a cache does not know.
const DELTA_CACHE: &str = "public, no-cache";
/// Banks and tombstones together.
const ROWS_MAX: usize = 20_000;
const TEXT_CHARS_MAX: usize = 200;

#[derive(Debug)]
pub(crate) struct Table(RwLock<Rows>);

#[derive(Debug)]
struct Rows {
    by_code: BTreeMap<BankCode, Row>,
    changed_at: Timestamp,
    /// The whole table as bytes, made once per change rather than once per request.
    whole: Bytes,
    etag: Etag,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Row {
    Open(Bank),
    #[serde(rename_all = "camelCase")]
    Removed {
        bank_code: BankCode,
        changed_at: Timestamp,
        version: u64,
        deleted: bool,
    },
}

/// What can be said about a bank besides its code.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BankContents {
    name: String,
    country: String,
}

impl BankContents {
    fn check(&self) -> Result<(), Refusal> {
        let is_text = |text: &str| (1..=TEXT_CHARS_MAX).contains(&text.chars().count());
        if is_text(&self.name) && is_text(&self.country) {
            return Ok(());
        }
        Err(Refusal::Body(format!(
            "texts have 1 to {TEXT_CHARS_MAX} characters"
        )))
    }
}

impl Row {
    fn bank(&self) -> Option<&Bank> {
        if let Self::Open(bank) = self {
            Some(bank)
        } else {
            None
        }
    }

    fn changed_at(&self) -> Timestamp {
        match self {
            Self::Open(bank) => bank.changed_at,
            Self::Removed { changed_at, .. } => *changed_at,
        }
    }

    fn version(&self) -> u64 {
        match self {
            Self::Open(bank) => bank.version,
            Self::Removed { version, .. } => *version,
        }
    }
}

impl Table {
    pub(crate) fn new(banks: impl Iterator<Item = Bank>) -> Self {
        let by_code: BTreeMap<_, _> = banks
            .map(|bank| (bank.bank_code.clone(), Row::Open(bank)))
            .collect();
        let changed_at = by_code
            .values()
            .map(Row::changed_at)
            .max()
            .unwrap_or_default();
        let whole = render(&by_code);
        let etag = Etag::of(&whole);
        Self(RwLock::new(Rows {
            by_code,
            changed_at,
            whole,
            etag,
        }))
    }

    pub(crate) fn all(&self, now: Timestamp) -> Representation {
        let rows = self.rows();
        Representation {
            body: rows.whole.clone(),
            etag: rows.etag.clone(),
            modified: Some(Modified {
                changed: rows.changed_at,
                now,
            }),
            cache: CACHE,
        }
    }

    /// The moment itself is included: a change in the second that a client was told of last may
    /// have come after it was told.
    pub(crate) fn changed_since(&self, since: Timestamp, now: Timestamp) -> Representation {
        let rows = self.rows();
        let changed = rows
            .by_code
            .values()
            .filter(|row| row.changed_at() >= since);
        let delta = Representation::of(&changed.collect::<Vec<_>>(), DELTA_CACHE);
        Representation {
            modified: Some(Modified {
                changed: rows.changed_at,
                now,
            }),
            ..delta
        }
    }

    pub(crate) fn one(&self, code: &BankCode, now: Timestamp) -> Option<Representation> {
        let rows = self.rows();
        let bank = rows.by_code.get(code)?.bank()?;
        let modified = Some(Modified {
            changed: bank.changed_at,
            now,
        });
        Some(Representation {
            modified,
            ..Representation::of(bank, CACHE)
        })
    }

    pub(crate) fn is_open(&self, code: &BankCode) -> bool {
        self.rows()
            .by_code
            .get(code)
            .is_some_and(|row| row.bank().is_some())
    }

    pub(crate) fn put(
        &self,
        code: BankCode,
        contents: BankContents,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        contents.check()?;
        let mut rows = self.rows_mut();
        let version = rows.by_code.get(&code).map_or(0, Row::version) + 1;
        if version == 1 && rows.by_code.len() >= ROWS_MAX {
            return Err(Refusal::StoreFull);
        }
        let changed_at = rows.next_change(now);
        let BankContents { name, country } = contents;
        let bank = Bank {
            bank_code: code.clone(),
            name,
            country,
            changed_at,
            version,
        };
        rows.replace(code, Row::Open(bank));
        Ok(())
    }

    pub(crate) fn remove(&self, code: &BankCode, now: Timestamp) -> Result<(), Refusal> {
        let mut rows = self.rows_mut();
        let bank = rows.by_code.get(code).and_then(Row::bank);
        let version = bank.ok_or(Refusal::Unknown("bank"))?.version + 1;
        let changed_at = rows.next_change(now);
        let bank_code = code.clone();
        rows.replace(
            code.clone(),
            Row::Removed {
                bank_code,
                changed_at,
                version,
                deleted: true,
            },
        );
        Ok(())
    }

    fn rows(&self) -> RwLockReadGuard<'_, Rows> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows_mut(&self) -> RwLockWriteGuard<'_, Rows> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    /// A clock that was set back must not hide a change from those who were told of the last one.
    fn next_change(&self, now: Timestamp) -> Timestamp {
        if now < self.changed_at {
            self.changed_at.plus_seconds(1)
        } else {
            now
        }
    }

    fn replace(&mut self, code: BankCode, row: Row) {
        self.changed_at = row.changed_at();
        self.by_code.insert(code, row);
        self.whole = render(&self.by_code);
        self.etag = Etag::of(&self.whole);
    }
}

fn render(by_code: &BTreeMap<BankCode, Row>) -> Bytes {
    let open: Vec<&Bank> = by_code.values().filter_map(Row::bank).collect();
    answer::json(&open)
}
