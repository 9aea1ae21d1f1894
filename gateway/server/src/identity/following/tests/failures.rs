//! One test for each state of Redis (R) and the identity provider (I).

use std::time::Duration;

use gateway_core::verdict::Unknown;
use idp_token::lease::{GRACE_DEFAULT, Tolerance, Trust};
use idp_token::log::{Kind, Target};

use super::redis_server::RedisServer;
use super::scripted_redis::ScriptedRedis;
use super::site::{LONG, Site, session};
use crate::identity::sources::Told;

const TOLERANT: Tolerance = Tolerance::Tolerant {
    grace: GRACE_DEFAULT,
};
const SHORT: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_all_is_up_redis_is_asked_first_and_then_the_provider() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let token = site.token(1);
    let told = site.active(&token).await;
    assert_eq!(told.record.subject, "user 1");
    assert_eq!(site.subject_of(&told.value_token.unwrap().text), "user 1");
    assert_eq!(site.asked(), [token.digest()]);
    let told = site.active(&token).await;
    assert_eq!(site.subject_of(&told.value_token.unwrap().text), "user 1");
    assert_eq!(site.asked(), [], "Redis knows by now");

    let stranger = super::site::token(2);
    let found = site.find(&stranger).await.unwrap();
    assert!(matches!(found.told, Told::Inactive));
    assert_eq!(site.asked(), [stranger.digest()], "only the provider knows");
    site.until("Redis is read", Site::reads_redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_redis_down_the_log_goes_on_at_the_provider_within_the_lease() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let token = site.token(1);
    let found = site.find(&token).await.unwrap();
    drop(redis);
    site.until("the provider is read", |it| !it.reads_redis())
        .await;
    site.always(LONG + SHORT, "trusted", Site::is_fresh).await;
    assert!(site.holds(&found), "nothing was missed");

    site.asked();
    site.active(&token).await;
    assert_eq!(site.asked(), [token.digest()]);
    let seq = site
        .provider
        .publish(Target::Session(session(1).id), Kind::Ended);
    site.until("it is in force", |it| it.applied() == seq.0)
        .await;
    assert!(!site.holds(&found));
    assert!(site.following.knowledge.was_ended(&session(1).id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_is_read_again_once_it_has_been_well_for_a_while() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    drop(redis);
    site.until("the provider is read", |it| !it.reads_redis())
        .await;
    site.provider.publish(Target::Realm, Kind::Changed);
    let again = RedisServer::start();
    again.take_over(&site.redis_path());
    let began = crate::clock::boot();
    site.until("Redis is read", |it| it.reads_redis() && it.is_fresh())
        .await;
    let waited = crate::clock::boot().0 - began.0;
    assert!(waited > Duration::from_secs(3), "{waited:?}");
    site.always(LONG + SHORT, "trusted", Site::is_fresh).await;

    let seq = site.provider.publish(Target::Realm, Kind::Changed);
    site.until("it is in force", |it| it.applied() == seq.0)
        .await;
    let token = site.token(1);
    let known = site.metric("redis_lookups_total", "found");
    while site.metric("redis_lookups_total", "found") <= known {
        site.active(&token).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_the_provider_cut_off_redis_proves_the_lease_and_knows_its_records() {
    let redis = RedisServer::start();
    let mut site = Site::start_fresh(Some(&redis), LONG).await;
    let (known, unknown) = (site.token(1), site.token(2));
    site.active(&known).await;
    site.provider.cut().await;
    site.always(LONG + SHORT, "trusted", Site::is_fresh).await;
    site.active(&known).await;
    assert_eq!(site.find(&unknown).await.unwrap_err(), Unknown::Unreachable);

    let seq = site
        .provider
        .publish(Target::Session(session(1).id), Kind::Ended);
    site.until("it is in force", |it| it.applied() == seq.0)
        .await;
    assert_eq!(
        site.find(&known).await.unwrap_err(),
        Unknown::Unreachable,
        "its record is void, and nobody can say that it is bad"
    );
    site.provider.mend().await;
    site.provider.facts().sessions.clear();
    assert!(matches!(
        site.find(&known).await.unwrap().told,
        Told::Inactive
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_the_relay_silent_the_lease_runs_out_and_no_copy_is_believed() {
    let redis = RedisServer::start();
    let mut site = Site::start_fresh(Some(&redis), SHORT).await;
    let token = site.token(1);
    site.active(&token).await;
    site.provider.facts().is_mute = true;
    site.until("the lease is over", |it| !it.is_fresh()).await;
    assert_eq!(site.trust(TOLERANT), Trust::Grace);
    assert_eq!(site.trust(Tolerance::Strict), Trust::Ask);
    site.asked();
    site.active(&token).await;
    assert_eq!(site.asked(), [token.digest()], "Redis may lack anything");

    site.provider.cut().await;
    assert_eq!(site.find(&token).await.unwrap_err(), Unknown::Stale);
    site.always(SHORT, "stale", |it| !it.is_fresh()).await;
    assert_eq!(site.trust(TOLERANT), Trust::Grace);
    let over = Tolerance::Tolerant { grace: SHORT };
    assert_eq!(site.trust(over), Trust::Ask, "its grace is over, too");

    site.provider.mend().await;
    site.provider.facts().is_mute = false;
    site.until("all is well again", Site::is_fresh).await;
    site.active(&token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_both_down_nothing_is_known_once_the_lease_is_over() {
    let redis = RedisServer::start();
    let mut site = Site::start_fresh(Some(&redis), SHORT).await;
    let token = site.token(1);
    let found = site.find(&token).await.unwrap();
    drop(redis);
    site.provider.cut().await;
    site.until("the lease is over", |it| !it.is_fresh()).await;
    assert_eq!(site.find(&token).await.unwrap_err(), Unknown::Stale);
    assert_eq!(site.trust(TOLERANT), Trust::Grace);
    assert!(site.holds(&found), "for routes that tolerate it");

    site.provider.mend().await;
    site.until("all is well again", Site::is_fresh).await;
    assert!(site.holds(&found), "nothing happened meanwhile");
    site.active(&token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flushed_redis_is_asked_past_and_filled_again() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let token = site.token(1);
    site.provider.publish(Target::Realm, Kind::Changed);
    let found = site.find(&token).await.unwrap();
    site.asked();
    redis.command("FLUSHALL");
    site.active(&token).await;
    assert_eq!(site.asked(), [token.digest()]);
    loop {
        site.active(&token).await;
        if site.asked().is_empty() {
            break;
        }
    }
    site.always(LONG + SHORT, "trusted", Site::is_fresh).await;
    let seq = site
        .provider
        .publish(Target::Session(session(1).id), Kind::Ended);
    site.until("it is in force", |it| it.applied() == seq.0)
        .await;
    assert!(!site.holds(&found));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_is_another_one_voids_everything_and_answers_nothing_it_does_not_know() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let token = site.token(1);
    let found = site.find(&token).await.unwrap();
    site.provider.publish(Target::Realm, Kind::Changed);
    let empty = RedisServer::start();
    empty.take_over(&site.redis_path());
    drop(redis);
    site.asked();
    site.active(&token).await;
    assert_eq!(site.asked(), [token.digest()]);
    site.until("it is met", |it| {
        it.metric("voids_total", "another_server") > 0.0 && it.reads_redis()
    })
    .await;
    assert!(!site.holds(&found));
    site.until("it is trusted", Site::is_fresh).await;
}

/// B was a replica of A. It is promoted without the last change that A had, and that the gateway has
/// read there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_promoted_replica_that_lacks_the_last_writes_is_not_believed() {
    let (a, b) = (RedisServer::start(), RedisServer::start());
    let site = Site::start_fresh(Some(&a), LONG).await;
    let token = site.token(1);
    site.active(&token).await;
    site.provider.facts().is_mute = true;
    copy(&a, &b);
    site.provider.facts().is_mute = false;
    let seq = site
        .provider
        .publish(Target::Session(session(1).id), Kind::Ended);
    site.provider.facts().sessions.clear();
    site.until("it is in force", |it| it.applied() == seq.0)
        .await;
    // The relay does not get at it, so that it stays as it is.
    site.provider.facts().redis = None;
    b.take_over(&site.redis_path());
    drop(a);
    site.until("the provider is read", |it| !it.reads_redis())
        .await;
    // Its record lies there still, from before its session was ended.
    while site.metric("redis_lookups_total", "behind") == 0.0 {
        let found = site.find(&token).await.unwrap();
        assert!(matches!(found.told, Told::Inactive));
    }
    site.always(LONG + SHORT, "at the provider, and trusted", |it| {
        !it.reads_redis() && it.is_fresh()
    })
    .await;

    // Once the relay has brought it what it lacks it is as good as any.
    site.provider.facts().redis = Some(site.redis_path());
    site.until("Redis is read", |it| it.reads_redis() && it.is_fresh())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_that_becomes_a_replica_is_left_at_once_and_voids_everything() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let token = site.token(1);
    let found = site.find(&token).await.unwrap();
    redis.command("REPLICAOF 127.0.0.1 1");
    site.until("the provider is read", |it| !it.reads_redis())
        .await;
    site.always(LONG + SHORT, "trusted", Site::is_fresh).await;
    assert!(!site.reads_redis(), "a replica is never well");
    redis.command("REPLICAOF NO ONE");
    site.until("it is met, with another history", |it| {
        it.reads_redis() && it.metric("voids_total", "another_server") > 0.0
    })
    .await;
    assert!(!site.holds(&found));
    site.until("it is trusted", Site::is_fresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_answers_and_does_not_beat_is_left_within_the_lease() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let path = site.provider.facts().redis.take();
    site.always(LONG + SHORT, "trusted", Site::is_fresh).await;
    assert!(!site.reads_redis());
    assert!(site.metric("log_switches_total", "provider") > 0.0);
    let seq = site.provider.publish(Target::Realm, Kind::Changed);
    site.until("it is in force", |it| it.applied() == seq.0)
        .await;
    site.provider.facts().redis = path;
    site.until("Redis is read", |it| it.reads_redis() && it.is_fresh())
        .await;
}

/// What a replica shows was there before a read of it began, and the lease rests on the opposite.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn beats_of_a_replica_prove_nothing() {
    let redis = ScriptedRedis::start().await;
    let site = Site::start_mute(redis.address, SHORT).await;
    site.until("it is trusted", Site::is_fresh).await;
    site.until("Redis is read", Site::reads_redis).await;
    *redis.role.lock().unwrap() = "slave";
    site.until("the lease is over", |it| !it.is_fresh()).await;
    site.always(SHORT, "stale", |it| !it.is_fresh()).await;
    assert!(site.metric("voids_total", "another_server") > 0.0);
    assert_eq!(
        site.metric("log_switches_total", "redis"),
        1.0,
        "a replica is never well, however it beats"
    );
    *redis.role.lock().unwrap() = "master";
    site.until("it is trusted", Site::is_fresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_hangs_is_waited_for_briefly_and_then_passed_over() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let token = site.token(1);
    site.active(&token).await;
    redis.signal("STOP");
    let began = crate::clock::boot();
    for _ in 0..20 {
        site.active(&token).await;
    }
    let took = crate::clock::boot().0 - began.0;
    assert!(took < 2 * SHORT, "each of them waited: {took:?}");
    assert_eq!(site.metric("redis_lookups_total", "failed"), 1.0);
    site.until("the provider is read", |it| !it.reads_redis())
        .await;
    site.always(LONG + SHORT, "trusted", Site::is_fresh).await;

    redis.signal("CONT");
    site.until("Redis is read", |it| it.reads_redis() && it.is_fresh())
        .await;
    site.always(SHORT, "trusted", Site::is_fresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_provider_that_is_slow_about_tokens_does_not_make_the_log_look_silent() {
    let site = Site::start_fresh(None, LONG).await;
    let instead = super::provider::Instead::Nothing;
    site.provider
        .facts()
        .instead
        .insert("/internal/resolve", instead);
    let token = site.token(1);
    let asking = async {
        loop {
            assert!(site.find(&token).await.is_err());
        }
    };
    tokio::select! {
        () = asking => {}
        () = site.always(LONG + SHORT, "trusted", Site::is_fresh) => {}
    }
    let seq = site.provider.publish(Target::Realm, Kind::Changed);
    site.until("it is in force", |it| it.applied() == seq.0)
        .await;
}

/// As replication does, up to this moment.
fn copy(from: &RedisServer, to: &RedisServer) {
    use super::redis_server::Reply;
    let Reply::List(keys) = from.command("KEYS *") else {
        panic!("no keys");
    };
    for key in keys {
        let Reply::Text(key) = key else {
            panic!("no key");
        };
        let name = String::from_utf8(key).unwrap();
        let Reply::Text(dump) = from.command(&format!("DUMP {name}")) else {
            panic!("nothing under {name}");
        };
        assert_eq!(to.restore(&name, &dump), Reply::Text(b"OK".to_vec()));
    }
}
