//! Does any input make a parser panic, or read something that it would spell otherwise?
//!
//! The files under `tests/corpus` are the seeds; every run replays them, and then again with bytes
//! changed, cut and put in. A case that once broke something is kept as one more file.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use targets::TARGETS;

pub(crate) mod targets;

/// The seeds of a target by name; those that it must read are named `good…`.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(target);
    let mut seeds: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let bytes = fs::read(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), bytes)
        })
        .collect();
    seeds.sort();
    assert!(seeds.len() > 1, "{target} has no corpus");
    seeds
}

#[test]
fn every_seed_is_read_or_refused_as_its_name_says() {
    for (name, target) in TARGETS {
        for (seed, bytes) in seeds(name) {
            assert_eq!(target(&bytes), !seed.starts_with("bad"), "{name}/{seed}");
        }
    }
}

#[derive(Debug, Clone)]
enum Edit {
    Set(u8),
    Flip(u8),
    Insert(Vec<u8>),
    Cut(usize),
}

fn any_edit() -> impl Strategy<Value = (usize, Edit)> {
    let edit = prop_oneof![
        any::<u8>().prop_map(Edit::Set),
        (0..8_u8).prop_map(Edit::Flip),
        prop::collection::vec(any::<u8>(), 1..9).prop_map(Edit::Insert),
        (1..200_usize).prop_map(Edit::Cut),
    ];
    (any::<usize>(), edit)
}

fn apply(bytes: &mut Vec<u8>, at: usize, edit: &Edit) {
    let at = at % (bytes.len() + 1);
    match edit {
        Edit::Set(byte) => bytes
            .iter_mut()
            .skip(at)
            .take(1)
            .for_each(|place| *place = *byte),
        Edit::Flip(bit) => bytes
            .iter_mut()
            .skip(at)
            .take(1)
            .for_each(|place| *place ^= 1 << bit),
        Edit::Insert(more) => drop(bytes.splice(at..at, more.iter().copied())),
        Edit::Cut(count) => drop(bytes.drain(at..bytes.len().min(at + count))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_edit_of_a_seed_makes_a_parser_panic_or_misread(
        edits in prop::collection::vec(any_edit(), 1..5),
    ) {
        for (name, target) in TARGETS {
            for (_, mut bytes) in seeds(name) {
                for (at, edit) in &edits {
                    apply(&mut bytes, *at, edit);
                }
                target(&bytes);
            }
        }
    }
}
