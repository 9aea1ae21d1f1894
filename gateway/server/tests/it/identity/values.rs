//! Value tokens that clients show, where a route takes them.

use super::town::{LONG, Town};

#[tokio::test]
async fn a_value_token_is_taken_where_the_route_says_so_and_goes_on_as_it_is() {
    let town = Town::start(LONG).await;
    let mut token = String::new();
    // What was made before the gateway knew of anything is not taken.
    for _ in 0..40 {
        token = town.provider.value_token(1);
        if town.get("/value", &token).await.status == 200 {
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
    assert!(verified <= 2.0, "{verified}");

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
async fn what_was_made_before_the_gateway_knew_anything_is_unknown_and_not_bad() {
    let town = Town::start_unproved(LONG).await;
    let token = town.provider.value_token(1);
    let answer = town.get("/value", &token).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.field("retry-after"), Some("1"));
}
