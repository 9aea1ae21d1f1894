//! What is asked about tokens, and what is not.

use std::time::Duration;

use idp_token::ask::resolve::Purpose;
use tokio::sync::watch;
use tokio::time::Instant;

use super::provider::{self, Instead, forged, session, token};
use super::town::{LONG, Town};

#[tokio::test]
async fn a_known_token_goes_through_with_its_value_token_and_costs_no_look_up() {
    let town = Town::start(LONG).await;
    let token = town.provider.issue(1);
    for _ in 0..5 {
        let answer = town.get("/read", &token).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "fine"));
        let shown = town.shown();
        assert!(
            shown.starts_with("Bearer eyJ") && shown.len() > 400,
            "{shown}"
        );
        assert!(!town.service.last().contains(&token));
    }
    assert_eq!(town.provider.asked(), 1);
    let other = town.provider.issue(2);
    assert_eq!(town.get("/read", &other).await.status, 200);
    assert_eq!(town.provider.asked(), 2);
}

#[tokio::test]
async fn a_token_that_is_not_ours_is_refused_and_nobody_is_asked() {
    let town = Town::start(LONG).await;
    let good = town.provider.issue(1);
    let expired = token(2, Duration::ZERO).spell().as_str().to_owned();
    let flipped = good.replace("tg_at_E", "tg_at_F");
    let value = town.provider.value_token(1);
    let cases = [
        (forged(1), 401, "token_invalid"),
        (expired, 401, "token_invalid"),
        (flipped, 401, "token_invalid"),
        (
            good.replace("tg_at_", "tg_rt_"),
            401,
            "refresh_token_refused",
        ),
        ("abc".to_owned(), 401, "token_invalid"),
        (value, 401, "token_invalid"),
        ("a b".to_owned(), 400, "credential_malformed"),
    ];
    for (token, status, code) in cases {
        let answer = town.get("/read", &token).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{token}"
        );
        assert!(answer.field("www-authenticate").unwrap().contains("error="));
    }
    let missing = town.ask("GET", "/read", "").await;
    assert_eq!(
        (missing.status, missing.code().as_str()),
        (401, "credential_missing")
    );
    assert!(!missing.field("www-authenticate").unwrap().contains("error"));
    assert_eq!(town.provider.asked(), 0);
    assert!(
        town.service
            .heard()
            .iter()
            .all(|heard| !heard.contains("abc"))
    );
}

#[tokio::test]
async fn a_caller_without_the_rights_is_known_and_forbidden() {
    let town = Town::start(LONG).await;
    let token = town.provider.issue(1);
    let heard = town.service.heard().len();
    let answer = town.get("/admin", &token).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (403, "scope_insufficient")
    );
    let challenge = answer.field("www-authenticate").unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\", scope=\"admin\""),
        "{challenge}"
    );
    let answer = town.get("/teller", &token).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (403, "role_missing")
    );
    assert_eq!(town.service.heard().len(), heard);
    assert_eq!(town.provider.asked(), 1);
}

#[tokio::test]
async fn all_who_wait_for_a_token_share_one_question_though_the_first_of_them_leaves() {
    let town = Town::start(LONG).await;
    let token = town.provider.issue(1);
    let (word, held) = watch::channel(false);
    let hold = ("/internal/resolve", Instead::Held(held));
    town.provider.facts().instead.extend([hold]);
    let head = format!("GET /read HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut first = town.edge.connect().await;
    first.say(&head).await;
    town.until("the first has asked", async |town| {
        town.provider.asked() == 1
    })
    .await;
    let mut others = Vec::new();
    for _ in 0..20 {
        let mut client = town.edge.connect().await;
        client.say(&head).await;
        others.push(client);
    }
    let waiting = "tollgate_identity_refetches_total{gap=\"unknown\"}";
    let before = 21.0;
    town.until("all of them wait", async |town| {
        town.metric(waiting).await >= before
    })
    .await;
    first.reset();
    word.send_replace(true);
    for client in &mut others {
        assert_eq!(client.hear().await.status, 200);
    }
    assert_eq!(town.provider.asked(), 1);
}

#[tokio::test]
async fn a_token_that_is_not_good_is_asked_about_once_in_a_while() {
    let town = Town::start(LONG).await;
    let token = token(7, Duration::from_secs(60))
        .spell()
        .as_str()
        .to_owned();
    for _ in 0..5 {
        let answer = town.get("/read", &token).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "token_invalid")
        );
    }
    assert_eq!(town.provider.asked(), 1);
    let alarm = town
        .metric("tollgate_identity_valid_tag_unknown_token_total")
        .await;
    assert!(alarm >= 1.0, "{alarm}");
}

