//! Does Redis hold what gateways need, and does it come back when it is lost, before anybody is
//! told that all is well?

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use idp_token::ask::resolve::{Answer, Purpose};
use idp_token::epoch::Seq;
use idp_token::projection::{EPOCHS_KEY, LOG_KEY, Unknown, find, publish, read_found, store};
use idp_token::time::UnixSeconds;
use tokio::task::JoinSet;

use crate::gateway::{Reader, START, digest, in_time, seal_key};
use crate::redis_server::{Connection, Held, RedisServer, wishes_for};
use crate::server::Server;

const REVOCATIONS: usize = 400;

async fn revoke_some(server: &Server, count: usize) {
    for _ in 0..count {
        let token = server.token().await;
        server.revoke(&token).await;
    }
}

/// Whatever is there of a log: no beat without every change before it, and every epoch with it.
fn check_whole(held: &Held, ended: usize) {
    for beat in held.beats() {
        assert!(beat.seq.0 >= ended as u64, "a beat from before: {held:?}");
    }
    if !held.beats().is_empty() {
        assert!(held.sessions() >= ended, "{} of {ended}", held.sessions());
    }
}

/// Returns once there are beats, and looks at all that is there before.
async fn until_beats(connection: &mut Connection, ended: usize) {
    let has_beats = |held: &Held| {
        check_whole(held, ended);
        held.beats().len() > 1
    };
    connection.until(has_beats).await;
}

