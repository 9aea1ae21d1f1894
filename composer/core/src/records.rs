//! Which records did an answer bring, and whose are they?
//!
//! A record is known by its key member and never by where it stands. One that nobody asked for is
//! dropped; a key that no record came for is absent, which is knowledge, not failure.

use std::collections::HashMap;
use std::sync::Arc;

use crate::json::{Items, Json, Name, Value};
use crate::keys::{Key, Wanted};
use crate::plan::{Lookup, LookupSource};

#[cfg(test)]
mod tests;

/// What a batch brought for each key that was asked for, in their order.
#[derive(Debug, Default)]
pub struct Brought {
    pub records: Vec<(Key, Fetched)>,
    pub odd: Odd,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    Record(Record),
    /// The version that is held is the current one.
    Unchanged,
    /// There is no such record.
    Absent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// A part of the answer, which it keeps alive; copy it to keep it for long.
    pub json: Json,
    pub version: Option<Arc<str>>,
}

/// What changed in a table, in the order in which it was told; `None` for what is gone.
#[derive(Debug, Default)]
pub struct Changes {
    pub rows: Vec<(Key, Option<Json>)>,
    pub odd: Odd,
}

/// What was passed over, to be counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Odd {
    /// Records that nobody asked for.
    pub unasked: u64,
    /// Records without a key.
    pub keyless: u64,
    /// Records that came again in the same answer; the last one counts.
    pub repeated: u64,
    /// Members that were in one object twice; the last one counts.
    pub duplicates: u64,
}

/// The answer has no array where it is declared to have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no array of records where one is declared")]
pub struct NoArray;

/// Reads the answer to a batch.
pub fn of_batch(body: &Json, lookup: &Lookup, wanted: &[Wanted]) -> Result<Brought, NoArray> {
    let mut odd = Odd::default();
    let asked = wanted.iter().enumerate();
    let asked: HashMap<&str, usize> = asked.map(|(place, it)| (it.key.as_str(), place)).collect();
    let mut found: Vec<Fetched> = vec![Fetched::Absent; wanted.len()];
    for item in items(body, &lookup.items, &mut odd)? {
        let Some(key) = key_of(item, &lookup.key, &mut odd) else {
            continue;
        };
        let Some((place, slot)) = asked
            .get(key.as_str())
            .and_then(|place| Some((*place, found.get_mut(*place)?)))
        else {
            odd.unasked += 1;
            continue;
        };
        odd.repeated += u64::from(*slot != Fetched::Absent);
        let is_versioned = wanted.get(place).is_some_and(|want| want.version.is_some());
        *slot = if is_versioned && is_unchanged(item, &mut odd) {
            Fetched::Unchanged
        } else {
            Fetched::Record(Record {
                json: body.share(item),
                version: version_of(item, lookup, &mut odd),
            })
        };
    }
    let keys = wanted.iter().map(|want| want.key.clone());
    Ok(Brought {
        records: keys.zip(found).collect(),
        odd,
    })
}

/// Reads a table, or what changed in it.
pub fn of_table(body: &Json, lookup: &Lookup) -> Result<Changes, NoArray> {
    let mut changes = Changes::default();
    let odd = &mut changes.odd;
    for item in items(body, &lookup.items, odd)? {
        let Some(key) = key_of(item, &lookup.key, odd) else {
            continue;
        };
        let is_gone = match &lookup.source {
            LookupSource::Table { deleted, .. } => item
                .member(deleted, &mut odd.duplicates)
                .is_some_and(Value::is_true),
            LookupSource::Batch { .. } => false,
        };
        changes
            .rows
            .push((key, (!is_gone).then(|| item.to_record())));
    }
    Ok(changes)
}

/// What was kept under a key, if it is a record of that key.
pub fn of_key(json: Json, lookup: &Lookup, key: &Key) -> Option<Record> {
    let mut odd = Odd::default();
    if key_of(json.value(), &lookup.key, &mut odd)? != *key {
        return None;
    }
    let version = version_of(json.value(), lookup, &mut odd);
    Some(Record { json, version })
}

fn items<'b>(body: &'b Json, path: &[Name], odd: &mut Odd) -> Result<Items<'b>, NoArray> {
    let array = body.follow(path, &mut odd.duplicates).ok_or(NoArray)?;
    array.items().ok_or(NoArray)
}

fn key_of(item: Value<'_>, name: &Name, odd: &mut Odd) -> Option<Key> {
    let member = item.member(name, &mut odd.duplicates);
    let key = member.and_then(|value| Key::of(value).ok().flatten());
    odd.keyless += u64::from(key.is_none());
    key
}

/// As a service says it: `{ memberId, version, unchanged: true }`.
fn is_unchanged(item: Value<'_>, odd: &mut Odd) -> bool {
    item.member(&Name::new("unchanged"), &mut odd.duplicates)
        .is_some_and(Value::is_true)
}

fn version_of(item: Value<'_>, lookup: &Lookup, odd: &mut Odd) -> Option<Arc<str>> {
    let name = lookup.version.as_ref()?;
    let version = item.member(name, &mut odd.duplicates)?.text()?;
    // A comma would make two versions of it in the list of those that are held.
    let is_sound =
        !version.is_empty() && version.len() <= VERSION_BYTES_MAX && !version.contains(',');
    is_sound.then(|| version.into())
}

/// Past this a version is not worth sending.
const VERSION_BYTES_MAX: usize = 128;
