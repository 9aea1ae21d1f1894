//! What lies where in the file, and how a file of an older program becomes one of this.
//!
//! Three tables: records under their keys, each with its version in front; rows of the outbox under
//! their numbers; and what the store knows of itself. The layout of a file is a number; each step
//! leads from one to the next, in a transaction of its own, so that a crash leaves one or the other.
//! How a record is spelled has a version of its own and is none of this.

use redb::{Database, ReadableDatabase as _, ReadableTable, TableDefinition, WriteTransaction};

use idp_core::store::{RowId, Version};

use super::journal::JournalId;
use super::sealing::{KeyError, KeySource, SealingKey};

pub(super) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
pub(super) const OUTBOX: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("outbox");
pub(super) const SELF: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("self");

const LAYOUT: &str = "layout";
const MOMENT: &str = "moment";
/// There as long as a journal may hold what this file lacks.
const JOURNAL: &str = "journal";
/// There as long as nobody has begun to work with a copy.
const COPY: &str = "copy";
const KEY_CHECK: &str = "key check";
const KEY_CHECK_TEXT: &[u8] = b"sealed by the key of this store";

pub(super) type Step = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// The step at index n leads from layout n to n + 1. Never change one; add another.
pub(super) const STEPS: &[Step] = &[make_tables, allow_journal, allow_lone_tokens];

#[derive(Debug, thiserror::Error)]
pub(super) enum LayoutError {
    #[error("layout {found} is not known, only those up to {known}")]
    Newer { found: u32, known: u32 },
    #[error("sealed with another key")]
    WrongKey,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the database failed")]
    Database(#[source] Box<redb::Error>),
}

impl<E: Into<redb::Error>> From<E> for LayoutError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

/// How far a store has come. Two stores of one origin at the same moment hold the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Of the last transaction.
    pub version: Version,
    /// Of the last change, published or not.
    pub row: RowId,
}

impl Moment {
    const BEGINNING: Self = Self {
        version: Version(0),
        row: RowId(0),
    };

    pub(super) fn read(
        own: &impl ReadableTable<&'static str, &'static [u8]>,
    ) -> redb::Result<Self> {
        let Some(found) = own.get(MOMENT)? else {
            return Ok(Self::BEGINNING);
        };
        let (version, row) = numbers(found.value())
            .ok_or_else(|| redb::StorageError::Corrupted("the moment is no moment".to_owned()))?;
        Ok(Self {
            version: Version(version),
            row: RowId(row),
        })
    }

    pub(super) fn write(
        self,
        own: &mut redb::Table<'_, &'static str, &'static [u8]>,
    ) -> redb::Result {
        let bytes = [self.version.0.to_be_bytes(), self.row.0.to_be_bytes()].concat();
        own.insert(MOMENT, bytes.as_slice())?;
        Ok(())
    }
}

fn numbers(bytes: &[u8]) -> Option<(u64, u64)> {
    let (first, second) = bytes.split_first_chunk()?;
    Some((
        u64::from_be_bytes(*first),
        u64::from_be_bytes(second.try_into().ok()?),
    ))
}

/// Takes the file from whatever layout it has to the last one.
pub(super) fn migrate(database: &Database, steps: &[Step]) -> Result<(), LayoutError> {
    let found = find_layout(database)?;
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(LayoutError::Newer { found, known });
    }
    for (step, layout) in steps
        .iter()
        .zip(1..)
        .skip_while(|(_, layout)| *layout <= found)
    {
        let writing = database.begin_write()?;
        step(&writing)?;
        writing
            .open_table(SELF)?
            .insert(LAYOUT, u32::to_be_bytes(layout).as_slice())?;
        writing.commit()?;
    }
    Ok(())
}