/// What was published before Redis was found is in what is built there, and not in its log.
async fn until_built(redis: &RedisServer) {
    let mut connection = redis.connect().await;
    connection.until(|held| !held.beats().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_in_redis_once_and_in_order_with_its_epoch() {
    let redis = RedisServer::start();
    let server = Arc::new(Server::start_with(redis.wishes()).await);
    until_built(&redis).await;
    let mut revoking = JoinSet::new();
    for _ in 0..40 {
        let server = Arc::clone(&server);
        revoking.spawn(async move { revoke_some(&server, REVOCATIONS / 40).await });
    }
    revoking.join_all().await;
    let last = Seq(REVOCATIONS as u64);
    let mut connection = redis.connect().await;
    let is_beaten = |held: &Held| held.beats().iter().filter(|it| it.seq == last).count() > 1;
    let held = connection.until(is_beaten).await;
    let seqs = held.changes().into_iter().map(|change| change.seq.0);
    assert!(seqs.eq(1..=REVOCATIONS as u64));
    assert_eq!(held.sessions(), REVOCATIONS);
    // A beat stands behind the change that it names, and they are numbered by one.
    let mut seq = Seq::NONE;
    for (id, _) in &held.entries {
        assert!(id.seq == seq || id.seq == seq.next());
        seq = id.seq;
    }
    let numbers: Vec<_> = held.beats().iter().map(|beat| beat.number).collect();
    assert!(numbers.is_sorted_by(|one, next| next - one == 1));
    // Both logs say the same, and beat by themselves.
    let mut reader = Reader::new(START);
    let is_there = |reader: &Reader| !reader.beats.is_empty() && reader.after.seq >= last;
    reader.read_until(&server, is_there).await;
    let changes: Vec<_> = held.changes().into_iter().cloned().collect();
    assert_eq!(reader.changes, changes);
    assert!(!numbers.contains(&reader.beats[0]));
}

#[tokio::test]
async fn a_flushed_redis_has_everything_again_before_the_next_beat() {
    let redis = RedisServer::start();
    let server = Server::start_with(redis.wishes()).await;
    until_built(&redis).await;
    revoke_some(&server, 30).await;
    let mut connection = redis.connect().await;
    connection
        .until(|held| !held.beats().is_empty() && held.sessions() == 30)
        .await;
    for round in 0..5 {
        let () = connection.command("FLUSHALL").await;
        until_beats(&mut connection, 30).await;
        assert_eq!(
            server.metric("redis_rebuilds_total").await,
            f64::from(round + 2)
        );
    }
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_is_filled_before_the_next_beat_and_nobody_waits_for_it() {
    let redis = RedisServer::start();
    let server = Server::start_with(redis.wishes()).await;
    revoke_some(&server, 10).await;
    redis
        .connect()
        .await
        .until(|held| held.sessions() == 10)
        .await;
    let folder = redis.kill();
    server.until_metric("redis_failures_total", 0.0).await;

    // All goes on over HTTP.
    let mut reader = Reader::new(START);
    reader.read_until_seq(&server, 10).await;
    let beats = reader.beats.len();
    revoke_some(&server, 10).await;
    reader.read_until_seq(&server, 20).await;
    reader
        .read_until(&server, |reader| reader.beats.len() >= beats + 5)
        .await;
    assert!(reader.is_without_holes());
    assert!(reader.beats.is_sorted_by(|one, next| next - one == 1));
    let token = server.token().await;
    assert!(matches!(
        server.resolve(&[&token], Purpose::Use).await[0],
        Answer::Active(_)
    ));
    assert_eq!(server.metric("redis_up").await, 0.0);

    let redis = RedisServer::start_in(folder);
    let mut connection = redis.connect().await;
    until_beats(&mut connection, 20).await;
    server.until_metric("redis_up", 0.0).await;
}

#[tokio::test]
async fn without_redis_at_the_start_the_provider_serves_and_finds_it_later() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(wishes_for(&folder)).await;
    revoke_some(&server, 3).await;
    Reader::new(START).read_until_seq(&server, 3).await;
    let redis = RedisServer::start_in(folder);
    let held = redis
        .connect()
        .await
        .until(|held| !held.beats().is_empty())
        .await;
    check_whole(&held, 3);
}

/// As after a failover to a replica that lacks the last writes.
#[tokio::test]
async fn a_redis_that_fell_behind_gets_what_it_lacks_before_the_next_beat_and_no_more() {
    let redis = RedisServer::start();
    let server = Server::start_with(redis.wishes()).await;
    until_built(&redis).await;
    revoke_some(&server, 10).await;
    let mut connection = redis.connect().await;
    let is_beaten = |held: &Held| held.beats().iter().any(|beat| beat.seq == Seq(10));
    let before = connection.until(is_beaten).await;
    let script = format!(
        "for _, entry in ipairs(redis.call('XRANGE', '{LOG_KEY}', '7', '+')) do \
         redis.call('XDEL', '{LOG_KEY}', entry[1]) end \
         redis.call('XSETID', '{LOG_KEY}', '6-999999') \
         redis.call('HSET', '{EPOCHS_KEY}', 'position', '6')"
    );
    eval(&mut connection, &script).await;
    let after = connection.until(is_beaten).await;
    let seqs = after.changes().into_iter().map(|change| change.seq.0);
    assert!(seqs.eq(1..=10));
    let last = before.beats().last().unwrap().number;
    let beats = after.beats();
    let mut new = beats.iter().filter(|beat| beat.number > last);
    assert!(new.all(|beat| beat.seq == Seq(10)));
    assert_eq!(server.metric("redis_rebuilds_total").await, 1.0);
}

/// Two real servers. The replica was cut off before the last writes, and takes the place of the
/// primary: first as somebody's replica that may not be written to, then promoted.
#[tokio::test]
async fn a_replica_that_lacks_the_last_writes_gets_them_before_its_first_beat() {
    let (primary, port) = RedisServer::start_primary();
    let replica = RedisServer::start_replica(port);
    // Where the provider finds whichever of the two is in charge.
    let folder = tempfile::tempdir().unwrap();
    let lead_to = |server: &RedisServer| {
        let (next, at) = (folder.path().join("next"), folder.path().join("redis"));
        symlink(server.socket(), &next).unwrap();
        fs::rename(next, at).unwrap();
    };
    lead_to(&primary);
    let server = Server::start_with(wishes_for(&folder)).await;
    until_built(&primary).await;
    revoke_some(&server, 10).await;
    let mut connection = replica.connect().await;
    let has_ten = |held: &Held| held.beats().iter().any(|beat| beat.seq == Seq(10));
    connection.until(has_ten).await;

    let () = connection.command("REPLICAOF 127.0.0.1 1").await;
    let before = connection.held().await;
    revoke_some(&server, 5).await;
    let mut lost = primary.connect().await;
    let has_all = |held: &Held| held.beats().iter().any(|beat| beat.seq == Seq(15));
    lost.until(has_all).await;
    lead_to(&replica);
    primary.kill();
    server.until_metric("redis_failures_total", 2.0).await;
    let meanwhile = connection.held().await;
    assert_eq!(
        meanwhile.entries, before.entries,
        "it may not be written to"
    );
    assert_eq!(server.metric("redis_up").await, 0.0);

    let () = connection.command("REPLICAOF NO ONE").await;
    let last = before.beats().last().unwrap().number;
    let is_new = |held: &Held| {
        let beats = held.beats();
        let mut new = beats.iter().filter(|beat| beat.number > last).peekable();
        let has_new = new.peek().is_some();
        assert!(new.all(|beat| beat.seq == Seq(15)), "{beats:?}");
        has_new
    };
    let after = connection.until(is_new).await;
    let seqs = after.changes().into_iter().map(|change| change.seq.0);
    assert!(seqs.eq(1..=15));
    assert_eq!(after.sessions(), 15);
    let rebuilds = server.metric("redis_rebuilds_total").await;
    assert_eq!(rebuilds, 1.0, "it gets what it lacks and no more");
}

async fn eval(connection: &mut Connection, script: &str) {
    let call = idp_token::projection::Call {
        script: Box::leak(script.to_owned().into_boxed_str()),
        keys: Vec::new(),
        arguments: Vec::new(),
    };
    connection.run::<()>(&call).await;
}

/// As after the database was put back to an older state, or if Redis is somebody else's.
#[tokio::test]
async fn a_redis_that_knows_more_or_holds_something_else_is_written_anew() {
    let redis = RedisServer::start();
    let server = Server::start_with(redis.wishes()).await;
    until_built(&redis).await;
    revoke_some(&server, 5).await;
    let mut connection = redis.connect().await;
    connection
        .until(|held| !held.beats().is_empty() && held.sessions() == 5)
        .await;
    for broken in [
        format!("redis.call('HSET', '{EPOCHS_KEY}', 'position', '999')"),
        format!("redis.call('HSET', '{EPOCHS_KEY}', 'position', 'x')"),
        format!("redis.call('DEL', '{EPOCHS_KEY}') redis.call('SET', '{EPOCHS_KEY}', 'x')"),
        format!("redis.call('DEL', '{LOG_KEY}') redis.call('SET', '{LOG_KEY}', 'x')"),
        format!("redis.call('XADD', '{LOG_KEY}', '99-0', 'e', 'x')"),
    ] {
        let before = server.metric("redis_rebuilds_total").await;
        eval(&mut connection, &broken).await;
        server.until_metric("redis_rebuilds_total", before).await;
        let held = connection.until(|held| held.beats().len() > 1).await;
        check_whole(&held, 5);
        assert_eq!(connection.position().await, Some(Seq(5)));
    }
}

/// A relay that was held up, and goes on as if nothing had happened.
#[tokio::test]
async fn what_another_relay_writes_late_is_refused() {
    let redis = RedisServer::start();
    let server = Server::start_with(redis.wishes()).await;
    until_built(&redis).await;
    revoke_some(&server, 3).await;
    let mut connection = redis.connect().await;
    let held = connection.until(|held| held.changes().len() == 3).await;
    let changes: Vec<_> = held.changes().into_iter().cloned().collect();
    for after in 0..2 {
        let call = publish(Seq(after), &changes[usize::try_from(after).unwrap()..]).unwrap();
        assert_eq!(connection.run::<i64>(&call).await, 0);
    }
    assert_eq!(connection.position().await, Some(Seq(3)));
    assert_eq!(connection.held().await.changes().len(), 3);
}

#[tokio::test]
async fn what_a_gateway_was_told_lies_in_redis_for_the_next_one_until_it_is_void() {
    let redis = RedisServer::start();
    let server = Server::start_with(redis.wishes()).await;
    until_built(&redis).await;
    revoke_some(&server, 1).await;
    let mut connection = redis.connect().await;
    connection.until(|held| held.changes().len() == 1).await;
    let token = server.token().await;
    let answers = server.resolve(&[&token], Purpose::Use).await;
    let Answer::Active(told) = &answers[0] else {
        panic!("{answers:?}");
    };
    let call = find(digest(&token));
    let finding = async {
        loop {
            let reply: Vec<Option<Vec<u8>>> = connection.run(&call).await;
            match read_found(&reply, Seq(1)) {
                Ok(found) => break found,
                Err(error) => assert_eq!(error, Unknown::Absent),
            }
        }
    };
    let found = in_time("the record in Redis", finding).await;
    assert_eq!(found, told.record);
    let sealed = &found.value_token.as_ref().unwrap().sealed;
    assert!(seal_key(&token).open(sealed).is_ok());
    assert!(seal_key("another").open(sealed).is_err());

    server.revoke(&token).await;
    connection.until(|held| held.changes().len() == 2).await;
    let reply: Vec<Option<Vec<u8>>> = connection.run(&call).await;
    assert_eq!(read_found(&reply, Seq(2)), Err(Unknown::Void));
    // Whoever stores it late, stores nothing.
    let now = UnixSeconds(told.record.began_at.0);
    let call = store(digest(&token), &told.record, told.expires_at, now).unwrap();
    assert_eq!(connection.run::<i64>(&call).await, 0);
}
