//! Sessions by the million, in 153 bytes each.
//!
//! What many sessions have in common is kept once ([`shapes`]); of each its own ids, its times and the
//! signature of its value token are left ([`record`]). The marks of the fence and the id of the value
//! token follow from them and are computed at every use. A token is found by two cache lines at most
//! ([`index`]) and its record, none of which is written to by a read.
//!
//! What cannot be told so is not here: other algorithms than ES256, subjects with names, ids that are
//! not derived. Whether it can is tried by unpacking what was packed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use gateway_core::caller::Caller;
use idp_token::digest::{Alias, TokenDigest};
use idp_token::fence::{Fence, Marks, Stamp};
use idp_token::session::SessionId;
use idp_token::time::{BootTime, UnixSeconds};

use crate::identity::entry::{Entry, Value};
use form::{Filling, Form, SIGNATURE_BYTES};
use index::{Index, Way};
use record::{Record, WORDS};
use shapes::{Common, SHAPE_BYTES_MAX, Shape, Shapes};

mod form;
mod index;
mod record;
mod shapes;

/// Records are made so many at a time. An allocator rounds up, ours to a quarter of a power of two: a round
/// number of records would lose a tenth of all memory to that.
const CHUNK: usize = 142;
const _: () = assert!(CHUNK * size_of::<Record>() <= 20 << 10);
const _: () = assert!((CHUNK + 1) * size_of::<Record>() > 20 << 10);
/// One shape for so many bytes of the whole, up to a bound.
const BYTES_PER_SHAPE: u64 = 32 << 10;
const SHAPES_MAX: u64 = 8192;
/// Records have numbers of 32 bits.
const RECORDS_MAX: u64 = u32::MAX as u64 - 1;

pub(super) struct Packed {
    index: Index,
    /// Made when they are needed.
    chunks: Box<[OnceLock<Box<[Record]>>]>,
    shapes: Shapes,
    records_max: u32,
    /// Records that were ever used.
    used: AtomicU32,
    writing: Mutex<Writing>,
}

/// What only the one that writes knows.
#[derive(Default)]
struct Writing {
    /// Records that are free again.
    free: Vec<u32>,
    /// The record that the hand of the clock points at.
    hand: u32,
}

/// What a record says.
struct Said {
    digest: [u8; 16],
    shape: u32,
    stamp: u64,
    session: [u8; 16],
    subject: [u8; 16],
    signature: [u8; SIGNATURE_BYTES],
    ends_at: u32,
    issued_at: u32,
    auth_time: u32,
    /// Of the value token, from `issued_at` on.
    lives: u16,
    renews: u16,
}

impl Packed {
    pub(super) fn new(bytes_max: u64) -> Self {
        let each = size_of::<Record>() as u64 * 7 + Index::bytes_of(7);
        let chunks = (bytes_max * 7 / each).min(RECORDS_MAX) / CHUNK as u64;
        let records = chunks.max(1) * CHUNK as u64;
        let records_max = u32::try_from(records).unwrap_or(u32::MAX);
        let count = usize::try_from(records_max).unwrap_or(usize::MAX);
        let shapes = (bytes_max / BYTES_PER_SHAPE).min(SHAPES_MAX);
        Self {
            index: Index::new(count),
            chunks: (0..count.div_ceil(CHUNK))
                .map(|_| OnceLock::new())
                .collect(),
            shapes: Shapes::new(usize::try_from(shapes).unwrap_or(1)),
            records_max,
            used: AtomicU32::new(0),
            writing: Mutex::default(),
        }
    }

    /// The entry of a token, put together anew.
    pub(super) fn find(&self, digest: &TokenDigest, fence: &Fence) -> Option<Entry> {
        let (record, data) = self.look(digest)?;
        record.note_recent();
        let shape = self.shapes.find(data.shape)?;
        let told_at = BootTime(Duration::from_secs(record.told_at()));
        let entry = data.entry(shape.as_ref()?, fence, told_at);
        if record.is_being_renewed() {
            entry.begin_renewal();
        }
        Some(entry)
    }

    /// Remembers an entry, if it can be packed, in place of what was known of its token.
    pub(super) fn insert(&self, entry: &Entry) {
        let Some((data, common)) = Said::of(entry) else {
            self.remove(&entry.digest);
            return;
        };
        let marks = [entry.marks.client, entry.marks.tenant, entry.marks.subject];
        let Some(shape) = self.shapes.share(common, marks) else {
            return;
        };
        let words = Said { shape, ..data }.words();
        let told_at = entry.told_at().0.as_secs();
        let way = Way::of(entry.digest.as_bytes());
        let mut writing = self.lock();
        if let Some((record, _)) = self.look(&entry.digest) {
            record.write(&words, told_at);
            return;
        }
        let number = self.make_room(&mut writing, way);
        if let Some(record) = self.record(number) {
            record.write(&words, told_at);
            if !self.index.add(way, number) {
                writing.free.push(number);
            }
        }
    }

