//! One packed session in 144 bytes, read without a lock while somebody may write it.
//!
//! A number beside the words is odd while they change and differs afterwards. Whoever read words between
//! two different numbers, or while it was odd, has read nothing. All of it is atomics, so there is no
//! moment in which a read is more than stale.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// What is packed, in words.
pub(super) const WORDS: usize = 17;

/// Of a machine that runs for 34 years.
const SECONDS: u32 = (1 << 30) - 1;
const RECENT: u32 = 1 << 30;
const RENEWING: u32 = 1 << 31;

#[derive(Default)]
pub(super) struct Record {
    version: AtomicU32,
    /// The latest use that others may know of, in seconds since the start of the machine, and two marks.
    state: AtomicU32,
    words: [AtomicU64; WORDS],
}

impl Record {
    /// None while it is being written.
    pub(super) fn read(&self) -> Option<[u64; WORDS]> {
        let before = self.version.load(Ordering::Acquire);
        if before % 2 == 1 {
            return None;
        }
        let words = std::array::from_fn(|at| self.words[at].load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let after = self.version.load(Ordering::Relaxed);
        (before == after).then_some(words)
    }

    /// One writes at a time; the caller sees to it.
    pub(super) fn write(&self, words: &[u64; WORDS], told_at: u64) {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (place, word) in self.words.iter().zip(words) {
            place.store(*word, Ordering::Relaxed);
        }
        self.state.store(seconds(told_at), Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }

    pub(super) fn told_at(&self) -> u64 {
        u64::from(self.state.load(Ordering::Relaxed) & SECONDS)
    }

    pub(super) fn note_told(&self, now: u64) {
        let note = |state: u32| {
            let told = (state & SECONDS).max(seconds(now));
            Some(state & !SECONDS | told)
        };
        let order = Ordering::Relaxed;
        // It always notes something.
        let _ = self.state.fetch_update(order, order, note);
    }

    pub(super) fn is_being_renewed(&self) -> bool {
        self.state.load(Ordering::Relaxed) & RENEWING != 0
    }

    pub(super) fn begin_renewal(&self) -> bool {
        self.state.fetch_or(RENEWING, Ordering::Relaxed) & RENEWING == 0
    }

    pub(super) fn note_not_renewed(&self) {
        self.state.fetch_and(!RENEWING, Ordering::Relaxed);
    }

    /// Most uses find it marked and write nothing.
    pub(super) fn note_recent(&self) {
        if self.state.load(Ordering::Relaxed) & RECENT == 0 {
            self.state.fetch_or(RECENT, Ordering::Relaxed);
        }
    }

    pub(super) fn take_recent(&self) -> bool {
        self.state.fetch_and(!RECENT, Ordering::Relaxed) & RECENT != 0
    }
}

fn seconds(boot: u64) -> u32 {
    u32::try_from(boot).unwrap_or(SECONDS).min(SECONDS)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    #[test]
    fn a_record_takes_144_bytes() {
        assert_eq!(size_of::<Record>(), 144);
    }

    #[test]
    fn uses_and_marks_do_not_get_into_each_others_way() {
        let record = Record::default();
        record.write(&[1; WORDS], 1_000_000);
        assert_eq!(record.told_at(), 1_000_000);
        assert!(
            !record.take_recent(),
            "it was not used since it was written"
        );
        record.note_recent();
        assert!(record.begin_renewal() && !record.begin_renewal());
        record.note_told(1_000_005);
        record.note_told(1_000_003);
        assert_eq!(record.told_at(), 1_000_005);
        assert!(record.take_recent() && record.is_being_renewed());
        record.note_not_renewed();
        assert!(!record.is_being_renewed());
        record.note_told(u64::MAX);
        assert_eq!(record.told_at(), u64::from(SECONDS));
    }

    #[test]
    fn what_is_read_was_written_at_once() {
        let record = Record::default();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut read = 0_u64;
                        while !is_over.load(Ordering::Relaxed) || read == 0 {
                            let Some(words) = record.read() else {
                                continue;
                            };
                            assert_eq!(words, [words[0]; WORDS]);
                            read += 1;
                        }
                        read
                    })
                })
                .collect();
            for number in 0..2_000_000 {
                record.write(&[number; WORDS], 0);
            }
            is_over.store(true, Ordering::Relaxed);
            assert!(readers.into_iter().all(|reader| reader.join().unwrap() > 0));
        });
    }
}
