//! Do the scripts keep their word in a real Redis?

use idp_token::digest::TokenDigest;
use idp_token::epoch::Seq;
use idp_token::log::{Beat, Change, Entry, Kind, Target};
use idp_token::projection::{
    self, EPOCHS_KEY, Epoch, LOG_KEY, POSITION_FIELD, Start, StreamId, Unknown,
};
use idp_token::session::{Session, SessionId};
use idp_token::time::UnixSeconds;

use crate::redis::{Reply, Server};

const DIGEST: TokenDigest = TokenDigest::from_bytes([1; 16]);
const SESSION: SessionId = SessionId([0xab; 16]);
const NOW: UnixSeconds = UnixSeconds(1000);
const DONE: Reply = Reply::Number(1);
const REFUSED: Reply = Reply::Number(0);

struct Redis(Server);

impl Redis {
    fn empty() -> Self {
        Self(Server::start())
    }

    /// Filled by a relay that has published so many changes.
    fn filled(position: u64) -> Self {
        let mut redis = Self::empty();
        redis.fill(position, &[]);
        redis
    }

    fn fill(&mut self, position: u64, epochs: &[Epoch]) {
        assert_eq!(self.0.run(&projection::clear(7)), DONE);
        assert_eq!(self.0.run(&projection::fill(7, epochs)), DONE);
        assert_eq!(self.0.run(&projection::finish(7, Seq(position))), DONE);
    }

    fn publish(&mut self, after: u64, changes: &[Change]) -> Reply {
        let call = projection::publish(Seq(after), changes).unwrap();
        self.0.run(&call)
    }

    fn beat(&mut self, number: u64, seq: u64, now: UnixSeconds) -> Reply {
        let seq = Seq(seq);
        self.0.run(&projection::beat(Beat { number, seq }, now))
    }

    fn position(&mut self) -> Option<Seq> {
        let found = self
            .0
            .command(&format!("HGET {EPOCHS_KEY} {POSITION_FIELD}"));
        projection::read_position(found.text().as_deref())
    }

    fn store(&mut self, written_seq: u64) -> Reply {
        let record = record(written_seq);
        let call = projection::store(DIGEST, &record, UnixSeconds(2000), NOW).unwrap();
        self.0.run(&call)
    }

    fn find(&mut self, known: u64) -> Result<Session, Unknown> {
        let reply = self.0.run(&projection::find(DIGEST)).list();
        let reply: Vec<_> = reply.into_iter().map(Reply::text).collect();
        projection::read_found(&reply, Seq(known))
    }

    /// All that is in the log behind this id.
    fn read(&mut self, after: &str) -> Vec<(StreamId, Entry)> {
        let found = self.0.command(&format!("XRANGE {LOG_KEY} {after} +"));
        found.list().into_iter().map(entry).collect()
    }

    fn end(&mut self) -> Option<StreamId> {
        let found = self
            .0
            .command(&format!("XREVRANGE {LOG_KEY} + - COUNT 1"))
            .list();
        found.into_iter().map(|it| entry(it).0).next()
    }
}

fn entry(reply: Reply) -> (StreamId, Entry) {
    let [id, fields] = <[Reply; 2]>::try_from(reply.list()).unwrap();
    let [name, text] = <[Reply; 2]>::try_from(fields.list()).unwrap();
    assert_eq!(name, Reply::Text(projection::ENTRY_FIELD.into()));
    let id = String::from_utf8(id.text().unwrap()).unwrap();
    projection::read_entry(&id, &text.text().unwrap()).unwrap()
}

fn record(written_seq: u64) -> Session {
    Session {
        id: SESSION,
        subject: "änn \"the\" first".to_owned(),
        client_id: "app".to_owned(),
        tenant: "acme".to_owned(),
        scope: "pay".to_owned(),
        roles: vec!["payer".to_owned()],
        amr: Vec::new(),
        auth_time: None,
        began_at: NOW,
        ends_at: UnixSeconds(9000),
        idle: None,
        written_seq: Seq(written_seq),
        value_token: None,
    }
}

fn change(seq: u64, target: Target) -> Change {
    Change {
        seq: Seq(seq),
        target,
        kind: Kind::Ended,
        at: NOW,
        until: None,
    }
}

fn session(seq: u64) -> Change {
    Change {
        until: Some(UnixSeconds(9000)),
        ..change(seq, Target::Session(SESSION))
    }
}

/// Everything that bears on the record, and something that does not.
fn targets() -> Vec<(Target, bool)> {
    vec![
        (Target::Session(SESSION), true),
        (Target::Subject(record(0).subject), true),
        (Target::Client("app".to_owned()), true),
        (Target::Tenant("acme".to_owned()), true),
        (Target::Realm, true),
        (Target::Session(SessionId([1; 16])), false),
        (Target::Subject("app".to_owned()), false),
        (Target::Client("acme".to_owned()), false),
        (Target::Tenant("app".to_owned()), false),
    ]
}