    pub(super) fn remove(&self, digest: &TokenDigest) {
        let way = Way::of(digest.as_bytes());
        let mut writing = self.lock();
        let found = self.index.find(way);
        let mut found = found.filter(|number| self.is_of(*number, digest));
        if let Some(number) = found.next() {
            self.index.remove(way, number);
            writing.free.push(number);
        }
    }

    pub(super) fn note_told(&self, digest: &TokenDigest, now: BootTime) {
        if let Some((record, _)) = self.look(digest) {
            record.note_told(now.0.as_secs());
        }
    }

    /// True for the first who asks, and where there is no record.
    pub(super) fn begin_renewal(&self, digest: &TokenDigest) -> bool {
        let found = self.look(digest);
        found.is_none_or(|(record, _)| record.begin_renewal())
    }

    pub(super) fn note_not_renewed(&self, digest: &TokenDigest) {
        if let Some((record, _)) = self.look(digest) {
            record.note_not_renewed();
        }
    }

    /// Of all records that were ever used, and the index.
    pub(super) fn bytes(&self) -> u64 {
        let used = u64::from(self.used.load(Ordering::Relaxed));
        let records = used.div_ceil(CHUNK as u64) * CHUNK as u64;
        records * size_of::<Record>() as u64 + Index::bytes_of(u64::from(self.records_max))
    }

    fn look(&self, digest: &TokenDigest) -> Option<(&Record, Said)> {
        let way = Way::of(digest.as_bytes());
        self.index.find(way).find_map(|number| {
            let record = self.record(number)?;
            let data = Said::read(&record.read()?, way.tag);
            (data.digest == *digest.as_bytes()).then_some((record, data))
        })
    }

    fn is_of(&self, number: u32, digest: &TokenDigest) -> bool {
        let way = Way::of(digest.as_bytes());
        let words = self.record(number).and_then(Record::read);
        words.is_some_and(|words| Said::read(&words, way.tag).digest == *digest.as_bytes())
    }

    fn record(&self, number: u32) -> Option<&Record> {
        let number = usize::try_from(number).ok()?;
        let chunk = self.chunks.get(number / CHUNK)?;
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| Record::default()).collect());
        chunk.get(number % CHUNK)
    }

    fn lock(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record for one that goes this way, which has a place in the index then.
    fn make_room(&self, writing: &mut Writing, way: Way) -> u32 {
        let neighbours: Vec<_> = self.index.neighbours(way).collect();
        if neighbours.len() >= index::PLACES * 2 {
            let stale = |number: &&u32| self.is_stale(**number);
            let chosen = neighbours.iter().find(stale).or(neighbours.first());
            if let Some(number) = chosen {
                self.index.remove(way, *number);
                return *number;
            }
        }
        if let Some(number) = writing.free.pop() {
            return number;
        }
        let used = self.used.load(Ordering::Relaxed);
        if used < self.records_max {
            self.used.store(used + 1, Ordering::Relaxed);
            return used;
        }
        self.evict(writing)
    }

    /// Twice around is enough: what was marked in the first round is not in the second.
    fn evict(&self, writing: &mut Writing) -> u32 {
        loop {
            let number = writing.hand;
            writing.hand = (number + 1) % self.records_max;
            if !self.is_stale(number) {
                continue;
            }
            if let Some(words) = self.record(number).and_then(Record::read) {
                let digest = Said::read(&words, 0).digest;
                self.index.remove(Way::of(&digest), number);
            }
            return number;
        }
    }

    fn is_stale(&self, number: u32) -> bool {
        self.record(number)
            .is_some_and(|record| !record.take_recent())
    }
}

