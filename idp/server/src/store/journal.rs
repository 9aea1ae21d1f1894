//! What was acknowledged and is not yet in the database: a file beside it that is only appended to.
//!
//! A group of transactions becomes one frame ([`frame`]), one write and one `fsync`. The file has two
//! halves. Frames go into one until it is full or old enough; then it is the other one's turn, while
//! what the first holds is filed into the database ([`super::filing`]). A half is used again once the
//! database has all of it on disk.
//!
//! After a crash all whole frames are read back. The last one of all may be torn: nobody was told of
//! it, and it is left out. If anything else is not as it was written, the store is not opened, because
//! what was acknowledged would be missing.
//!
//! The file belongs to the database that names it. It is made with the first commit and goes with an
//! orderly end, when nothing is left in it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::{digest, rand};
use bytes::Bytes;
use idp_core::store::Version;

use super::disk::{FILE_MODE, sync_folder_of};
use super::layout::Moment;
use super::recent::Recent;
use frame::{Found, PAGE_BYTES, SALT_BYTES, Salt};

mod frame;

pub(super) use frame::{Entry, Frame};

/// By so much the file grows at a time, ahead of its frames: then an `fsync` has no length to write.
const AHEAD_BYTES: usize = 256 * 1024;
const MAGIC: &[u8; 16] = b"tollgate journal";
const FORMAT: u32 = 1;
const SUM_BYTES: usize = 32;
/// Less than a sector, so that it is written whole or not at all.
const HEADER_BYTES: usize = MAGIC.len() + 4 + ID_BYTES + 8 + 8 + SALT_BYTES + SUM_BYTES;
const ID_BYTES: usize = 16;

/// By which a database knows its journal.
pub(super) type JournalId = [u8; ID_BYTES];

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal of the store is missing, and changes that were acknowledged with it")]
    Missing,
    #[error("the journal beside the store is that of another one")]
    Foreign,
    #[error("the journal is of format {found}, and this program knows none after {FORMAT}")]
    Newer { found: u32 },
    #[error("the journal is damaged at byte {at}: changes that were acknowledged cannot be read")]
    Damaged { at: u64 },
    #[error("the journal goes on from version {found}, and the store ends at {known}")]
    Gap { found: u64, known: u64 },
    #[error("the journal cannot be used")]
    File(#[from] io::Error),
}

#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    id: JournalId,
    half_bytes: u64,
    /// How many halves were begun so far.
    turn: u64,
    salt: Salt,
    /// Behind the last frame.
    end: u64,
    /// Whether the half has its header.
    is_begun: bool,
    /// How far each half was made.
    made: [u64; 2],
}

pub(super) fn path_of(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(".journal");
    path.into()
}

/// What a half that is meant to be so long has to be: whole pages, a header and one frame at the least.
pub(super) const fn half_bytes(meant: u64, frame_bytes_max: usize) -> u64 {
    let least = (PAGE_BYTES + frame_bytes_max) as u64;
    let bytes = if meant < least { least } else { meant };
    bytes.next_multiple_of(PAGE_BYTES as u64)
}

pub(super) fn draw<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("there are no random bytes to be had"))?;
    Ok(bytes)
}

impl Journal {
    /// A new one, in the place of whatever an earlier one left. It is on disk when this returns.
    pub(super) fn create(store: &Path, id: JournalId, half_bytes: u64) -> io::Result<Self> {
        let path = path_of(store);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&path)?;
        file.sync_all()?;
        sync_folder_of(&path)?;
        let mut journal = Self {
            file,
            path,
            id,
            half_bytes,
            turn: 0,
            salt: [0; SALT_BYTES],
            end: 0,
            is_begun: false,
            made: [0; 2],
        };
        journal.turn()?;
        Ok(journal)
    }

    /// Begins the other half. What it held before must be in the database.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        self.salt = draw()?;
        self.turn += 1;
        self.end = self.half() + PAGE_BYTES as u64;
        self.is_begun = false;
        Ok(())
    }

    /// Where this half begins.
    const fn half(&self) -> u64 {
        if self.turn.is_multiple_of(2) {
            self.half_bytes
        } else {
            0
        }
    }

    /// How much more goes into this half.
    pub(super) fn room(&self) -> usize {
        let room = (self.half() + self.half_bytes).saturating_sub(self.end);
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// Writes a frame behind the last one. It counts once it is synced.
    pub(super) fn append(
        &mut self,
        frame: &mut Frame,
        before: Version,
        after: Moment,
    ) -> io::Result<Unsynced> {
        let bytes = frame.seal(&self.salt, before, after);
        let end = self.end + bytes.len() as u64;
        self.make(end)?;
        if !self.is_begun {
            let header = Header {
                id: self.id,
                half_bytes: self.half_bytes,
                turn: self.turn,
                salt: self.salt,
            };
            self.file.write_all_at(&header.spell(), self.half())?;
            self.is_begun = true;
        }
        self.file.write_all_at(bytes, self.end)?;
        Ok(Unsynced(end))
    }

    fn make(&mut self, end: u64) -> io::Result<()> {
        let half = self.half();
        let made = if half == 0 {
            &mut self.made[0]
        } else {
            &mut self.made[1]
        };
        while half + *made < end {
            self.file
                .write_all_at(&vec![0; AHEAD_BYTES], half + *made)?;
            *made += AHEAD_BYTES as u64;
        }
        Ok(())
    }

    pub(super) fn sync(&mut self, Unsynced(end): Unsynced) -> io::Result<()> {
        self.file.sync_data()?;
        self.end = end;
        Ok(())
    }

    /// Nothing is left in it that the database lacks, and the database names it no more.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// A frame that was written and may still be lost.
#[must_use]
pub(super) struct Unsynced(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    id: JournalId,
    half_bytes: u64,
    turn: u64,
    salt: Salt,
}

impl Header {
    fn spell(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT.to_be_bytes());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.half_bytes.to_be_bytes());
        out.extend_from_slice(&self.turn.to_be_bytes());
        out.extend_from_slice(&self.salt);
        let sum = digest::digest(&digest::SHA256, &out);
        out.extend_from_slice(sum.as_ref());
        out
    }

    /// None if the half was never begun.
    fn read(half: &[u8], at: u64) -> Result<Option<Self>, JournalError> {
        let damaged = JournalError::Damaged { at };
        let Some(bytes) = half.get(..HEADER_BYTES) else {
            return Ok(None);
        };
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(damaged);
        };
        let Some((format, rest)) = rest.split_first_chunk() else {
            return Err(damaged);
        };
        let format = u32::from_be_bytes(*format);
        if format > FORMAT {
            return Err(JournalError::Newer { found: format });
        }
        Self::read_rest(rest)
            .filter(|header| header.spell() == bytes)
            .map(Some)
            .ok_or(damaged)
    }

    fn read_rest(rest: &[u8]) -> Option<Self> {
        let (id, rest) = rest.split_first_chunk()?;
        let (half_bytes, rest) = rest.split_first_chunk()?;
        let (turn, rest) = rest.split_first_chunk()?;
        let (salt, _) = rest.split_first_chunk()?;
        Some(Self {
            id: *id,
            half_bytes: u64::from_be_bytes(*half_bytes),
            turn: u64::from_be_bytes(*turn),
            salt: *salt,
        })
    }
}

