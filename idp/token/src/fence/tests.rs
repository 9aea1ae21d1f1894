use proptest::prelude::*;

use super::*;

const KEY: [u8; 16] = [1; 16];

fn fence() -> Fence {
    Fence::new(&KEY, 1 << 12, 64, Seq(10))
}

fn ann(fence: &Fence) -> Marks {
    fence.marks("s1", "ann", "app", "acme")
}

#[test]
fn a_change_voids_what_it_bears_on_and_nothing_else() {
    #[rustfmt::skip]
    let cases = [
        (Scope::Session("s1"),   false),
        (Scope::Session("s2"),   true),
        (Scope::Session("ann"),  true),
        (Scope::Subject("ann"),  false),
        (Scope::Subject("s1"),   true),
        (Scope::Client("app"),   false),
        (Scope::Client("acme"),  true),
        (Scope::Tenant("acme"),  false),
        (Scope::Tenant("app"),   true),
        (Scope::Tenant(""),      true),
        (Scope::Global,          false),
    ];
    for (scope, expected) in cases {
        let fence = fence();
        let (stamp, marks) = (fence.stamp(), ann(&fence));
        let era = fence.era(&marks);
        assert!(fence.holds(stamp, &marks));
        assert_eq!(fence.apply(Seq(11), scope), Applied::InOrder);
        assert_eq!(fence.era(&marks) == era, expected, "{scope:?}");
        assert_eq!(fence.holds(stamp, &marks), expected, "{scope:?}");
        assert!(
            fence.holds(fence.stamp(), &marks),
            "looked up anew: {scope:?}"
        );
    }
}

#[test]
fn who_does_not_say_their_tenant_hears_of_every_tenant() {
    let fence = fence();
    let of_any = |fence: &Fence| fence.marks("s1", "ann", "app", ANY);
    let (stamp, marks) = (fence.stamp(), of_any(&fence));
    fence.apply(Seq(11), Scope::Client("acme"));
    assert!(fence.holds(stamp, &marks));
    fence.apply(Seq(12), Scope::Tenant("acme"));
    assert!(!fence.holds(stamp, &marks));
    assert!(fence.holds(fence.stamp(), &of_any(&fence)), "of later");
}

#[test]
fn a_change_that_is_applied_twice_or_late_changes_nothing() {
    let fence = fence();
    assert_eq!(
        fence.apply(Seq(11), Scope::Subject("ann")),
        Applied::InOrder
    );
    let (stamp, marks) = (fence.stamp(), ann(&fence));
    for seq in [11, 10, 3] {
        assert_eq!(fence.apply(Seq(seq), Scope::Subject("ann")), Applied::Known);
    }
    assert_eq!(fence.stamp(), stamp);
    assert!(fence.holds(stamp, &marks));
}

#[test]
fn a_gap_voids_everything_that_began_before_it() {
    let gaps: [fn(&Fence); 3] = [
        |fence| assert_eq!(fence.apply(Seq(12), Scope::Session("other")), Applied::Gap),
        Fence::raise_floor,
        |fence| fence.restart(Seq(500)),
    ];
    for gap in gaps {
        let fence = fence();
        let (before, marks) = (fence.stamp(), ann(&fence));
        let era = fence.era(&marks);
        gap(&fence);
        assert!(!fence.holds(before, &marks));
        assert_ne!(fence.era(&marks), era);
        let after = fence.stamp();
        assert!(fence.holds(after, &marks));
        let next = after.seq().next();
        assert_eq!(fence.apply(next, Scope::Session("other")), Applied::InOrder);
        assert!(fence.holds(after, &marks));
    }
}

#[test]
fn a_restart_never_moves_the_cursor_back() {
    let fence = fence();
    fence.restart(Seq(3));
    assert_eq!(fence.stamp().seq(), Seq(10));
}

#[test]
fn clients_beyond_the_places_there_are_share_one() {
    let fence = Fence::new(&KEY, 8, 2, Seq(0));
    for (seq, client) in (1..).zip(["a", "b"]) {
        fence.apply(Seq(seq), Scope::Client(client));
    }
    let stamp = fence.stamp();
    let holds = |client| fence.holds(stamp, &fence.marks("s", "u", client, "t"));
    fence.apply(Seq(3), Scope::Client("b"));
    assert_eq!(["a", "b", "c", "d"].map(holds), [true, false, true, true]);
    fence.apply(Seq(4), Scope::Client("c"));
    assert_eq!(["a", "b", "c", "d"].map(holds), [true, false, false, false]);
}

#[test]
fn a_fence_of_one_slot_still_never_lets_an_old_entry_pass() {
    let fence = Fence::new(&KEY, 0, 0, Seq(0));
    let (stamp, marks) = (fence.stamp(), ann(&fence));
    assert!(fence.holds(stamp, &marks));
    fence.apply(Seq(1), Scope::Session("s1"));
    assert!(!fence.holds(stamp, &marks));
}

/// One step in the life of a gateway, with few enough names for them to meet.
#[derive(Debug, Clone, Copy)]
enum Step {
    Fill {
        session: u8,
        subject: u8,
        client: u8,
    },
    Change {
        kind: u8,
        name: u8,
        skipped: u64,
    },
    Floor,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_u8, 0..3_u8, 0..3_u8).prop_map(|(session, subject, client)| Step::Fill {
            session,
            subject,
            client
        }),
        (
            0..5_u8,
            0..4_u8,
            prop_oneof![Just(0), Just(0), Just(0), 0..3_u64]
        )
            .prop_map(|(kind, name, skipped)| Step::Change {
                kind,
                name,
                skipped
            }),
        Just(Step::Floor),
    ]
}

