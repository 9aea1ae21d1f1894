use std::collections::BTreeMap;

use idp_core::store::Version;
use proptest::prelude::*;
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase as _};

use super::*;
use crate::store::filing;
use crate::store::layout;

/// One of few keys, so that they meet: two kinds, and a row.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (1_u8..3, 0_u8..4).prop_map(|(kind, id)| vec![kind, id]),
        (0_u64..3).prop_map(|id| key_of_row(RowId(id))),
    ]
}

type Written = Vec<(Vec<u8>, Option<u8>)>;

fn written() -> impl Strategy<Value = Written> {
    prop::collection::vec((key(), prop::option::weighted(0.7, any::<u8>())), 0..20)
}

fn layer(begins: u64, all: &Written) -> Recent {
    let recent = Recent::default();
    for ((key, value), version) in all.iter().zip(begins + 1..) {
        let value = value.map(|value| Bytes::copy_from_slice(&[value]));
        recent.write(Version(version), [(Bytes::copy_from_slice(key), value)]);
    }
    recent
}

fn at(version: u64) -> Moment {
    Moment {
        version: Version(version),
        row: RowId(0),
    }
}

/// The database must stay open.
fn filed(all: &Written) -> (Database, Filed) {
    let backend = InMemoryBackend::new();
    let database = Database::builder().create_with_backend(backend).unwrap();
    layout::migrate(&database, layout::STEPS).unwrap();
    let recent = layer(0, all);
    filing::write(&database, (&recent, at(all.len() as u64)), || {}).unwrap();
    let filed = Filed::new(database.begin_read().unwrap()).unwrap();
    (database, filed)
}

/// What is there after all of these.
fn model(parts: &[&[(Vec<u8>, Option<u8>)]]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut model = BTreeMap::new();
    for (key, value) in parts.iter().copied().flatten() {
        match value {
            Some(value) => model.insert(key.clone(), vec![*value]),
            None => model.remove(key),
        };
    }
    model
}

proptest! {
    #[test]
    fn a_walk_and_a_look_see_what_was_written_by_their_moment(
        (first, second, third) in (written(), written(), written()),
        seen in 0_usize..20,
        from in key(),
        batch in 1_usize..5,
    ) {
        let seen = seen.min(third.len());
        let begins = [first.len() as u64, (first.len() + second.len()) as u64];
        let (_database, filed) = filed(&first);
        let layers = Layers {
            filed: Some(Arc::new(filed)),
            filing: Some(Arc::new(layer(begins[0], &second))),
            recent: Arc::new(layer(begins[1], &third)),
            moment: at(begins[1] + seen as u64),
        };
        let model = model(&[&first, &second, &third[..seen]]);
        for key in first.iter().chain(&second).chain(&third).map(|(key, _)| key) {
            if row_of_key(key).is_none() {
                let found = layers.find(key).unwrap().map(|kept| kept.bytes().to_vec());
                prop_assert_eq!(found.as_ref(), model.get(key));
            }
        }
        let is_record = |(key, _): &(&Vec<u8>, &Vec<u8>)| row_of_key(key).is_none();
        let records: Vec<_> = model.iter().filter(is_record).collect();
        let all: Vec<_> = layers.all_records().unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(all.iter().map(|(key, value)| (key, value)).collect::<Vec<_>>(), records.clone());

        let prefix = [from[0]];
        if from[0] < ROW {
            let behind: &[u8] = &from;
            for begin in [Bound::Excluded(behind), Bound::Included(&prefix)] {
                let found = layers.records(begin, &prefix, batch).unwrap();
                let found: Vec<_> = found.map(|entry| entry.unwrap().0).collect();
                let expected = records.iter().map(|(key, _)| (*key).clone());
                let expected = expected.filter(|key| {
                    key[0] == from[0] && (begin != Bound::Excluded(behind) || *key > from)
                });
                prop_assert_eq!(found, expected.collect::<Vec<_>>());
            }
        }
        let rows: Vec<_> = layers.rows().unwrap().map(|row| row.unwrap().0).collect();
        let expected: Vec<_> = model.keys().filter_map(|key| row_of_key(key)).map(|row| row.0).collect();
        prop_assert_eq!(rows, expected);
    }
}

#[test]
fn a_walk_goes_on_behind_what_it_took_out_of_memory_at_once() {
    let written: Written = (0..6)
        .map(|id| (vec![1, id], (id > 3).then_some(id)))
        .collect();
    let (_database, filed) = filed(&Vec::new());
    let layers = Layers {
        filed: Some(Arc::new(filed)),
        filing: None,
        recent: Arc::new(layer(0, &written)),
        moment: at(6),
    };
    for batch in 1..8 {
        let found = layers.records(Bound::Included(&[1]), &[1], batch).unwrap();
        let found: Vec<_> = found.map(|entry| entry.unwrap().0).collect();
        // Those before them are there no more, and fill a batch of their own.
        assert_eq!(found, [[1, 4], [1, 5]], "{batch} at a time");
    }
}
