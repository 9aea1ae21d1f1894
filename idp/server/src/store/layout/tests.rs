use redb::backends::InMemoryBackend;

use super::*;

const NEW: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("new");

fn make_new(writing: &WriteTransaction) -> Result<(), redb::Error> {
    writing
        .open_table(NEW)?
        .insert("made", b"once".as_slice())
        .map(drop)?;
    Ok(())
}

fn fail(writing: &WriteTransaction) -> Result<(), redb::Error> {
    make_new(writing)?;
    Err(redb::Error::Corrupted("half way".to_owned()))
}

fn database() -> Database {
    let backend = InMemoryBackend::new();
    Database::builder().create_with_backend(backend).unwrap()
}

fn has_new(database: &Database) -> bool {
    database.begin_read().unwrap().open_table(NEW).is_ok()
}

#[test]
fn an_older_store_is_led_step_by_step_to_the_last_layout() {
    let database = database();
    migrate(&database, &[make_tables]).unwrap();
    assert_eq!(find_layout(&database).unwrap(), 1);
    migrate(&database, &[fail, make_new]).unwrap();
    assert_eq!(
        find_layout(&database).unwrap(),
        2,
        "the first was not repeated"
    );
    assert!(has_new(&database));
    migrate(&database, &[fail, fail]).unwrap();
}

#[test]
fn a_step_that_fails_leaves_the_layout_before_it() {
    let database = database();
    let failed = migrate(&database, &[make_tables, fail]);
    assert!(
        matches!(failed, Err(LayoutError::Database(_))),
        "{failed:?}"
    );
    assert_eq!(find_layout(&database).unwrap(), 1);
    assert!(!has_new(&database));
}

#[test]
fn a_newer_store_is_refused_and_stays_as_it_is() {
    let database = database();
    let steps: [Step; 4] = [make_tables, allow_journal, allow_lone_tokens, make_new];
    migrate(&database, &steps).unwrap();
    let refused = migrate(&database, STEPS);
    let expected = matches!(refused, Err(LayoutError::Newer { found: 4, known: 3 }));
    assert!(expected, "{refused:?}");
    assert_eq!(find_layout(&database).unwrap(), 4);
}

#[test]
fn a_moment_is_spelled_in_one_way() {
    assert_eq!(numbers(&[0; 16]), Some((0, 0)));
    for length in [0, 7, 8, 15, 17] {
        assert_eq!(numbers(&vec![0; length]), None, "{length}");
    }
}
