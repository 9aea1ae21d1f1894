//! What a transfer history costs: calls alone and in a crowd, and nothing where the client has it.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::history::{Services, expected};
use crate::site::Site;

#[tokio::test]
async fn a_hundred_rows_take_three_calls_cold_and_two_warm() {
    let services = Services::start().await;
    let site = services.draft().ready().await;
    let cold = site.get(&["7"], "alice").await;
    assert_eq!((cold.status(), cold.body()), (200, &*expected()));
    assert_eq!(services.calls(), 3);
    assert_eq!(
        cold.field("composition-status"),
        "complete;calls=3;naive=202"
    );
    let warm = site.get_with(&["7"], Some("cursor=k1"), "bob").await;
    assert_eq!(warm.body(), expected());
    assert_eq!(services.calls(), 5);
    let asked = services.remittance.take_heard();
    assert_eq!(asked[0].target, "/remittances?member=7");
    assert_eq!(asked[1].target, "/remittances?member=7&cursor=k1");
}

#[tokio::test]
async fn an_answer_that_the_client_has_is_not_sent_again() {
    let services = Services::start().await;
    let site = services.draft().ready().await;
    let first = site.get(&["7"], "alice").await;
    let tag = HeaderValue::from_str(first.field("etag")).unwrap();
    let headers = HeaderMap::from_iter([(http::header::IF_NONE_MATCH, tag)]);
    let again = site.ask(0, (&["7"], None), "alice", &headers).await;
    assert_eq!((again.status(), again.body()), (304, ""));
    for name in ["etag", "cache-control"] {
        assert_eq!(again.field(name), first.field(name));
    }
}

async fn ask_at_once(site: Site, count: usize) {
    let site = Arc::new(site);
    let asking: Vec<_> = (0..count)
        .map(|_| {
            let site = Arc::clone(&site);
            composer_engine::spawn("asking", async move { site.get(&["7"], "alice").await })
        })
        .collect();
    for answered in asking {
        assert_eq!(answered.await.unwrap().body(), expected());
    }
}

#[tokio::test]
async fn a_crowd_on_cold_caches_costs_a_fiftieth_of_what_it_would() {
    let services = Services::start().await;
    let site = services.draft().ready().await;
    ask_at_once(site, 1000).await;
    let naive = 1000 * 202;
    assert!(services.calls() <= naive / 50, "{} calls", services.calls());
    // Steps are asked for by every request; members are asked for by hardly any.
    assert!(
        services.membership.calls() <= 20,
        "{}",
        services.membership.calls()
    );
}
