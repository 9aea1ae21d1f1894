//! Who is refused too often is told so, and good tokens have no part in it.

use super::provider::forged;
use super::town::{LONG, Town};

#[tokio::test]
async fn a_client_with_bad_tokens_is_told_to_wait_and_one_with_a_good_one_is_served() {
    let town = Town::start(LONG).await;
    let good = town.provider.issue(1);
    let head = format!(
        "GET /read HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\n\r\n",
        forged(1)
    );
    let mut client = town.edge.connect().await;
    let mut statuses = Vec::new();
    // More than twice the budget, should the span end in between.
    for _ in 0..900 {
        let answer = client.ask(&head).await;
        if answer.status == 429 && !statuses.contains(&429) {
            assert_eq!(answer.code(), "too_many_refusals");
            let seconds: u64 = answer.field("retry-after").unwrap().parse().unwrap();
            assert!((1..=10).contains(&seconds), "{seconds}");
        }
        statuses.push(answer.status);
    }
    let refused = statuses.iter().take_while(|status| **status == 401).count();
    assert!((1..=600).contains(&refused), "{refused}");
    assert!(statuses.contains(&429));
    assert!(statuses.iter().all(|status| [401, 429].contains(status)));
    assert_eq!(town.get("/read", &good).await.status, 200);
    assert_eq!(town.provider.asked(), 1);
}

#[tokio::test]
async fn who_forges_value_tokens_is_refused_unseen_and_keeps_nobody_out_who_is_known() {
    let town = Town::start(LONG).await;
    let known = town.provider.value_token(1);
    town.until("it is known", async |town| {
        town.get("/value", &known).await.status == 200
    })
    .await;
    let mut client = town.edge.connect().await;
    let (signed, tail) = known.split_at(known.len() - 10);
    let tail = &tail[6..];
    for number in 0..900 {
        let head = format!(
            "GET /value HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {signed}{number:06}{tail}\r\n\r\n"
        );
        let status = client.ask(&head).await.status;
        assert!([401, 429].contains(&status), "{status}");
    }
    let unknown = town.provider.value_token(2);
    let answer = town.get("/value", &unknown).await;
    let found = (answer.status, answer.code());
    assert_eq!(found, (429, "too_many_refusals".to_owned()));
    assert_eq!(town.get("/value", &known).await.status, 200);
    let reference = town.provider.issue(3);
    assert_eq!(town.get("/read", &reference).await.status, 200);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_have_each_a_budget_of_their_own() {
    let mut town = Town::start(LONG).await;
    town.restart_with("trusted_proxies: [127.0.0.1]").await;
    let ask = async |client: &str| {
        let token = forged(1);
        let fields =
            format!("X-Forwarded-For: 192.0.2.9, {client}\r\nAuthorization: Bearer {token}\r\n");
        town.ask("GET", "/read", &fields).await.status
    };
    town.until("forged tokens are told apart", async |_| {
        ask("198.51.100.1").await == 401
    })
    .await;
    let mut refused = 0;
    while ask("198.51.100.2").await == 401 {
        refused += 1;
        assert!(refused <= 600, "the budget has an end");
    }
    assert_eq!(ask("198.51.100.1").await, 401);
}
