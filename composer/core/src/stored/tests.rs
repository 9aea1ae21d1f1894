use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::plan::Plan;
use crate::sample;

const SECOND: Duration = Duration::from_secs(1);

fn site() -> (Arc<Plan>, Fingerprint) {
    let mut declaration = sample::history();
    declaration.lookups[0].version = Some("version".into());
    let plan = sample::plan(&declaration);
    let fingerprint = Fingerprint::of(&plan, &plan.lookups[0]);
    (plan, fingerprint)
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn stored(record: Option<&str>) -> Stored {
    Stored {
        record: record.map(sample::json),
        version: record.map(|_| "3".into()),
        freshness: Freshness {
            fresh: SECOND * 9,
            stale_while_revalidate: SECOND * 3,
            stale_if_error: SECOND * 60,
            said: SECOND * 2,
        },
        control: Control {
            public: true,
            proxy_revalidate: true,
            ..Control::default()
        },
    }
}

const MEMBER: &str = r#"{"memberId":7,"version":3,"name":"Ann","fee":10.00}"#;

#[test]
fn an_entity_is_read_as_it_was_written() {
    let (plan, of) = site();
    for entity in [stored(Some(MEMBER)), stored(None)] {
        let value = entity.write(of, &key("7"), b"head".to_vec()).unwrap();
        let read = Stored::read(&value[4..], of, &key("7"), &plan.lookups[0]);
        assert_eq!(read, Ok(entity));
    }
}

#[test]
fn what_a_service_said_is_read_word_for_word() {
    let (plan, of) = site();
    let words: [fn(&mut Control); 6] = [
        |_| {},
        |it| it.no_cache = true,
        |it| it.private = true,
        |it| it.public = true,
        |it| it.must_revalidate = true,
        |it| it.proxy_revalidate = true,
    ];
    for said in words {
        let mut entity = stored(Some(MEMBER));
        entity.control = Control::default();
        said(&mut entity.control);
        let value = entity.write(of, &key("7"), Vec::new()).unwrap();
        let read = Stored::read(&value, of, &key("7"), &plan.lookups[0]);
        assert_eq!(read, Ok(entity));
    }
}

#[test]
fn what_is_of_another_key_or_another_declaration_is_not_believed() {
    let (plan, of) = site();
    let lookup = &plan.lookups[0];
    let value = stored(Some(MEMBER))
        .write(of, &key("7"), Vec::new())
        .unwrap();
    let read =
        |value: &[u8], of, of_key: &str| Stored::read(value, of, &key(of_key), lookup).map(|_| ());
    assert_eq!(read(&value, of, "7"), Ok(()));
    assert_eq!(read(&value, of, "8"), Err(Wrong::Key));
    assert_eq!(
        read(&value, Fingerprint([0; 16]), "7"),
        Err(Wrong::Fingerprint)
    );
    // That there is no record of one key says nothing of another.
    let absent = stored(None);
    let absent = absent.write(of, &key("7"), Vec::new()).unwrap();
    assert_eq!(read(&absent, of, "8"), Err(Wrong::Key));
    // The label says one key, the record another.
    let mislabelled = stored(Some(MEMBER))
        .write(of, &key("8"), Vec::new())
        .unwrap();
    assert_eq!(read(&mislabelled, of, "8"), Err(Wrong::Key));
    for record in [r#"{"name":"Ann"}"#, "7", "[]", "null"] {
        let keyless = stored(Some(record))
            .write(of, &key("7"), Vec::new())
            .unwrap();
        assert_eq!(read(&keyless, of, "7"), Err(Wrong::Key), "{record}");
    }
}

/// Whatever byte is changed and wherever it is cut: what is read is refused, or is of the key.
#[test]
fn nothing_that_was_damaged_becomes_a_record_of_another_key() {
    let (plan, of) = site();
    let lookup = &plan.lookups[0];
    let whole = stored(Some(MEMBER))
        .write(of, &key("7"), Vec::new())
        .unwrap();
    let check = |value: &[u8]| {
        if let Ok(read) = Stored::read(value, of, &key("7"), lookup)
            && let Some(json) = read.record
        {
            assert!(records::of_key(json, lookup, &key("7")).is_some());
        }
    };
    for place in 0..whole.len() {
        assert!(Stored::read(&whole[..place], of, &key("7"), lookup).is_err());
        for byte in 0..=u8::MAX {
            let mut damaged = whole.clone();
            damaged[place] = byte;
            check(&damaged);
        }
    }
    let absent = stored(None).write(of, &key("7"), Vec::new()).unwrap();
    let longer = [&*absent, b"x"].concat();
    let read = Stored::read(&longer, of, &key("7"), lookup);
    assert_eq!(read, Err(Wrong::Format));
}

#[test]
fn an_entity_is_stored_up_to_its_limit_and_not_past_it() {
    let (plan, of) = site();
    let entity = |bytes: usize| {
        let name = "x".repeat(bytes);
        stored(Some(&format!(
            r#"{{"memberId":7,"version":3,"name":"{name}"}}"#
        )))
    };
    let least = entity(0).write(of, &key("7"), Vec::new()).unwrap().len();
    let largest = entity(VALUE_BYTES_MAX - least);
    let value = largest.write(of, &key("7"), Vec::new()).unwrap();
    assert_eq!(value.len(), VALUE_BYTES_MAX);
    let read = Stored::read(&value, of, &key("7"), &plan.lookups[0]);
    assert_eq!(read, Ok(largest));
    let larger = entity(VALUE_BYTES_MAX - least + 1);
    assert_eq!(larger.write(of, &key("7"), Vec::new()), None);
    let longer = [&*value, b" "].concat();
    let read = Stored::read(&longer, of, &key("7"), &plan.lookups[0]);
    assert_eq!(read, Err(Wrong::TooLarge));
}

#[test]
fn a_fingerprint_is_another_with_every_part_of_the_declaration() {
    let changes: [fn(&mut crate::Declaration); 6] = [
        |it| it.services[1].name = "membership2".to_owned(),
        |it| it.services[1].is_sent_credential = true,
        |it| it.lookups[0].call = "GET membership /people?ids={keys}".into(),
        |it| it.lookups[0].key = Some("id".into()),
        |it| it.lookups[0].items = Some("data".into()),
        |it| it.lookups[0].version = Some("version".into()),
    ];
    let of = |change: Option<fn(&mut crate::Declaration)>| {
        let mut declaration = sample::history();
        declaration.lookups[0].is_shared_despite_auth = true;
        if let Some(change) = change {
            change(&mut declaration);
        }
        declaration.lookups[0].call.text = declaration.lookups[0]
            .call
            .text
            .replace("membership ", &format!("{} ", declaration.services[1].name));
        let plan = sample::plan(&declaration);
        Fingerprint::of(&plan, &plan.lookups[0]).to_string()
    };
    let mut all = vec![of(None)];
    assert_eq!(of(None), all[0]);
    assert_eq!(all[0].len(), 32);
    for change in changes {
        all.push(of(Some(change)));
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 7);
}
