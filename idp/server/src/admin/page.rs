//! Lists, page by page.

use idp_core::record::Record;
use idp_core::store::{Key, Range, Store as _, Stored};
use serde::{Deserialize, Serialize};

use super::answer::Problem;
use crate::desk::{Desk, Unanswerable};

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// The last one of the page before.
    pub(super) after: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct Page<T> {
    items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(super) struct Found {
    records: Vec<Stored>,
    has_more: bool,
}

impl Paging {
    pub(super) const fn new(after: Option<String>, limit: Option<usize>) -> Self {
        Self { after, limit }
    }

    /// The records of a range after this key.
    pub(super) async fn read(
        &self,
        desk: &Desk,
        range: Range,
        after: Option<Key>,
    ) -> Result<Found, Problem> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::Limit(LIMIT_MAX));
        }
        let scanned = desk.store.scan(&range, after.as_ref(), limit + 1).await;
        let mut records = scanned.map_err(Unanswerable::from)?;
        let has_more = records.len() > limit;
        records.truncate(limit);
        Ok(Found { records, has_more })
    }
}

impl<T> Page<T> {
    /// One item, or nothing.
    pub(super) fn only(item: Option<T>) -> Self {
        Self {
            items: item.into_iter().collect(),
            next: None,
        }
    }
}

impl Found {
    /// Each item with what the page after it is asked for with.
    pub(super) fn tell<T>(self, tell: impl Fn(&Record) -> Option<(String, T)>) -> Page<T> {
        let told = self
            .records
            .iter()
            .filter_map(|stored| tell(&stored.record));
        page(told, self.has_more)
    }

    /// The same page of what its records stand for.
    pub(super) fn with<T>(
        self,
        records: impl Iterator<Item = Record>,
        tell: impl Fn(&Record) -> Option<(String, T)>,
    ) -> Page<T> {
        let told = records.filter_map(|record| tell(&record));
        page(told, self.has_more)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().map(|stored| &stored.record)
    }
}

fn page<T>(told: impl Iterator<Item = (String, T)>, has_more: bool) -> Page<T> {
    let (names, items): (Vec<_>, Vec<_>) = told.unzip();
    Page {
        items,
        next: names.into_iter().last().filter(|_| has_more),
    }
}
