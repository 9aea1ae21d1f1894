//! What the log says is in force, whatever else it is mixed with.

use std::time::Duration;

use idp_token::ask::report::Reading;
use idp_token::lease::{GRACE_DEFAULT, Tolerance, Trust};
use idp_token::log::{Kind, Target};

use super::provider::Instead;
use super::redis_server::RedisServer;
use super::site::{LONG, Site, session};
use crate::clock;

const SHORT: Duration = Duration::from_secs(1);

async fn is_heard_of(site: &Site) {
    for (number, target) in [
        (1, Target::Session(session(1).id)),
        (2, Target::Subject(session(2).subject)),
        (3, Target::Client(session(3).client_id)),
        (4, Target::Tenant(session(4).tenant)),
        (5, Target::Realm),
    ] {
        let token = site.token(number);
        let found = site.find(&token).await.unwrap();
        assert!(site.holds(&found));
        let seq = site.provider.publish(target, Kind::Ended);
        site.until("it is in force", |it| it.applied() >= seq.0)
            .await;
        assert!(!site.holds(&found), "{number}");
        let again = site.find(&token).await.unwrap();
        assert!(site.holds(&again), "{number}");
    }
    let knowledge = &site.following.knowledge;
    assert!(knowledge.was_ended(&session(1).id));
    assert!(
        !knowledge.was_ended(&session(2).id),
        "it may have begun later"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_are_heard_of_over_http_alone() {
    let site = Site::start_fresh(None, LONG).await;
    is_heard_of(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_are_heard_of_in_redis() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    is_heard_of(&site).await;
    site.until("Redis is read", Site::reads_redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_gateway_that_starts_late_begins_where_the_log_is() {
    for redis in [None, Some(RedisServer::start())] {
        let site = Site::start_after(redis.as_ref(), LONG, |provider| {
            for _ in 0..3000 {
                provider.publish(Target::Realm, Kind::Changed);
            }
        });
        let site = site.await;
        site.until("it is trusted", |it| it.is_fresh() && it.applied() == 3000)
            .await;
        let token = site.token(1);
        let found = site.find(&token).await.unwrap();
        assert!(site.holds(&found));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_entry_that_cannot_be_read_voids_everything_and_reading_goes_on() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let token = site.token(1);
    let found = site.find(&token).await.unwrap();
    let written = redis.command("XADD tollgate:log 0-* e {\"v\":2,\"beat\":1,\"seq\":0}");
    assert!(matches!(written, super::redis_server::Reply::Text(_)));
    site.until("it was met", |it| {
        it.metric("voids_total", "unreadable") > 0.0
    })
    .await;
    assert!(!site.holds(&found));
    let found = site.find(&token).await.unwrap();
    site.always(LONG + SHORT, "trusted", Site::is_fresh).await;
    site.until("Redis is read", Site::reads_redis).await;
    assert!(site.holds(&found));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_page_that_cannot_be_read_voids_everything_and_proves_nothing() {
    let site = Site::start_fresh(None, SHORT).await;
    let token = site.token(1);
    for body in [
        "",
        "{\"v\":1}\n",
        "{\"v\":1,\"run\":1000,\"first\":1,\"next\":1",
    ] {
        site.until("it is trusted", Site::is_fresh).await;
        let found = site.find(&token).await.unwrap();
        let instead = Instead::Body(body);
        site.provider
            .facts()
            .instead
            .insert("/internal/log", instead);
        site.until("the lease is over", |it| !it.is_fresh()).await;
        assert!(!site.holds(&found), "{body}");
        site.provider.facts().instead.clear();
    }
    site.until("it is trusted", Site::is_fresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_that_was_put_back_proves_nothing() {
    let site = Site::start_fresh(None, SHORT).await;
    for _ in 0..5 {
        site.provider.publish(Target::Realm, Kind::Changed);
    }
    site.until("all is in force", |it| it.applied() == 5).await;
    let token = site.token(1);
    let found = site.find(&token).await.unwrap();
    site.provider.facts().put_back(3);
    site.until("the lease is over", |it| !it.is_fresh()).await;
    assert!(!site.holds(&found));
    site.always(SHORT, "stale", |it| !it.is_fresh()).await;
    assert_eq!(
        site.find(&token).await.unwrap_err(),
        gateway_core::verdict::Unknown::Stale,
        "nor is what is told by it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_that_forgot_what_was_missed_voids_everything() {
    let mut site = Site::start_fresh(None, LONG).await;
    site.provider.publish(Target::Realm, Kind::Changed);
    site.until("it is in force", |it| it.applied() == 1).await;
    let token = site.token(1);
    let found = site.find(&token).await.unwrap();
    site.provider.cut().await;
    for _ in 0..4 {
        let other = Target::Subject("somebody else".to_owned());
        site.provider.publish(other, Kind::Changed);
    }
    {
        let mut facts = site.provider.facts();
        facts.first = 4;
        facts.log.retain(|entry| entry.seq().0 >= 4);
    }
    site.provider.mend().await;
    site.until("it has caught up", |it| it.applied() == 5).await;
    assert!(!site.holds(&found));
    site.until("it is trusted", Site::is_fresh).await;
    assert!(site.metric("voids_total", "gap") > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_change_is_reported_as_soon_as_it_is_in_force() {
    let redis = RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let gateway = site.provider.facts().reports[0].gateway;
    let began = clock::boot();
    for _ in 0..5 {
        let seq = site.provider.publish(Target::Realm, Kind::Changed);
        site.until("it is reported", |it| {
            let reports = &it.provider.facts().reports;
            reports.iter().any(|report| report.applied == seq)
        })
        .await;
    }
    let took = clock::boot().0 - began.0;
    assert!(took < LONG, "a report without a change is later: {took:?}");
    let facts = site.provider.facts();
    let last = facts.reports.last().unwrap();
    assert_eq!((last.lease, last.reading), (LONG, Reading::Redis));
    assert!(facts.reports.iter().all(|it| it.gateway == gateway));
    assert!(facts.reports.is_sorted_by_key(|report| report.applied));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_not_known_to_the_provider_trusts_nothing_on_the_lease() {
    let site = Site::start_after(None, LONG, |provider| {
        let instead = Instead::Status(503);
        provider
            .facts()
            .instead
            .insert("/internal/receipts", instead);
    });
    let site = site.await;
    site.until("the log is read", |it| it.provider.facts().pages > 5)
        .await;
    let tolerant = Tolerance::Tolerant {
        grace: GRACE_DEFAULT,
    };
    site.always(SHORT, "not trusted", |it| !it.is_fresh()).await;
    assert_eq!(site.trust(tolerant), Trust::Grace);
    site.provider.facts().instead.clear();
    site.until("it is trusted", Site::is_fresh).await;
}