#[test]
fn a_change_is_in_the_log_and_in_the_epochs_at_once() {
    for (target, is_its_own) in targets() {
        let mut redis = Redis::filled(6);
        assert_eq!(redis.store(6), DONE);
        assert_eq!(redis.find(6), Ok(record(6)));
        let changes = [change(7, target.clone())];
        assert_eq!(redis.publish(6, &changes), DONE);
        assert_eq!(redis.position(), Some(Seq(7)));
        let [(id, read)] = <[_; 1]>::try_from(redis.read("-")).unwrap();
        assert_eq!(
            (id.to_string().as_str(), read),
            ("7-0", Entry::Change(changes[0].clone()))
        );

        let expected = if is_its_own {
            Err(Unknown::Void)
        } else {
            Ok(record(6))
        };
        assert_eq!(redis.find(7), expected, "{target:?}");
        // Nobody can put it back, but for one who knows of the change.
        let stored = if is_its_own { REFUSED } else { DONE };
        assert_eq!(redis.store(6), stored, "{target:?}");
        assert_eq!(redis.store(7), DONE);
        assert_eq!(redis.find(7), Ok(record(7)));
    }
}

#[test]
fn a_record_expires_with_its_token() {
    let mut redis = Redis::filled(1);
    assert_eq!(redis.store(1), DONE);
    let key = projection::record_key(DIGEST);
    let Reply::Number(left) = redis.0.command(&format!("TTL {key}")) else {
        panic!("a number");
    };
    assert!((900..=1000).contains(&left), "{left}");
}

#[test]
fn nothing_is_written_over_a_hole() {
    let mut redis = Redis::filled(6);
    let [seven, eight] = [session(7), change(8, Target::Realm)];
    for after in [0, 5, 7] {
        assert_eq!(
            redis.publish(after, std::slice::from_ref(&eight)),
            REFUSED,
            "{after}"
        );
        assert_eq!(redis.beat(1, after, NOW), REFUSED, "{after}");
    }
    assert_eq!(redis.read("-"), []);
    assert_eq!(redis.publish(6, &[seven.clone(), eight.clone()]), DONE);
    // Sent once more since nobody knew whether it had arrived.
    assert_eq!(redis.publish(6, &[seven, eight]), REFUSED);
    assert_eq!(redis.position(), Some(Seq(8)));
    assert_eq!(redis.read("-").len(), 2);
}

#[test]
fn beats_follow_the_change_that_they_name() {
    let mut redis = Redis::filled(6);
    assert_eq!(redis.beat(40, 6, NOW), DONE);
    assert_eq!(redis.beat(41, 6, NOW), DONE);
    assert_eq!(redis.publish(6, &[session(7)]), DONE);
    assert_eq!(redis.beat(42, 7, NOW), DONE);
    let read = redis.read("-");
    let ids: Vec<_> = read.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(ids, ["6-0", "6-1", "7-0", "7-1"]);
    let seqs = read.iter().map(|(id, entry)| (id.seq, entry.seq()));
    assert!(seqs.into_iter().all(|(of_id, of_entry)| of_id == of_entry));
    assert_eq!(redis.end().map(|id| id.to_string()).as_deref(), Some("7-1"));
}

#[test]
fn beats_come_before_the_first_change_of_all() {
    let mut redis = Redis::filled(0);
    assert_eq!(redis.beat(40, 0, NOW), DONE);
    let Start::After(id) = projection::start(None, Seq::NONE) else {
        panic!("nothing is known yet");
    };
    assert_eq!(redis.read(&format!("({id}")).len(), 1);
}

/// A server that lost its last writes, or was flushed, says so by its position.
#[test]
fn what_was_lost_is_unknown_and_is_written_anew() {
    let mut redis = Redis::filled(6);
    assert_eq!(redis.store(6), DONE);
    // Change 7 was read from the log and then lost with it.
    assert_eq!(redis.find(7), Err(Unknown::Behind { position: Seq(6) }));
    assert_eq!(redis.0.command("FLUSHALL"), Reply::Text("OK".into()));
    assert_eq!(redis.find(0), Err(Unknown::Absent));
    assert_eq!(redis.position(), None);
    assert_eq!(redis.store(6), REFUSED);
    assert_eq!(redis.publish(6, &[session(7)]), REFUSED);
    assert_eq!(redis.beat(1, 7, NOW), REFUSED);

    let epoch = Epoch {
        target: Target::Session(SESSION),
        seq: Seq(7),
        until: Some(UnixSeconds(9000)),
    };
    redis.fill(7, &[epoch]);
    assert_eq!(redis.store(6), REFUSED);
    assert_eq!(redis.store(7), DONE);
    assert_eq!(redis.find(7), Ok(record(7)));
    assert_eq!(redis.beat(1, 7, NOW), DONE);
    // The first beat in an empty stream is read by those who know the change.
    let Start::After(id) = projection::start(None, Seq(7)) else {
        panic!("nothing is missing");
    };
    assert_eq!(redis.read(&format!("({id}")).len(), 1);
}