/// What a database lacks of what was acknowledged.
#[derive(Debug)]
pub(super) struct Replayed {
    pub(super) journal: Journal,
    pub(super) recent: Recent,
    /// The end of it.
    pub(super) moment: Moment,
}

/// Reads back what came after a moment.
pub(super) fn replay(
    store: &Path,
    (id, new_half_bytes): (JournalId, u64),
    known: Moment,
) -> Result<Replayed, JournalError> {
    let path = path_of(store);
    let opened = OpenOptions::new().read(true).write(true).open(&path);
    let file = opened.map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            JournalError::Missing
        } else {
            error.into()
        }
    })?;
    let mut halves = Vec::new();
    let mut half_bytes = new_half_bytes;
    // The first half is begun first, and says how long both of them are.
    for at in [0, 1] {
        let at = at * half_bytes;
        let head = read_part(&file, at, PAGE_BYTES as u64)?;
        let Some(header) = Header::read(&head, at)? else {
            break;
        };
        if header.id != id {
            return Err(JournalError::Foreign);
        }
        half_bytes = header.half_bytes;
        halves.push((header, read_part(&file, at, half_bytes)?, at));
    }
    halves.sort_by_key(|(header, ..)| header.turn);
    let turn = halves.last().map_or(0, |(header, ..)| header.turn);
    let mut replayed = Replayed {
        journal: Journal {
            file,
            path,
            id,
            half_bytes,
            turn,
            salt: [0; SALT_BYTES],
            end: 0,
            is_begun: false,
            made: [0; 2],
        },
        recent: Recent::default(),
        moment: known,
    };
    for (header, half, at) in &halves {
        replayed.read(header, half, *at)?;
    }
    // The last frame may have been written and not synced, and from now on it is shown.
    replayed.journal.file.sync_data()?;
    replayed.journal.turn()?;
    Ok(replayed)
}

/// As much of it as there is.
fn read_part(file: &File, at: u64, bytes: u64) -> io::Result<Vec<u8>> {
    use std::io::{Read as _, Seek as _};

    let mut part = Vec::new();
    let mut file = file;
    file.seek(io::SeekFrom::Start(at))?;
    file.take(bytes).read_to_end(&mut part)?;
    Ok(part)
}

impl Replayed {
    fn read(&mut self, header: &Header, half: &[u8], begins: u64) -> Result<(), JournalError> {
        let mut at = PAGE_BYTES;
        loop {
            let rest = half.get(at..).unwrap_or_default();
            let Some(found) = Found::at(rest, &header.salt) else {
                return self.check_end(header, rest, begins + at as u64);
            };
            self.take(&found, begins + at as u64)?;
            at += found.bytes();
        }
    }

    fn take(&mut self, found: &Found<'_>, at: u64) -> Result<(), JournalError> {
        if found.after.version <= self.moment.version {
            return Ok(());
        }
        if found.before != self.moment.version {
            return Err(JournalError::Gap {
                found: found.before.0,
                known: self.moment.version.0,
            });
        }
        let entries = found.entries().ok_or(JournalError::Damaged { at })?;
        let owned = |(key, value): Entry<'_>| {
            let value = value.map(Bytes::copy_from_slice);
            (Bytes::copy_from_slice(key), value)
        };
        let entries = entries.into_iter().map(owned);
        self.recent.write(found.after.version, entries);
        self.moment = found.after;
        Ok(())
    }

    /// One frame is written after the other was synced. So what is no frame is the end, or the last one
    /// that was begun, and nothing that the database lacks can lie behind it.
    fn check_end(&self, header: &Header, rest: &[u8], at: u64) -> Result<(), JournalError> {
        let pages = (PAGE_BYTES..rest.len()).step_by(PAGE_BYTES);
        let mut later = pages.filter_map(|page| Found::at(rest.get(page..)?, &header.salt));
        if later.any(|found| found.after.version > self.moment.version) {
            return Err(JournalError::Damaged { at });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
