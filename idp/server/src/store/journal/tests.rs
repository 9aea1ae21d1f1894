use std::ops::Bound;
use std::os::unix::fs::PermissionsExt as _;

use idp_core::store::RowId;
use tempfile::TempDir;

use super::*;

const HALF_BYTES: u64 = 4 * 1024 * 1024 + PAGE_BYTES as u64;
const ID: JournalId = *b"the first store!";

struct Bench {
    folder: TempDir,
    journal: Journal,
    version: u64,
}

fn moment(version: u64) -> Moment {
    Moment {
        version: Version(version),
        row: RowId(version * 2),
    }
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::create(&folder.path().join("store"), ID, HALF_BYTES).unwrap();
        Self {
            folder,
            journal,
            version: 0,
        }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn path(&self) -> PathBuf {
        path_of(&self.store())
    }

    /// Writes the next version under its own number, and under a key that all of them write.
    fn append(&mut self) {
        self.append_with(0);
    }

    fn append_with(&mut self, ballast: usize) {
        let before = self.version;
        self.version += 1;
        let value = self.version.to_string();
        let mut frame = Frame::default();
        frame.clear();
        frame.push((value.as_bytes(), Some(value.as_bytes())));
        frame.push((b"0", Some(&vec![b'0'; 1 + ballast])));
        frame.push((b"newest", Some(value.as_bytes())));
        let after = moment(self.version);
        let written = self.journal.append(&mut frame, Version(before), after);
        self.journal.sync(written.unwrap()).unwrap();
    }

    /// The versions that come back of those after one, or what is wrong.
    fn replay(&self, known: u64) -> Result<Vec<u64>, JournalError> {
        let replayed = replay(&self.store(), (ID, HALF_BYTES), moment(known))?;
        let mut versions = Vec::new();
        let all = replayed
            .recent
            .range(Bound::Unbounded, &[], replayed.moment.version, usize::MAX);
        for (key, value) in all.into_iter().filter(|(key, _)| key.as_ref() != b"0") {
            let number = str::from_utf8(&value.unwrap()).unwrap().parse().unwrap();
            if key.as_ref() == b"newest" {
                assert_eq!(replayed.moment, moment(number));
            } else {
                versions.push(number);
            }
        }
        versions.sort_unstable();
        Ok(versions)
    }

    /// Changes one byte.
    fn damage(&self, at: u64) {
        let mut bytes = fs::read(self.path()).unwrap();
        bytes[usize::try_from(at).unwrap()] ^= 1;
        fs::write(self.path(), bytes).unwrap();
    }
}

/// Where the frame with this number lies in the first half.
fn frame(number: u64) -> u64 {
    number * PAGE_BYTES as u64
}

#[test]
fn what_was_written_and_is_not_filed_comes_back_from_both_halves() {
    let mut bench = Bench::new();
    assert_eq!(bench.replay(0).unwrap(), [0; 0]);
    for _ in 0..3 {
        bench.append();
    }
    assert_eq!(bench.replay(0).unwrap(), [1, 2, 3]);
    bench.journal.turn().unwrap();
    bench.append();
    assert_eq!(bench.replay(0).unwrap(), [1, 2, 3, 4]);
    assert_eq!(bench.replay(2).unwrap(), [3, 4]);
    assert_eq!(bench.replay(4).unwrap(), [0; 0]);

    // The first half again, with fewer frames than it had.
    bench.journal.turn().unwrap();
    bench.append();
    assert_eq!(bench.replay(3).unwrap(), [4, 5]);
    let mode = fs::metadata(bench.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_journal_that_was_read_back_goes_on() {
    let mut bench = Bench::new();
    bench.append();
    let replayed = replay(&bench.store(), (ID, HALF_BYTES), moment(0)).unwrap();
    bench.journal = replayed.journal;
    bench.append();
    assert_eq!(bench.replay(0).unwrap(), [1, 2]);
}

#[test]
fn of_a_frame_that_was_not_finished_nothing_comes_back() {
    for at in [frame(3), frame(3) + 40, frame(3) + 70] {
        let mut bench = Bench::new();
        for _ in 0..3 {
            bench.append();
        }
        bench.damage(at);
        assert_eq!(bench.replay(0).unwrap(), [1, 2], "byte {at}");
    }
}

#[test]
fn a_frame_that_others_follow_is_missed() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.append();
    }
    bench.damage(frame(2) + 70);
    let refused = bench.replay(0).unwrap_err();
    let is_told = matches!(refused, JournalError::Damaged { at } if at == frame(2));
    assert!(is_told, "{refused:?}");
    assert_eq!(bench.replay(3).unwrap(), [0; 0], "all of it is filed");

    // The last one of a half, which is not the last one of all.
    let mut bench = Bench::new();
    bench.append();
    bench.append();
    bench.journal.turn().unwrap();
    bench.append();
    bench.damage(frame(2) + 70);
    let refused = bench.replay(0).unwrap_err();
    let is_told = matches!(refused, JournalError::Gap { found: 2, known: 1 });
    assert!(is_told, "{refused:?}");
}

#[test]
fn a_journal_that_is_not_as_it_was_left_is_refused() {
    let mut bench = Bench::new();
    bench.append();
    bench.damage(18);
    let refused = bench.replay(0).unwrap_err();
    assert!(matches!(refused, JournalError::Newer { .. }), "{refused:?}");
    bench.damage(18);
    bench.damage(30);
    let refused = bench.replay(0).unwrap_err();
    assert!(
        matches!(refused, JournalError::Damaged { at: 0 }),
        "{refused:?}"
    );
    bench.damage(30);

    let refused = replay(
        &bench.store(),
        (*b"the second store", HALF_BYTES),
        moment(0),
    )
    .unwrap_err();
    assert!(matches!(refused, JournalError::Foreign), "{refused:?}");
    fs::remove_file(bench.path()).unwrap();
    let refused = bench.replay(0).unwrap_err();
    assert!(matches!(refused, JournalError::Missing), "{refused:?}");
}

#[test]
fn a_half_ends_where_the_other_begins() {
    let mut bench = Bench::new();
    assert_eq!(bench.journal.room(), 4 * 1024 * 1024);
    for _ in 0..4 {
        bench.append_with(1024 * 1024 - PAGE_BYTES);
    }
    assert_eq!(bench.journal.room(), 0);
    bench.journal.turn().unwrap();
    bench.append();
    assert_eq!(bench.replay(0).unwrap(), [1, 2, 3, 4, 5]);
}

#[test]
fn a_half_holds_a_frame_whatever_is_meant() {
    let page = PAGE_BYTES as u64;
    for (meant, expected) in [
        (0, 3 * page),
        (3 * page, 3 * page),
        (3 * page + 1, 4 * page),
    ] {
        assert_eq!(half_bytes(meant, 2 * PAGE_BYTES), expected, "{meant}");
    }
}