struct Entry {
    stamp: Stamp,
    marks: Marks,
    names: [String; 4],
    /// Whether anything came since that bears on it.
    is_void: bool,
    /// Of the one who judges it after every step.
    seen: Seen,
}

impl Entry {
    fn is_about(&self, scope: Scope<'_>) -> bool {
        let [session, subject, client, tenant] = &self.names;
        match scope {
            Scope::Session(name) => session == name,
            Scope::Subject(name) => subject == name,
            Scope::Client(name) => client == name,
            Scope::Tenant(name) => tenant == name,
            Scope::Global => true,
        }
    }
}

/// Runs the steps, then compares every entry with what a reader of the whole log would say.
fn run(fence: &Fence, steps: &[Step]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for step in steps {
        match *step {
            Step::Fill {
                session,
                subject,
                client,
            } => {
                let names = [
                    format!("s{session}"),
                    format!("u{subject}"),
                    format!("c{client}"),
                    "t0".to_owned(),
                ];
                let [s, u, c, t] = &names;
                let (stamp, marks) = (fence.stamp(), fence.marks(s, u, c, t));
                entries.push(Entry {
                    stamp,
                    marks,
                    names,
                    is_void: false,
                    seen: Seen::default(),
                });
            }
            Step::Change {
                kind,
                name,
                skipped,
            } => {
                let seq = Seq(fence.stamp().seq().0 + 1 + skipped);
                let name = format!("{}{name}", ["s", "u", "c", "t", ""][usize::from(kind)]);
                let scope = match kind {
                    0 => Scope::Session(&name),
                    1 => Scope::Subject(&name),
                    2 => Scope::Client(&name),
                    3 => Scope::Tenant(&name),
                    _ => Scope::Global,
                };
                fence.apply(seq, scope);
                for entry in &mut entries {
                    entry.is_void |= skipped > 0 || entry.is_about(scope);
                }
            }
            Step::Floor => {
                fence.raise_floor();
                entries.iter_mut().for_each(|entry| entry.is_void = true);
            }
        }
        // Whoever has judged it before says of it what one says who judges it for the first time.
        for entry in &entries {
            let (stamp, marks) = (entry.stamp, &entry.marks);
            let still = fence.still_holds(stamp, marks, &entry.seen);
            assert_eq!(still, fence.holds(stamp, marks), "{:?}", entry.names);
        }
    }
    entries
}

proptest! {
    #[test]
    fn an_entry_holds_exactly_until_something_bears_on_it(
        steps in prop::collection::vec(any_step(), 0..60),
    ) {
        let fence = fence();
        for entry in run(&fence, &steps) {
            prop_assert_eq!(fence.holds(entry.stamp, &entry.marks), !entry.is_void, "{:?}", entry.names);
        }
    }

    /// With three slots and one place nearly everything collides.
    #[test]
    fn a_collision_costs_a_look_up_and_never_a_wrong_answer(
        steps in prop::collection::vec(any_step(), 0..60),
    ) {
        let fence = Fence::new(&KEY, 3, 1, Seq(0));
        for entry in run(&fence, &steps) {
            prop_assert!(!(entry.is_void && fence.holds(entry.stamp, &entry.marks)), "{:?}", entry.names);
        }
    }
}

#[test]
fn ids_of_ours_are_marked_alike_by_their_spelling_and_by_their_bytes() {
    let fence = fence();
    let id = SessionId([0xab; 16]);
    let text = id.to_string();
    let marks = fence.marks(&text, &text, &text, &text);
    assert_eq!(marks.session, fence.mark_session(&id));
    assert_eq!(marks.subject, fence.mark_subject(id.0));
    let all = [marks.session, marks.subject, marks.client, marks.tenant];
    for (at, mark) in all.iter().enumerate() {
        assert!(!all[..at].contains(mark), "{all:?}");
    }

    let stamp = fence.stamp();
    fence.apply(Seq(11), Scope::Session(&text));
    assert!(!fence.holds(stamp, &marks));
    let stamp = fence.stamp();
    fence.apply(Seq(12), Scope::Subject(&text));
    assert!(!fence.holds(stamp, &marks));
}

#[test]
fn ids_are_spread_over_the_slots() {
    let fence = Fence::new(&KEY, 1 << 12, 64, Seq(10));
    let mut taken = std::collections::HashSet::new();
    for number in 0..1_u128 << 12 {
        // What is drawn at random is spread already; so numbers are the harder case.
        let id = SessionId(
            number
                .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c)
                .to_be_bytes(),
        );
        let Mark(mark) = fence.mark_session(&id);
        taken.insert(mark % (1 << 12));
    }
    // Of as many balls as bins, 63 % of the bins get one.
    assert!((2400..2800).contains(&taken.len()), "{}", taken.len());
}

#[test]
fn a_stamp_is_packed_as_long_as_it_fits() {
    let at = |seq, floor| Stamp {
        seq: Seq(seq),
        floor,
    };
    let (seq_max, floor_max) = ((1 << 40) - 1, (1 << 24) - 1);
    for stamp in [at(0, 0), at(7, 3), at(seq_max, floor_max)] {
        assert_eq!(stamp.pack().map(Stamp::unpack), Some(stamp), "{stamp:?}");
    }
    for stamp in [at(seq_max + 1, 0), at(0, floor_max + 1)] {
        assert_eq!(stamp.pack(), None, "{stamp:?}");
    }
}