fn find_layout(database: &Database) -> Result<u32, LayoutError> {
    let own = match database.begin_read()?.open_table(SELF) {
        Ok(own) => own,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    let found = own.get(LAYOUT)?;
    let layout = found.map(|layout| layout.value().try_into().map(u32::from_be_bytes));
    match layout {
        Some(Ok(layout)) => Ok(layout),
        None | Some(Err(_)) => {
            let what = "the number of the layout is missing".to_owned();
            Err(redb::StorageError::Corrupted(what).into())
        }
    }
}

/// Says of a database that it is a copy of all there was at a moment, with no journal beside it.
pub(super) fn mark_copy(writing: &WriteTransaction, of: Moment) -> Result<(), redb::Error> {
    let mut own = writing.open_table(SELF)?;
    own.insert(COPY, [].as_slice())?;
    own.remove(JOURNAL)?;
    of.write(&mut own)?;
    Ok(())
}

pub(super) fn is_copy(database: &Database) -> Result<bool, LayoutError> {
    let own = database.begin_read()?.open_table(SELF)?;
    Ok(own.get(COPY)?.is_some())
}

pub(super) fn unmark_copy(database: &Database) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    writing.open_table(SELF)?.remove(COPY)?;
    writing.commit()?;
    Ok(())
}

/// Which journal belongs to this file; none if all that was ever acknowledged is in it.
pub(super) fn find_journal(database: &Database) -> Result<Option<JournalId>, LayoutError> {
    let own = database.begin_read()?.open_table(SELF)?;
    let Some(id) = own.get(JOURNAL)? else {
        return Ok(None);
    };
    let id = id
        .value()
        .try_into()
        .map_err(|_| redb::StorageError::Corrupted("the journal has no name".to_owned()))?;
    Ok(Some(id))
}

pub(super) fn name_journal(
    database: &Database,
    journal: Option<JournalId>,
) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    {
        let mut own = writing.open_table(SELF)?;
        match journal {
            Some(id) => own.insert(JOURNAL, id.as_slice())?,
            None => own.remove(JOURNAL)?,
        };
    }
    writing.commit()?;
    Ok(())
}

/// Programs of the layout before know nothing of a journal, and would miss what is in it.
#[expect(clippy::unnecessary_wraps, reason = "a step may fail")]
const fn allow_journal(_: &WriteTransaction) -> Result<(), redb::Error> {
    Ok(())
}

/// Programs of the layout before do not find a token that is all there is of its session.
#[expect(clippy::unnecessary_wraps, reason = "a step may fail")]
const fn allow_lone_tokens(_: &WriteTransaction) -> Result<(), redb::Error> {
    Ok(())
}

fn make_tables(writing: &WriteTransaction) -> Result<(), redb::Error> {
    writing.open_table(RECORDS)?;
    writing.open_table(OUTBOX)?;
    writing.open_table(SELF)?;
    Ok(())
}

/// The key of this store. That it is the right one is known at once, and not from the first record
/// that it does not open.
pub(super) fn unlock(database: &Database, source: &KeySource) -> Result<SealingKey, LayoutError> {
    let own = database.begin_read()?.open_table(SELF)?;
    let check = own.get(KEY_CHECK)?.map(|sealed| sealed.value().to_vec());
    let key = source.find(check.is_none())?;
    match check {
        None => lock(database, &key)?,
        Some(sealed) => {
            let text = key.open(&sealed, KEY_CHECK.as_bytes());
            if !text.is_ok_and(|text| text.as_slice() == KEY_CHECK_TEXT) {
                return Err(LayoutError::WrongKey);
            }
        }
    }
    Ok(key)
}

fn lock(database: &Database, key: &SealingKey) -> Result<(), LayoutError> {
    let mut sealed = Vec::new();
    key.seal(KEY_CHECK_TEXT, KEY_CHECK.as_bytes(), &mut sealed)
        .map_err(|_| KeyError::Random)?;
    let writing = database.begin_write()?;
    writing
        .open_table(SELF)?
        .insert(KEY_CHECK, sealed.as_slice())?;
    writing.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
