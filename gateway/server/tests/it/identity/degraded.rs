//! When nobody can be asked: what goes on, for how long, and what is said.

use std::time::Duration;

use super::provider::Instead;
use super::town::{LONG, Town};

#[tokio::test]
async fn without_the_provider_the_lease_runs_out_on_strict_routes_alone() {
    let mut town = Town::start("1s").await;
    let (token, unknown) = (town.provider.issue(1), town.provider.issue(2));
    assert_eq!(town.get("/read", &token).await.status, 200);
    town.provider.cut().await;
    let answer = town.get("/read", &unknown).await;
    assert_eq!(answer.status, 503);
    assert!(answer.code().starts_with("identity_"), "{answer:?}");
    assert_eq!(answer.field("retry-after"), Some("1"));

    town.until("the lease is over", async |town| town.age().await > 1.0)
        .await;
    let heard = town.service.heard().len();
    let answer = town.get("/read", &token).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "identity_stale")
    );
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert_eq!(answer.field("www-authenticate"), None);
    assert_eq!(town.service.heard().len(), heard, "no service was asked");
    assert_eq!(town.get("/lax", &token).await.status, 200);
    assert_eq!(town.get("/open", "abc").await.status, 200);

    town.provider.mend().await;
    town.until("it is served again", async |town| {
        town.get("/read", &token).await.status == 200
    })
    .await;
    let lines = town.edge.stop_and_read_log().await;
    let lax = lines.iter().find(|line| line["route"] == "lax").unwrap();
    assert_eq!(
        (&lax["auth"], &lax["status"]),
        (&"grace".into(), &200.into()),
        "{lax}"
    );
}

#[tokio::test]
async fn without_the_log_each_request_on_a_strict_route_is_asked_about() {
    let town = Town::start("1s").await;
    let token = town.provider.issue(1);
    assert_eq!(town.get("/read", &token).await.status, 200);
    town.provider.facts().is_mute = true;
    town.until("the lease is over", async |town| town.age().await > 1.0)
        .await;
    let asked = town.provider.asked();
    for count in 1..=3 {
        assert_eq!(town.get("/read", &token).await.status, 200);
        assert_eq!(town.provider.asked(), asked + count);
    }
    town.provider.facts().sessions.clear();
    assert_eq!(town.get("/read", &token).await.status, 401);
}

#[tokio::test]
async fn an_answer_that_is_older_than_the_lease_is_not_served_on() {
    let town = Town::start("500ms").await;
    let token = town.provider.issue(1);
    town.provider.facts().is_mute = true;
    town.until("the lease is over", async |town| town.age().await > 0.5)
        .await;
    assert_eq!(town.get("/read", &token).await.status, 200);
    let late = Instead::Late(Duration::from_millis(700));
    town.provider
        .facts()
        .instead
        .extend([("/internal/resolve", late)]);
    let answer = town.get("/read", &token).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "identity_stale")
    );
}

#[tokio::test]
async fn a_provider_that_fails_makes_nobody_bad() {
    let town = Town::start(LONG).await;
    let token = town.provider.issue(1);
    let fail = ("/internal/resolve", Instead::Status(500));
    town.provider.facts().instead.extend([fail]);
    let answer = town.get("/read", &token).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "identity_unreachable")
    );
    town.provider.facts().instead.clear();
    assert_eq!(
        town.get("/read", &token).await.status,
        200,
        "nothing bad is remembered"
    );
}

#[tokio::test]
async fn a_gateway_whose_routes_take_value_tokens_is_ready_once_it_can_judge_them() {
    let mut town = Town::start(LONG).await;
    let fail = ("/jwks", Instead::Status(500));
    town.provider.facts().instead.extend([fail]);
    assert_eq!(town.edge.admin("/readyz").await.0, 200, "it keeps its keys");
    town.restart().await;
    town.until("it can judge other tokens", async |town| {
        town.edge.admin("/readyz").await.1.contains("value token")
    })
    .await;
    let token = town.provider.value_token(1);
    assert_eq!(town.get("/value", &token).await.status, 503);
    let reference = town.provider.issue(1);
    town.until("these are served", async |town| {
        town.get("/read", &reference).await.status == 200
    })
    .await;
    assert_eq!(town.edge.admin("/readyz").await.0, 503);
    town.provider.facts().instead.clear();
    town.until("it is ready", async |town| {
        town.edge.admin("/readyz").await == (200, "ready\n".to_owned())
    })
    .await;
    assert_ne!(town.get("/value", &token).await.status, 503);
}

#[tokio::test]
async fn a_gateway_without_routes_for_value_tokens_needs_no_keys_for_them() {
    let mut town = Town::start_unproved(LONG).await;
    let fail = ("/jwks", Instead::Status(500));
    town.provider.facts().instead.extend([fail]);
    town.restart_without(["accept: any", "accept: value"]).await;
    town.until("it is ready", async |town| {
        town.edge.admin("/readyz").await.0 == 200
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_never_reached_its_provider_says_so() {
    let mut town = Town::start_unproved(LONG).await;
    town.provider.cut().await;
    let (status, text) = town.edge.admin("/readyz").await;
    // It may have been quicker than the cut.
    assert!(status == 200 || text.contains("never reached"), "{text}");
}
