//! What the provider is told, and the keys it tells.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use idp_token::ask::uses::USES_MAX;
use idp_token::reference::ReferenceToken;
use idp_token::session::SessionId;
use idp_token::time::BootTime;

use super::provider::Instead;
use super::site::{LONG, Site, token};
use crate::clock;

fn id(number: usize) -> SessionId {
    SessionId((number as u128).to_be_bytes())
}

fn ago(seconds: u64) -> BootTime {
    BootTime(clock::boot().0 - Duration::from_secs(seconds))
}

/// How many seconds ago each session was last used, over all that was told.
fn told(site: &Site) -> HashMap<SessionId, u64> {
    let facts = site.provider.facts();
    let mut latest = HashMap::new();
    for used in facts.uses.iter().flatten() {
        let age = latest.entry(used.session).or_insert(u64::MAX);
        *age = (*age).min(used.age.as_secs());
    }
    latest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uses_are_told_some_at_a_time_and_each_session_once() {
    let site = Site::start_fresh(None, LONG).await;
    let count = USES_MAX + 10;
    for age in [900, 300, 600] {
        for number in 0..count {
            assert!(site.following.uses.note(id(number), ago(age)));
        }
    }
    site.until("all are told", |it| told(it).len() == count)
        .await;
    site.until("the latest is", |it| {
        told(it).values().all(|age| (300..400).contains(age))
    })
    .await;
    let facts = site.provider.facts();
    assert!(facts.uses.iter().all(|uses| uses.len() <= USES_MAX));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uses_that_could_not_be_told_are_told_later() {
    let site = Site::start_fresh(None, LONG).await;
    let instead = Instead::Status(503);
    site.provider
        .facts()
        .instead
        .insert("/internal/uses", instead);
    let used_at = ago(500);
    assert!(site.following.uses.note(id(1), used_at));
    site.until("it failed", |it| {
        it.metric("call_failures_total", "uses") > 0.0
    })
    .await;
    // sleeps: what was told in vain is older when it is told again.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(site.following.uses.note(id(1), ago(900)));
    site.provider.facts().instead.clear();
    site.until("it is told", |it| told(it).contains_key(&id(1)))
        .await;
    let age = told(&site).remove(&id(1));
    let may_be = 501..=clock::boot().since(used_at).as_secs();
    assert!(age.is_some_and(|age| may_be.contains(&age)), "{age:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_gateway_that_stops_tells_all_that_is_left() {
    let site = Site::start_fresh(None, LONG).await;
    let instead = Instead::Nothing;
    site.provider
        .facts()
        .instead
        .insert("/internal/uses", instead);
    let count = 3 * USES_MAX;
    for number in 0..count {
        assert!(site.following.uses.note(id(number), ago(5)));
    }
    // Some are on their way by now, to somebody who does not answer.
    site.until("some are taken", |it| it.metric("uses_waiting", "") > 0.0)
        .await;
    site.provider.facts().instead.clear();
    site.following.stop().await;
    assert_eq!(told(&site).len(), count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tokens_are_told_from_forged_ones_by_the_keys_of_the_provider() {
    let site = Site::start_fresh(None, LONG).await;
    let knowledge = &site.following.knowledge;
    site.until("they are there", |it| {
        it.following.knowledge.filter_keys().is_some()
    })
    .await;
    let copy = knowledge.filter_keys();
    let copy = copy.as_ref().unwrap();
    assert!(copy.is_complete(clock::boot()));
    let text = token(1).spell();
    let now = clock::unix_seconds();
    assert!(ReferenceToken::parse(text.as_str().as_bytes(), &copy.keys, now).is_ok());
    let calls = site.provider.facts().key_calls;
    assert_eq!(calls, 1);
    for _ in 0..1000 {
        site.following.keys.want();
    }
    site.until("they are fetched anew", |it| {
        it.provider.facts().key_calls == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_credential_that_was_replaced_is_shown_once_the_old_one_is_refused() {
    let site = Site::start_fresh(None, LONG).await;
    let path = site.redis_path().with_file_name("gateway.key");
    fs::write(&path, "another\n").unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    site.provider.facts().credential = "another".to_owned();
    let token = site.token(1);
    site.active(&token).await;
    site.provider.facts().credential = "a third".to_owned();
    assert!(site.find(&token).await.is_err());
}