#[tokio::test]
async fn before_a_session_is_refused_for_idleness_it_is_asked_about_once_more() {
    let town = Town::start(LONG).await;
    let idle = idp_token::session::Session {
        idle: Some(Duration::from_secs(1)),
        ..session(1)
    };
    let token = town.provider.issue_for(1, idle);
    assert_eq!(town.get("/read", &token).await.status, 200);
    // sleeps: until the session has idled out, as far as this gateway knows.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(town.get("/read", &token).await.status, 200);
    assert_eq!(town.provider.asked(), 2, "it was used elsewhere");
    let digest = idp_token::digest::TokenDigest::of(token.as_bytes());
    town.provider.facts().sessions.remove(&digest);
    // sleeps: the same.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(town.get("/read", &token).await.status, 401);
    assert_eq!(town.provider.asked(), 3);
}

#[tokio::test]
async fn the_next_value_token_is_fetched_before_the_last_one_expires() {
    let town = Town::start(LONG).await;
    town.provider.facts().value_life = Duration::from_secs(10);
    let token = town.provider.issue(1);
    assert_eq!(town.get("/read", &token).await.status, 200);
    let (first, made_at) = (town.shown(), provider::now());
    while provider::now().since(made_at) < Duration::from_secs(8) {
        // sleeps: until four fifths of its life are over, by the wall clock.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(town.get("/read", &token).await.status, 200);
    assert_eq!(town.shown(), first, "nobody waits for the next one");
    town.until("the next one is there", async |town| {
        town.get("/read", &token).await;
        town.shown() != first
    })
    .await;
    let age = provider::now().since(made_at);
    assert!(
        age < Duration::from_secs(10),
        "the last one had expired: {age:?}"
    );
    let asked = town.provider.facts().asked.clone();
    let purposes: Vec<_> = asked.iter().map(|(_, purpose)| *purpose).collect();
    assert_eq!(purposes, [Purpose::Use, Purpose::Renew]);
}

#[tokio::test]
async fn a_session_that_goes_on_being_used_is_told_of_now_and_then() {
    let town = Town::start(LONG).await;
    let idle = idp_token::session::Session {
        idle: Some(Duration::from_secs(60)),
        ..session(1)
    };
    let every = idle.report_after().unwrap();
    let token = town.provider.issue_for(1, idle);
    let use_until_told = async |count: usize| {
        town.until("its use is told", async |town| {
            assert_eq!(town.get("/read", &token).await.status, 200);
            town.provider.facts().uses.len() >= count
        })
        .await;
    };
    let began = Instant::now();
    use_until_told(1).await;
    use_until_told(2).await;
    // What is remembered of a use is its whole second.
    let told_after = began.elapsed() + Duration::from_secs(1);
    assert!(told_after >= every, "{told_after:?}");
    assert_eq!(town.provider.facts().uses.len(), 2);
    assert_eq!(town.provider.asked(), 1);
}

#[tokio::test]
async fn uses_are_told_of_sessions_that_idle_out_and_at_the_latest_at_the_end() {
    let town = Town::start(LONG).await;
    let idle = idp_token::session::Session {
        idle: Some(Duration::from_secs(900)),
        ..session(1)
    };
    let token = town.provider.issue_for(1, idle);
    let other = town.provider.issue(2);
    for _ in 0..3 {
        assert_eq!(town.get("/read", &token).await.status, 200);
        assert_eq!(town.get("/read", &other).await.status, 200);
    }
    let Town { provider, edge, .. } = town;
    edge.stop_and_read_log().await;
    let uses = provider.facts().uses.clone();
    let [told] = uses.as_slice() else {
        panic!("{uses:?}")
    };
    assert_eq!(told.session, session(1).id);
    assert!(told.age < Duration::from_secs(20));
}

#[tokio::test]
async fn a_token_that_is_meant_for_others_opens_nothing_here() {
    let town = Town::start(LONG).await;
    let of = |client: &str| idp_token::session::Session {
        client_id: client.to_owned(),
        ..session(1)
    };
    let token = town.provider.issue_for(1, of("partner"));
    let heard = town.service.heard().len();
    for path in ["/read", "/either", "/lax", "/kept"] {
        let answer = town.get(path, &token).await;
        assert_eq!(answer.status, 401, "{path}");
    }
    assert_eq!(town.provider.asked(), 1);
    let alarms = "tollgate_identity_valid_tag_unknown_token_total";
    assert_eq!(town.metric(alarms).await, 0.0);
    assert_eq!(town.service.heard().len(), heard);
    let token = town.provider.issue_for(2, of("both"));
    assert_eq!(town.get("/read", &token).await.status, 200);
}