/// Whichever keys are evicted: what is left never says that an ended session is good.
#[test]
fn eviction_brings_no_session_back() {
    let mut redis = Redis::filled(6);
    assert_eq!(redis.store(6), DONE);
    assert_eq!(redis.publish(6, &[session(7)]), DONE);
    let record_key = projection::record_key(DIGEST);
    for (key, expected) in [
        (LOG_KEY, Unknown::Void),
        (EPOCHS_KEY, Unknown::NoPosition),
        (record_key.as_str(), Unknown::Absent),
    ] {
        assert_eq!(redis.0.command(&format!("DEL {key}")), DONE);
        assert_eq!(redis.find(0), Err(expected), "{key}");
    }
}

#[test]
fn of_two_who_fill_at_once_only_the_last_to_begin_may_finish() {
    let mut redis = Redis::empty();
    let realm = Epoch {
        target: Target::Realm,
        seq: Seq(7),
        until: None,
    };
    let run = |redis: &mut Redis, call| redis.0.run(&call);
    assert_eq!(run(&mut redis, projection::clear(1)), DONE);
    assert_eq!(
        run(
            &mut redis,
            projection::fill(1, std::slice::from_ref(&realm))
        ),
        DONE
    );
    assert_eq!(run(&mut redis, projection::clear(2)), DONE);
    assert_eq!(
        run(
            &mut redis,
            projection::fill(1, std::slice::from_ref(&realm))
        ),
        REFUSED
    );
    assert_eq!(run(&mut redis, projection::finish(1, Seq(7))), REFUSED);
    assert_eq!(redis.position(), None);
    assert_eq!(run(&mut redis, projection::fill(2, &[realm])), DONE);
    assert_eq!(run(&mut redis, projection::finish(2, Seq(7))), DONE);
    assert_eq!(run(&mut redis, projection::finish(2, Seq(8))), REFUSED);
    assert_eq!(redis.position(), Some(Seq(7)));
}

#[test]
fn a_log_that_went_further_than_the_database_is_begun_anew() {
    let mut redis = Redis::filled(8);
    assert_eq!(redis.publish(8, &[session(9)]), DONE);
    redis.fill(6, &[]);
    assert_eq!(redis.read("-"), []);
    assert_eq!(redis.publish(6, &[session(7)]), DONE);
    assert_eq!(redis.beat(1, 7, NOW), DONE);
}

/// Enough sessions for a hash that is scanned page by page.
#[test]
fn beats_sweep_away_epochs_that_nobody_can_ask_for() {
    let mut redis = Redis::empty();
    let epochs: Vec<_> = (0..1000_u32)
        .map(|number| {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            Epoch {
                target: Target::Session(SessionId(id)),
                seq: Seq(5),
                until: Some(UnixSeconds(if number < 990 { 1999 } else { 2001 })),
            }
        })
        .collect();
    let for_ever = Epoch {
        target: Target::Subject("1".to_owned()),
        seq: Seq(5),
        until: None,
    };
    redis.fill(5, &[&epochs[..], &[for_ever]].concat());
    let count = |redis: &mut Redis| redis.0.command(&format!("HLEN {EPOCHS_KEY}"));
    assert_eq!(redis.beat(1, 5, UnixSeconds(1998)), DONE);
    let Reply::Number(before) = count(&mut redis) else {
        panic!("a number");
    };
    assert!(before >= 1002, "{before}");
    for number in 2..100 {
        assert_eq!(redis.beat(number, 5, UnixSeconds(2000)), DONE);
    }
    // Ten sessions, the subject, the position and how far the sweep is.
    assert_eq!(count(&mut redis), Reply::Number(13));
    assert_eq!(redis.position(), Some(Seq(5)));
}

/// Half a day of beats leaves the log as long as it may be, give or take one block of it.
#[test]
fn the_log_does_not_grow_for_ever() {
    let mut redis = Redis::filled(5);
    for number in 0..20_000 {
        assert_eq!(redis.beat(number, 5, NOW), DONE);
    }
    let Reply::Number(length) = redis.0.command(&format!("XLEN {LOG_KEY}")) else {
        panic!("a number");
    };
    assert!((16_384..=16_384 + 200).contains(&length), "{length}");
}

#[test]
fn what_is_no_record_is_unknown() {
    let mut redis = Redis::filled(5);
    let key = projection::record_key(DIGEST);
    for (text, expected) in [
        ("[", Unknown::Absent),
        ("7", Unknown::Absent),
        (r#"{"sid":[]}"#, Unknown::Record(missing("v"))),
    ] {
        assert_eq!(
            redis.0.command(&format!("SET {key} {text}")),
            Reply::Text("OK".into())
        );
        assert_eq!(redis.find(5), Err(expected), "{text}");
    }
}

fn missing(name: &'static str) -> idp_token::session::RecordError {
    idp_token::MemberError::Missing(name).into()
}
