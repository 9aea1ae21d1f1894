use idp_core::change::Change as CoreChange;
use idp_token::time::UnixSeconds;

use super::*;

const RUN: u64 = 100;

fn published(seq: u64) -> Published {
    Published {
        seq: Seq(seq),
        change: CoreChange {
            target: Target::Realm,
            kind: Kind::Ended,
            at: UnixSeconds(1000),
            until: None,
        },
        forgotten_at: UnixSeconds(4600),
    }
}

fn append(tail: &Tail, seqs: impl IntoIterator<Item = u64>) {
    let published: Vec<_> = seqs.into_iter().map(published).collect();
    tail.append(&published);
}

/// Changes 5 to 7, and after each two beats: 100 to 105.
fn tail() -> Tail {
    let tail = Tail::new(RUN, Seq(4));
    for (at, seq) in (5..=7).enumerate() {
        append(&tail, [seq]);
        for number in [0, 1] {
            let number = RUN + 2 * at as u64 + number;
            let seq = Seq(seq);
            tail.beat(Beat { number, seq });
        }
    }
    tail
}

fn after(seq: u64, beat: Option<u64>) -> After {
    let seq = Seq(seq);
    After { seq, beat }
}

fn page(tail: &Tail, after: After) -> Option<Page> {
    match tail.page(after) {
        Found::Page(text) => Some(Page::read(text.as_bytes()).unwrap()),
        Found::Nothing | Found::Older => None,
    }
}

/// As `7` or `b104`.
fn spell_entry(entry: &Entry) -> String {
    match entry {
        Entry::Change(change) => change.seq.0.to_string(),
        Entry::Beat(beat) => format!("b{}", beat.number),
    }
}

#[test]
fn a_page_holds_what_comes_after_the_place_where_a_follower_stands() {
    let tail = tail();
    #[rustfmt::skip]
    let cases = [
        (after(4, None),            "5 b100 b101 6 b102 b103 7 b104 b105"),
        (after(5, Some(100)),       "b101 6 b102 b103 7 b104 b105"),
        (after(6, Some(103)),       "7 b104 b105"),
        (after(7, Some(104)),       "b105"),
        // A beat that came before the change.
        (after(7, Some(103)),       "b104 b105"),
        // Whoever has heard none of this relay needs the newest alone.
        (after(7, None),            "b105"),
        (after(7, Some(RUN - 1)),   "b105"),
        (after(7, Some(106)),       "b105"),
        (after(7, Some(u64::MAX)),  "b105"),
        (after(5, None),            "b101 6 b102 b103 7 b104 b105"),
        // It knows more than there is.
        (after(8, None),            ""),
    ];
    for (after, expected) in cases {
        let page = page(&tail, after).unwrap();
        let spelled: Vec<_> = page.entries.iter().map(spell_entry).collect();
        assert_eq!(spelled.join(" "), expected, "{after:?}");
        assert_eq!((page.hello.run, page.hello.next), (RUN, Seq(8)));
        assert!(!page.hello.has_more);
    }
    assert!(matches!(tail.page(after(7, Some(105))), Found::Nothing));
    assert!(matches!(tail.page(after(3, None)), Found::Older));
}

#[test]
fn what_is_there_already_is_not_appended_again() {
    let tail = tail();
    append(&tail, [6, 7, 8]);
    append(&tail, [8]);
    assert_eq!(tail.seq(), Seq(8));
    let changes = tail.changes(Seq(4), 10).unwrap();
    let seqs = changes.iter().map(|change| change.seq.0);
    assert!(seqs.eq(5..=8));
    assert_eq!(tail.changes(Seq(4), 2).unwrap().len(), 2);
    assert_eq!(tail.changes(Seq(3), 10), None);
}

#[test]
fn a_page_that_is_full_says_that_there_is_more() {
    let tail = Tail::new(RUN, Seq(0));
    let lines = LINES_MAX as u64;
    append(&tail, 1..=lines);
    let full = page(&tail, after(0, None)).unwrap();
    assert_eq!(full.entries.len(), LINES_MAX - 1);
    assert!(full.hello.has_more);
    let rest = page(&tail, after(lines - 1, None)).unwrap();
    assert_eq!((rest.entries.len(), rest.hello.has_more), (1, false));
}

#[test]
fn what_is_too_old_for_memory_is_asked_of_the_store() {
    let tail = Tail::new(RUN, Seq(0));
    let entries = ENTRIES_MAX as u64;
    append(&tail, 1..=entries + 3);
    assert!(matches!(tail.page(after(2, None)), Found::Older));
    assert!(page(&tail, after(3, None)).is_some());
    // Beats take no change with them but those that are older.
    let number = RUN;
    let seq = tail.seq();
    tail.beat(Beat { number, seq });
    assert!(matches!(tail.page(after(3, None)), Found::Older));
    assert!(page(&tail, after(4, None)).is_some());
}

#[test]
fn a_page_of_the_store_promises_more_and_holds_nothing_that_is_not_in_the_log_yet() {
    let tail = tail();
    let text = tail.old_page(&[published(3), published(7), published(8)]);
    let page = Page::read(text.as_bytes()).unwrap();
    let spelled: Vec<_> = page.entries.iter().map(spell_entry).collect();
    assert_eq!(spelled, ["3", "7"]);
    assert!(page.hello.has_more);
    assert_eq!(page.hello.first, Seq(1));
    tail.forget_before(Seq(6));
    tail.forget_before(Seq(5));
    let page = Page::read(tail.empty_page().as_bytes()).unwrap();
    assert_eq!(page.hello.first, Seq(6));
    assert_eq!(page.entries, []);
}

#[tokio::test]
async fn whoever_waits_is_woken_by_every_entry() {
    let tail = tail();
    let mut reached = tail.watch();
    assert!(!reached.has_changed().unwrap());
    append(&tail, [8]);
    reached.changed().await.unwrap();
    let (number, seq) = (106, Seq(8));
    tail.beat(Beat { number, seq });
    reached.changed().await.unwrap();
    assert_eq!(reached.borrow().seq, Seq(8));
    // Nothing new.
    append(&tail, [8]);
    assert!(!reached.has_changed().unwrap());
}
