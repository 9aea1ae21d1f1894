//! Does whoever waits for a change hear when it is in force everywhere, and in time that it is not?

use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, StatusCode};
use idp_token::ask::report::{GatewayId, LEASE_MAX, Reading, Report};
use idp_token::epoch::Seq;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::relay::now;
use crate::server::Server;

/// The one gateway there is says how far it is.
async fn report(server: &Server, lease: Duration, applied: u64) {
    let report = Report {
        gateway: GatewayId([1; 16]),
        lease,
        applied: Seq(applied),
        reading: Reading::Provider,
    };
    let reply = server.tell("/internal/receipts", &report.write()).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_order_that_is_waited_for_is_answered_once_every_gateway_has_applied_it() {
    let server = Arc::new(Server::start().await);
    let lease = Duration::from_secs(1);
    report(&server, lease, 0).await;
    let token = server.token().await;
    let mut waiting = JoinSet::new();
    let (waiter, form) = (Arc::clone(&server), format!("token={token}"));
    waiting.spawn(async move {
        let reply = waiter.post("/revoke?wait=all", Some("robot"), &form).await;
        (reply.status, now())
    });
    server.until_metric("receipts_waiting", 0.0).await;
    assert!(waiting.try_join_next().is_none());
    let applied_at = now();
    report(&server, lease, 1).await;
    let (status, answered_at) = waiting.join_next().await.unwrap().unwrap();
    assert_eq!(status, StatusCode::OK);
    assert!(answered_at >= applied_at && answered_at.0 - applied_at.0 < lease);

    // One that says nothing is waited for until its lease has lapsed.
    let (token, began) = (server.token().await, now());
    let reply = server
        .post("/revoke?wait=all", Some("robot"), &format!("token={token}"))
        .await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(now().0 - began.0 >= lease);
}

/// It takes the whole patience of the server, eight seconds, since that is what is promised.
#[tokio::test]
async fn an_order_that_is_not_in_force_everywhere_in_time_is_carried_out_and_says_so() {
    let server = Server::start().await;
    let token = server.token().await;
    report(&server, LEASE_MAX, 0).await;
    let (session, began) = (server.record(&token).await.id, now());
    let path = format!("/admin/sessions/{session}?wait=all");
    let order = || server.admin(Method::DELETE, &path, Value::Null);
    let reply = order().await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    let took = now().0 - began.0;
    assert!(took >= Duration::from_secs(8), "{took:?}");
    let asked = serde_json::json!({ "token": token });
    let inspected = server
        .admin(Method::POST, "/admin/tokens/inspect", asked)
        .await;
    assert_eq!(inspected.json()["good"], false);

    // It may be ordered again to wait on.
    report(&server, LEASE_MAX, 1).await;
    assert_eq!(order().await.status, StatusCode::NO_CONTENT);
    // What was refused is not waited for.
    report(&server, LEASE_MAX, 0).await;
    let unknown = format!("/admin/sessions/{}?wait=all", "0".repeat(32));
    let refused = server.admin(Method::DELETE, &unknown, Value::Null).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
}