impl Said {
    /// None if an entry cannot be packed, or would not come out of it as it was.
    fn of(entry: &Entry) -> Option<(Self, Common)> {
        let value = entry.value.as_ref()?;
        let session = entry.caller.session?;
        let (form, filling) = Form::take_apart(value.text.as_str())?;
        let rights = (*entry.caller.rights).clone();
        let is_machine = *entry.caller.subject == *rights.client();
        let seconds = |time: UnixSeconds| u32::try_from(time.0).ok();
        let since = |time: UnixSeconds| {
            let since = time.0.checked_sub(u64::from(filling.issued_at))?;
            u16::try_from(since).ok()
        };
        let data = Self {
            digest: *entry.digest.as_bytes(),
            shape: 0,
            stamp: entry.stamp.pack()?,
            session: session.0,
            subject: match is_machine {
                true => [0; 16],
                false => SessionId::parse(&entry.caller.subject)?.0,
            },
            signature: filling.signature,
            ends_at: seconds(entry.ends_at)?,
            issued_at: filling.issued_at,
            auth_time: entry.caller.auth_time.map_or(Some(0), seconds)?,
            lives: since(value.expires_at)?,
            renews: since(value.renews_at)?,
        };
        let common = Common {
            form,
            rights,
            subject: is_machine.then(|| entry.caller.subject.clone()),
            has_auth_time: entry.caller.auth_time.is_some(),
            idle: entry.idle.zip(entry.report_after),
        };
        let alias = Alias::of(&entry.digest);
        let same = common.form.fill(&data.filling(&alias)) == value.text.as_str();
        (same && common.bytes() <= SHAPE_BYTES_MAX).then_some((data, common))
    }

    fn filling(&self, alias: &Alias) -> Filling {
        Filling {
            session: self.session,
            subject: self.subject,
            auth_time: self.auth_time,
            issued_at: self.issued_at,
            expires_at: self.issued_at.saturating_add(u32::from(self.lives)),
            id: alias.value_token_id(self.issued_at),
            signature: self.signature,
        }
    }

    fn entry(&self, shape: &Shape, fence: &Fence, told_at: BootTime) -> Entry {
        let digest = TokenDigest::from_bytes(self.digest);
        let alias = Alias::of(&digest);
        let common = &shape.common;
        let session = SessionId(self.session);
        let marks = Marks {
            session: fence.mark_session(&session),
            subject: match common.subject {
                Some(_) => shape.subject,
                None => fence.mark_subject(self.subject),
            },
            client: shape.client,
            tenant: shape.tenant,
        };
        let at = |seconds: u32| UnixSeconds(u64::from(seconds));
        let after = |span: u16| at(self.issued_at).after(Duration::from_secs(u64::from(span)));
        let subject = common.subject.clone();
        let caller = Caller {
            tid: alias.tid(),
            session: Some(session),
            subject: subject.unwrap_or_else(|| SessionId(self.subject).to_string().into()),
            rights: shape.rights(),
            auth_time: common.has_auth_time.then(|| at(self.auth_time)),
        };
        let value = Value {
            text: common.form.fill(&self.filling(&alias)).as_str().into(),
            renews_at: after(self.renews),
            expires_at: after(self.lives),
        };
        Entry::new(
            (digest, caller),
            (Stamp::unpack(self.stamp), marks),
            Some(value),
            (at(self.ends_at), common.idle),
            told_at,
        )
    }

    /// The first four bytes of the digest are with the index.
    fn words(&self) -> [u64; WORDS] {
        let halves = |bytes: [u8; 16]| {
            let number = |half: &[u8]| u64::from_be_bytes(half.try_into().unwrap_or_default());
            let (high, low) = bytes.split_at(8);
            [number(high), number(low)]
        };
        let [high, low] = halves(self.digest);
        let mut words = [0; WORDS];
        words[0] = low;
        words[1] = high << 32 | u64::from(self.shape);
        words[2] = self.stamp;
        words[3..5].copy_from_slice(&halves(self.session));
        words[5..7].copy_from_slice(&halves(self.subject));
        for (word, bytes) in words[7..15].iter_mut().zip(self.signature.chunks_exact(8)) {
            *word = u64::from_be_bytes(bytes.try_into().unwrap_or_default());
        }
        words[15] = u64::from(self.ends_at) << 32 | u64::from(self.issued_at);
        words[16] =
            u64::from(self.auth_time) << 32 | u64::from(self.lives) << 16 | u64::from(self.renews);
        words
    }

    fn read(words: &[u64; WORDS], tag: u32) -> Self {
        let whole = |high: u64, low: u64| (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        let high = |word: u64| u32::try_from(word >> 32).unwrap_or_default();
        let low = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or_default();
        let short = |word: u64| u16::try_from(word & u64::from(u16::MAX)).unwrap_or_default();
        let mut signature = [0; SIGNATURE_BYTES];
        for (bytes, word) in signature.chunks_exact_mut(8).zip(&words[7..15]) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        Self {
            digest: whole(u64::from(tag) << 32 | words[1] >> 32, words[0]),
            shape: low(words[1]),
            stamp: words[2],
            session: whole(words[3], words[4]),
            subject: whole(words[5], words[6]),
            signature,
            ends_at: high(words[15]),
            issued_at: low(words[15]),
            auth_time: high(words[16]),
            lives: short(words[16] >> 16),
            renews: short(words[16]),
        }
    }
}
