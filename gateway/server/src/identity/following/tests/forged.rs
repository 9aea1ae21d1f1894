//! Whoever can write to Redis can write a record. What of it is believed?

use idp_token::projection::record_key;
use idp_token::reference::ReferenceToken;
use idp_token::seal::SealKey;
use idp_token::session::Session;

use super::provider::{claims, draw_key};
use super::redis_server::{RedisServer, Reply};
use super::site::{LONG, Site, token};

/// The record of a token, as it lies there.
fn read(redis: &RedisServer, token: &ReferenceToken) -> Session {
    let key = record_key(token.digest());
    let Reply::Text(text) = redis.command(&format!("GET {key}")) else {
        panic!("no record under {key}");
    };
    Session::read(&text).unwrap()
}

fn write(redis: &RedisServer, token: &ReferenceToken, record: &Session) {
    let key = record_key(token.digest());
    let reply = redis.set(&key, record.write().as_bytes());
    assert_eq!(reply, Reply::Text(b"OK".to_vec()));
}

/// Puts a value token into a record, as whoever holds the token can.
fn seal(token: &ReferenceToken, record: &mut Session, text: &str) {
    let sealed = SealKey::of(token).seal(text, [9; 12]).unwrap();
    record.value_token.as_mut().unwrap().sealed = sealed;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rights_that_only_redis_tells_of_are_not_believed() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let (own, other) = (site.token(1), site.token(2));
    site.active(&own).await;
    site.active(&other).await;
    let (honest, of_other) = (read(&redis, &own), read(&redis, &other));
    let opened = |token, record: &Session| {
        let sealed = &record.value_token.as_ref().unwrap().sealed;
        SealKey::of(token).open(sealed).unwrap()
    };
    site.asked();
    site.active(&own).await;
    assert_eq!(site.asked(), [], "an honest record is believed");

    let mut forged = [(); 5].map(|()| honest.clone());
    forged[0].scope = "money.read money.write".to_owned();
    forged[1].roles = vec!["admin".to_owned()];
    forged[2].subject = "user 2".to_owned();
    // With what was signed for somebody else, word for word.
    forged[3] = of_other.clone();
    seal(&own, &mut forged[3], &opened(&other, &of_other));
    // With what nobody signed.
    seal(&own, &mut forged[4], "a.b.c");
    for (count, record) in (1..).zip(&forged) {
        write(&redis, &own, record);
        let told = site.active(&own).await;
        assert_eq!(site.asked(), [own.digest()], "{record:?}");
        assert_eq!(told.record.subject, "user 1", "{record:?}");
        assert_eq!(told.record.scope, "money.read", "{record:?}");
        let doubted = site.metric("redis_lookups_total", "forged");
        assert_eq!(doubted, f64::from(count), "{record:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_record_that_somebody_else_signed_is_asked_about() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let token = site.token(1);
    site.active(&token).await;
    site.asked();
    let mut forged = read(&redis, &token);
    forged.scope = "money.read money.write".to_owned();
    let claims = claims(&forged, token.digest());
    let stored = forged.value_token.as_mut().unwrap();
    (stored.renews_at, stored.expires_at) = (claims.renews_at(), claims.expires_at);
    let text = draw_key().sign(&claims).unwrap();
    seal(&token, &mut forged, &text);
    write(&redis, &token, &forged);
    let told = site.active(&token).await;
    assert_eq!(site.asked(), [token.digest()]);
    assert_eq!(told.record.scope, "money.read");
}

/// It was stored before, and somebody puts it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_record_of_a_session_that_was_ended_is_not_believed_again() {
    use idp_token::epoch::Seq;
    use idp_token::log::{Kind, Target};

    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let good = site.token(1);
    site.active(&good).await;
    let mut record = read(&redis, &good);
    site.provider.facts().sessions.remove(&good.digest());
    let ended = Target::Session(record.id);
    let seq = site.provider.publish(ended, Kind::Ended);
    site.until("it is in force", |it| it.applied() == seq.0)
        .await;
    record.written_seq = Seq(seq.0 + 1);
    write(&redis, &good, &record);
    site.asked();
    let found = site.find(&good).await.unwrap();
    assert!(matches!(
        found.told,
        crate::identity::sources::Told::Inactive
    ));
    assert_eq!(site.asked(), [token(1).digest()]);
}
