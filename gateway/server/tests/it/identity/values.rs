//! Value tokens that clients show, where a route takes them.

use super::provider::Instead;
use super::town::{LONG, Town};

#[tokio::test]
async fn a_value_token_is_taken_where_the_route_says_so_and_goes_on_as_it_is() {
    let town = Town::start(LONG).await;
    let mut token = String::new();
    // Once the gateway has followed the log for a while nobody need be asked.
    for _ in 0..40 {
        token = town.provider.value_token(1);
        let asked = town.provider.asked();
        let status = town.get("/value", &token).await.status;
        if status == 200 && town.provider.asked() == asked {
            break;
        }
        // sleeps: a second of the wall clock has to pass.
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    for path in ["/value", "/either"] {
        assert_eq!(town.get(path, &token).await.status, 200, "{path}");
        assert_eq!(town.shown(), format!("Bearer {token}"));
    }
    let reference = town.provider.issue(1);
    assert_eq!(town.get("/either", &reference).await.status, 200);
    let answer = town.get("/value", &reference).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (401, "token_invalid")
    );
    assert_eq!(town.get("/read", &token).await.status, 401);
    let verified = town
        .metric("tollgate_identity_callers_total{layer=\"signature\"}")
        .await;
    assert_eq!(verified, 1.0);

    let mut bad = token.clone();
    bad.replace_range(token.len() - 8..token.len() - 4, "AAAA");
    assert_eq!(town.get("/value", &bad).await.status, 401);
    town.provider.end(1);
    town.until("it is refused", async |town| {
        town.get("/value", &token).await.status == 401
    })
    .await;
    let again = town.provider.value_token(1);
    assert_ne!(again, token);
    assert_eq!(
        town.get("/value", &again).await.status,
        401,
        "of the same session"
    );
}

#[tokio::test]
async fn the_keys_of_the_provider_are_kept_while_it_has_none_to_tell() {
    let town = Town::start(LONG).await;
    let fail = ("/jwks", Instead::Status(500));
    town.provider.facts().instead.extend([fail]);
    // Another key of tags: it may be a new one, so that all keys are fetched again.
    let strange = town.provider.issue(1).replace("tg_at_E", "tg_at_F");
    town.until("they are fetched in vain", async |town| {
        town.get("/read", &strange).await;
        let (_, text) = town.edge.admin("/metrics").await;
        text.contains("tollgate_identity_call_failures_total{call=\"keys\"}")
    })
    .await;
    let token = town.provider.value_token(1);
    assert_eq!(town.get("/value", &token).await.status, 200);
}

/// Waits for keys, without which nothing can be told from what is forged.
async fn first_answer(town: &Town, token: &str) -> u16 {
    town.until("its keys are known", async |town| {
        town.get("/value", token).await.status != 503
    })
    .await;
    town.get("/value", token).await.status
}

#[tokio::test]
async fn what_was_made_before_a_gateway_started_is_asked_about_once() {
    let mut town = Town::start(LONG).await;
    let token = town.provider.value_token(1);
    town.restart().await;
    town.until("it is remembered", async |town| {
        town.get("/value", &token).await.status == 200 && {
            let asked = town.provider.asked();
            town.get("/value", &token).await;
            town.provider.asked() == asked
        }
    })
    .await;
    let asked = town.provider.asked();
    for _ in 0..5 {
        assert_eq!(town.get("/value", &token).await.status, 200);
    }
    assert_eq!(town.provider.asked(), asked);
    assert_eq!(town.shown(), format!("Bearer {token}"));
}

#[tokio::test]
async fn what_was_revoked_before_a_gateway_started_is_refused() {
    let mut town = Town::start(LONG).await;
    let token = town.provider.value_token(1);
    town.provider.end_in_silence(1);
    town.restart().await;
    assert_eq!(first_answer(&town, &token).await, 401);
    let asked = town.provider.asked();
    let answer = town.get("/value", &token).await;
    let found = (answer.status, answer.code());
    assert_eq!(found, (401, "token_invalid".to_owned()));
    assert_eq!(town.provider.asked(), asked, "that was told already");
}

#[tokio::test]
async fn what_nobody_can_be_asked_about_is_unknown_and_not_bad() {
    let mut town = Town::start(LONG).await;
    let token = town.provider.value_token(1);
    town.restart().await;
    assert_eq!(first_answer(&town, &token).await, 200);
    let other = town.provider.value_token(2);
    town.provider.cut().await;
    let answer = town.get("/value", &other).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert!(answer.code().starts_with("identity_"), "{answer:?}");
    town.provider.mend().await;
    assert_eq!(first_answer(&town, &other).await, 200);
}

#[tokio::test]
async fn a_change_that_may_bear_on_a_value_token_costs_a_question_and_no_refusal() {
    let town = Town::start(LONG).await;
    let token = town.provider.value_token(1);
    assert_eq!(first_answer(&town, &token).await, 200);
    let asked = town.provider.asked();
    let target = idp_token::log::Target::Subject(super::provider::subject(1));
    town.provider.publish(target, idp_token::log::Kind::Changed);
    town.until("it is asked about", async |town| {
        assert_eq!(town.get("/value", &token).await.status, 200);
        town.provider.asked() > asked
    })
    .await;
}
