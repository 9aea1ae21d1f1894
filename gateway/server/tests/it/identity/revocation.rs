//! What was taken back is refused, and what may say something else is asked about again.

use idp_token::log::{Kind, Target};

use super::provider::subject;
use super::town::{LONG, Town};

#[tokio::test]
async fn a_session_that_was_ended_is_refused_and_nobody_is_asked() {
    let town = Town::start(LONG).await;
    let (token, other) = (town.provider.issue(1), town.provider.issue(2));
    assert_eq!(town.get("/read", &token).await.status, 200);
    assert_eq!(town.get("/read", &other).await.status, 200);
    town.provider.end(1);
    town.until("it is refused", async |town| {
        town.get("/read", &token).await.status == 401
    })
    .await;
    assert_eq!(town.get("/read", &token).await.code(), "token_invalid");
    assert_eq!(town.get("/read", &other).await.status, 200);
    assert_eq!(town.provider.asked(), 2);
}

#[tokio::test]
async fn what_may_say_something_else_is_asked_about_once() {
    let town = Town::start(LONG).await;
    let (token, other) = (town.provider.issue(1), town.provider.issue(2));
    town.get("/read", &token).await;
    town.get("/read", &other).await;
    for session in town.provider.facts().sessions.values_mut() {
        session.scope = "write".to_owned();
    }
    town.provider
        .publish(Target::Subject(subject(1)), Kind::Changed);
    town.until("it lost a scope", async |town| {
        town.get("/read", &token).await.status == 403
    })
    .await;
    town.get("/read", &token).await;
    assert_eq!(
        town.get("/read", &other).await.status,
        200,
        "nobody heard of it"
    );
    assert_eq!(town.provider.asked(), 3);
}

#[tokio::test]
async fn everybody_is_asked_about_again_when_everything_may_have_changed() {
    let town = Town::start(LONG).await;
    let tokens = [1, 2, 3].map(|number| town.provider.issue(number));
    for token in &tokens {
        assert_eq!(town.get("/read", token).await.status, 200);
    }
    let target = Target::Client("shop".to_owned());
    town.provider.publish(target, Kind::Ended);
    town.provider.facts().sessions.clear();
    for token in &tokens {
        town.until("it is refused", async |town| {
            town.get("/read", token).await.status == 401
        })
        .await;
    }
    assert_eq!(town.provider.asked(), 6);
}

#[tokio::test]
async fn what_is_kept_for_a_caller_is_void_after_a_change_that_may_bear_on_them() {
    let town = Town::start(LONG).await;
    let (token, other) = (town.provider.issue(1), town.provider.issue(2));
    for token in [&token, &other, &token, &other] {
        assert_eq!(town.get("/kept", token).await.text(), "{\"kept\":1}");
    }
    assert_eq!(town.kept.heard().len(), 2);
    town.provider
        .publish(Target::Subject(subject(1)), Kind::Changed);
    town.until("it is asked for anew", async |town| {
        town.get("/kept", &token).await;
        town.kept.heard().len() == 3
    })
    .await;
    town.get("/kept", &other).await;
    town.get("/kept", &token).await;
    assert_eq!(town.kept.heard().len(), 3);
}
