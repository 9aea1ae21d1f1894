//! Many ask at once: everybody gets their own answer, in few calls, or is told why not.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::verdict::Unknown;
use idp_token::ask::resolve::{Purpose, QUESTIONS_MAX, Question};
use idp_token::seal::SealKey;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::provider::Instead;
use super::site::{LONG, Site, question, token};
use crate::identity::sources::Told;
use crate::spawn::spawn;

/// Holds the answers about tokens until it is told otherwise.
fn hold(site: &Site) -> watch::Sender<bool> {
    let (release, held) = watch::channel(false);
    let instead = Instead::Held(held);
    let mut facts = site.provider.facts();
    facts.instead.insert("/internal/resolve", instead);
    release
}

/// Has as many calls under way as may be, and holds their answers.
async fn occupy(site: &Arc<Site>) -> (watch::Sender<bool>, JoinSet<bool>) {
    let release = hold(site);
    let mut asking = JoinSet::new();
    for number in 0..4 {
        let (token, asker) = (site.token(number), Arc::clone(site));
        asking.spawn(async move { asker.find(&token).await.is_ok() });
        let calls = usize::from(number) + 1;
        site.until("it is asked", |it| it.provider.facts().asked.len() == calls)
            .await;
    }
    (release, asking)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everybody_gets_the_answer_to_their_own_question_and_no_call_asks_twice() {
    let site = Arc::new(Site::start_fresh(None, LONG).await);
    let (release, _first) = occupy(&site).await;
    let mut asking = JoinSet::new();
    for number in (0..25_u8).cycle().take(1000) {
        let (token, site) = (site.token(number), Arc::clone(&site));
        asking.spawn(async move { (number, site.active(&token).await) });
    }
    site.until("all wait", |it| it.following.sources.waiting() == 1000)
        .await;
    release.send_replace(true);
    while let Some(told) = asking.join_next().await {
        let (number, active) = told.unwrap();
        assert_eq!(active.record.subject, format!("user {number}"));
        let text = active.value_token.unwrap().text;
        assert_eq!(site.subject_of(&text), format!("user {number}"));
    }
    let facts = site.provider.facts();
    for call in &facts.asked {
        let digests: HashSet<_> = call.iter().map(|(digest, _)| digest).collect();
        assert_eq!(digests.len(), call.len());
    }
    let calls = facts.asked.len();
    assert!(calls <= 8, "{calls} calls for 1004 questions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn as_many_may_wait_as_may_and_one_more_is_told_that_it_is_too_many() {
    let site = Arc::new(Site::start_fresh(None, LONG).await);
    let numbers = (0..=199).cycle().take(4096);
    let questions: Vec<_> = numbers.map(|number| question(&token(number))).collect();
    let (release, mut asking) = occupy(&site).await;
    for question in questions {
        let site = Arc::clone(&site);
        asking.spawn(async move { site.following.sources.find(question).await.is_ok() });
    }
    site.until("all wait", |it| it.following.sources.waiting() == 4096)
        .await;
    let one_more = site.find(&token(7)).await;
    assert_eq!(one_more.unwrap_err(), Unknown::Overloaded);
    release.send_replace(true);
    while let Some(told) = asking.join_next().await {
        assert!(told.unwrap());
    }
    let longest = site.provider.facts().asked.iter().map(Vec::len).max();
    assert!(longest <= Some(QUESTIONS_MAX));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_waits_longer_than_their_deadline_for_a_provider_that_does_not_answer() {
    let site = Site::start_fresh(None, LONG).await;
    let instead = Instead::Nothing;
    site.provider
        .facts()
        .instead
        .insert("/internal/resolve", instead);
    let token = site.token(1);
    let waited = tokio::time::timeout(Duration::from_secs(5), site.find(&token));
    assert_eq!(waited.await.unwrap().unwrap_err(), Unknown::Unreachable);
    site.provider.facts().instead.clear();
    site.active(&token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_nobody_answers_one_waits_and_everybody_else_is_told_at_once() {
    let site = Arc::new(Site::start_fresh(None, LONG).await);
    let token = site.token(1);
    let nothing = Instead::Nothing;
    let path = "/internal/resolve";
    site.provider.facts().instead.insert(path, nothing);
    site.find(&token).await.unwrap_err();
    let began = crate::clock::boot();
    let mut asking = JoinSet::new();
    for number in 0..100 {
        let (token, site) = (site.token(number), Arc::clone(&site));
        asking.spawn(async move {
            let began = crate::clock::boot();
            let found = site.find(&token).await;
            (found.unwrap_err(), crate::clock::boot().0 - began.0)
        });
    }
    let told = asking.join_all().await;
    let took = crate::clock::boot().0 - began.0;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(told.iter().all(|(why, _)| *why == Unknown::Unreachable));
    let waited = told
        .iter()
        .filter(|(_, it)| *it > Duration::from_millis(500));
    assert_eq!(waited.count(), 1, "{told:?}");
    assert_eq!(site.metric("questions_refused_total", ""), 99.0);

    site.provider.facts().instead.clear();
    site.active(&token).await;
    for number in 0..20 {
        site.active(&site.token(number)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_no_answer_is_unknown_and_never_bad() {
    let site = Site::start_fresh(None, LONG).await;
    let token = site.token(1);
    for instead in [
        Instead::Status(500),
        Instead::Status(503),
        Instead::Status(404),
        Instead::Body(""),
        Instead::Body("{}"),
        Instead::Body(r#"{"v":1,"told":[]}"#),
        Instead::Body(r#"{"v":1,"told":[{"digest":"AAAAAAAAAAAAAAAAAAAAAA","active":false}]}"#),
    ] {
        let shown = format!("{instead:?}");
        site.provider
            .facts()
            .instead
            .insert("/internal/resolve", instead);
        let found = site.find(&token).await;
        assert_eq!(found.unwrap_err(), Unknown::Unreachable, "{shown}");
    }
    site.provider.facts().instead.clear();
    site.active(&token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_leaves_is_not_asked_about_and_holds_nobody_up() {
    let site = Arc::new(Site::start_fresh(None, LONG).await);
    let (release, _first) = occupy(&site).await;
    let (leaving, staying) = (site.token(10), site.token(11));
    let gone = {
        let (site, question) = (Arc::clone(&site), question(&leaving));
        spawn("asker", async move {
            site.following.sources.find(question).await
        })
    };
    site.until("it waits", |it| it.following.sources.waiting() == 1)
        .await;
    gone.abort();
    assert!(gone.await.is_err());
    let stays = {
        let (site, question) = (Arc::clone(&site), question(&staying));
        spawn("asker", async move {
            site.following.sources.find(question).await
        })
    };
    site.until("both wait", |it| it.following.sources.waiting() == 2)
        .await;
    release.send_replace(true);
    let found = stays.await.unwrap().unwrap();
    assert!(matches!(found.told, Told::Active(_)));
    assert!(!site.asked().contains(&leaving.digest()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_question_without_a_value_token_is_for_the_provider_alone() {
    let redis = super::redis_server::RedisServer::start();
    let site = Site::start_fresh(Some(&redis), LONG).await;
    let token = site.token(1);
    site.active(&token).await;
    site.asked();
    for purpose in [Purpose::Check, Purpose::Use, Purpose::Renew] {
        let key = SealKey::of(&token);
        let found = site.following.sources.find(Question { key, purpose }).await;
        let Told::Active(active) = found.unwrap().told else {
            panic!("inactive");
        };
        assert_eq!(active.value_token.is_some(), purpose != Purpose::Check);
        let expected = usize::from(purpose == Purpose::Check);
        assert_eq!(site.asked().len(), expected, "{purpose:?}");
    }
}
