//! What clients are told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::signer::{claims, now};
use super::*;
use crate::identity::town::{GRANT, WISH};

#[tokio::test]
async fn each_token_is_answered_for_what_it_is() {
    let (signer, stranger, other) = (Signer::new("k"), Signer::new("x"), Signer::new("k"));
    let service = Upstream::start([ok("fine")]).await;
    let (a, b) = (publisher(&[&signer]).await, publisher(&[&other]).await);
    let issuers = [("a", by_keys("a", &a)), ("b", by_keys("b", &b))];
    let route = "require: { scopes: [money.write], roles: [payer, teller] }";
    let edge = edge(&service, &issuers, route).await;
    let with = |name: &str, value: Value| {
        let mut claims = claims("a");
        claims[name] = value;
        signer.sign(&claims)
    };
    let good = signer.sign(&claims("a"));
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    #[rustfmt::skip]
    let cases = [
        ("/a/x", good.clone(),                               200, ""),
        ("/a/x", good.clone(),                               200, ""),
        ("/a/x", with("scope", json!("money.read")),         403, "scope_insufficient"),
        ("/a/x", with("roles", json!(["guest"])),            403, "role_missing"),
        ("/a/x", with("aud", json!("bank")),                 401, "token_invalid"),
        ("/a/x", with("exp", json!(now() - 60)),             401, "token_invalid"),
        ("/a/x", with("iat", json!(now() - 61)),             401, "token_invalid"),
        ("/a/x", with("iss", json!("https://b.example")),    401, "token_invalid"),
        ("/a/x", forged,                                     401, "token_invalid"),
        ("/a/x", stranger.sign(&claims("a")),                401, "token_invalid"),
        ("/b/x", good.clone(),                               401, "token_invalid"),
        ("/a/x", other.sign(&claims("b")),                   401, "token_invalid"),
        ("/b/x", other.sign(&claims("b")),                   200, ""),
        ("/a/x", "opaque".to_owned(),                        401, "token_invalid"),
        ("/a/x", "a.b.c".to_owned(),                         401, "token_invalid"),
        ("/a/x", "tg_rt_abc".to_owned(),                     401, "refresh_token_refused"),
        ("/a/x", "a\"b".to_owned(),                          400, "credential_malformed"),
    ];
    for (path, token, status, code) in cases {
        let answer = show(&edge, path, &token).await;
        assert_eq!(answer.status, status, "{path} {token}: {}", answer.text());
        if status == 200 {
            continue;
        }
        assert_eq!(answer.code(), code, "{path} {token}");
        let challenge = answer.field("www-authenticate").unwrap_or_default();
        let error = match status {
            400 => "error=\"invalid_request\"",
            401 => "error=\"invalid_token\"",
            _ => "error=\"insufficient_scope\"",
        };
        assert!(challenge.contains(error), "{code}: {challenge}");
    }
    let answer = edge.get("/a/x").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (401, "credential_missing")
    );
    assert_eq!(service.heard().len(), 3);
}

#[tokio::test]
async fn a_gateway_is_ready_without_the_keys_of_other_issuers_and_says_so() {
    let signer = Signer::new("k");
    let service = Upstream::start([ok("fine")]).await;
    let there = publisher(&[&signer]).await;
    let silent = Upstream::start([Step::SayAndClose(String::new())]).await;
    let issuers = [("a", by_keys("a", &there)), ("b", by_keys("b", &silent))];
    let edge = edge(&service, &issuers, "require: {}").await;
    let token = signer.sign(&claims("a"));
    assert_eq!(show(&edge, "/a/x", &token).await.status, 200);
    let told = "ready\nwithout the keys of the issuer b\n".to_owned();
    assert_eq!(edge.admin("/readyz").await, (200, told));
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_makes_no_token_bad() {
    let signer = Signer::new("k");
    let service = Upstream::start([ok("fine")]).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = secret_in(&folder);
    let silent = Upstream::start([Step::SayAndClose(String::new())]).await;
    let issuers = [
        ("a", by_keys("a", &silent)),
        ("q", by_question("a", &silent, &secret)),
    ];
    let edge = edge(&service, &issuers, "require: {}").await;
    for (path, token) in [
        ("/a/x", signer.sign(&claims("a"))),
        ("/a/x", "a.b.c".to_owned()),
        ("/q/x", "opaque".to_owned()),
    ] {
        let answer = show(&edge, path, &token).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "identity_unreachable"),
            "{path}"
        );
        assert!(answer.field("retry-after").is_some(), "{path}");
        assert!(answer.field("www-authenticate").is_none(), "{path}");
    }
    assert!(service.heard().is_empty());
}

#[tokio::test]
async fn a_token_that_says_nothing_is_asked_about_once_and_ours_never() {
    let service = Upstream::start([ok("fine")]).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = secret_in(&folder);
    let asked = Upstream::start([json_of(&active())]).await;
    let issuers = [("a", by_question("a", &asked, &secret))];
    let edge = edge(&service, &issuers, "require: { scopes: [money.read] }").await;
    for _ in 0..3 {
        assert_eq!(show(&edge, "/a/x", "opaque").await.status, 200);
    }
    assert_eq!(asked.heard().len(), 1);
    // A credential for this gateway is nobody else's to see.
    let ours = format!("tg_at_{}", "A".repeat(44));
    for token in [ours.as_str(), "tg_at_short"] {
        let answer = show(&edge, "/a/x", token).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "token_invalid"),
            "{token}"
        );
    }
    // Nor is one that somebody else has signed, who may be the identity provider of this gateway.
    let signer = Signer::new("k");
    let of_another = signer.sign(&claims("b"));
    assert_eq!(show(&edge, "/a/x", &of_another).await.status, 401);
    assert_eq!(asked.heard().len(), 1);
    assert_eq!(service.heard().len(), 3);
    let own = signer.sign(&claims("a"));
    assert_eq!(show(&edge, "/a/x", &own).await.status, 200);
    assert_eq!(asked.heard().len(), 2);
}

/// The issuer has no log, so that it is asked again and again.
#[tokio::test]
async fn a_websocket_ends_with_what_another_issuer_said_of_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let secret = secret_in(&folder);
    let (mut lesser, gone) = (active(), json!({ "active": false }));
    lesser["scope"] = json!("money.write");
    for (then, code) in [(gone, "token_invalid"), (lesser, "scope_insufficient")] {
        let service = Upstream::start([Step::Say(GRANT.to_owned())]).await;
        let says = Arc::new(Mutex::new(json_of(&active())));
        let asked = Upstream::start([Step::Now(Arc::clone(&says))]).await;
        let issuer = format!("{}, max_age: 1s", by_question("a", &asked, &secret));
        let route = "upgrade: websocket, require: { scopes: [money.read] }";
        let edge = edge(&service, &[("a", issuer)], route).await;
        let request =
            format!("GET /a/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer opaque\r\n{WISH}\r\n");
        let mut client = edge.connect().await;
        assert_eq!(client.ask(request).await.status, 101);
        let asked_again = async {
            while asked.heard().len() < 3 {
                // sleeps: the connection is looked at once a second
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let within = tokio::time::timeout(Duration::from_secs(20), asked_again);
        within.await.expect("the issuer is asked again");
        client.say("GET / HTTP/1.1\r\n\r\n").await;
        assert_eq!(client.hear().await.status, 101, "it goes on");
        *says.lock().unwrap() = json_of(&then);
        assert!(client.read_to_end().await.is_err());
        drop(client);
        let lines = edge.stop_and_read_log().await;
        assert_eq!(lines[0]["code"], code, "{lines:?}");
    }
}

/// The good one, with a signature that is numbered.
fn forged(good: &str, number: usize) -> String {
    let behind = good.len() - 4;
    format!("{}{number:06}{}", &good[..behind - 6], &good[behind..])
}

#[tokio::test]
async fn who_forges_too_much_is_refused_unseen_and_keeps_nobody_out_who_is_known() {
    let signer = Signer::new("k");
    let service = Upstream::start([ok("fine")]).await;
    let published = publisher(&[&signer]).await;
    let issuers = [("a", by_keys("a", &published))];
    let rest = config(&service, &issuers, "require: {}");
    let edge = Edge::start(&format!("trusted_proxies: [127.0.0.1]\n{rest}")).await;
    let mut client = edge.connect().await;
    let mut ask = async |from: &str, token: &str| {
        let head = format!(
            "GET /a/x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {from}\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let answer = client.ask(head).await;
        (
            answer.status,
            answer.field("retry-after").map(str::to_owned),
        )
    };
    let known = signer.sign(&claims("a"));
    assert_eq!(ask("192.0.2.1", &known).await.0, 200);
    // More than twice the budget, should the span end in between.
    for number in 0..900 {
        ask("192.0.2.1", &forged(&known, number)).await;
    }
    let (_, metrics) = edge.admin("/metrics").await;
    let looked_into = (0..=600).any(|count| {
        let line =
            format!("tollgate_issuer_verdicts_total{{issuer=\"a\",verdict=\"bad\"}} {count}\n");
        metrics.contains(&line)
    });
    assert!(looked_into, "{metrics}");
    let mut other = claims("a");
    other["sub"] = json!("bob");
    let unknown = signer.sign(&other);
    let (status, wait) = ask("192.0.2.1", &unknown).await;
    assert_eq!(status, 429, "it may be one more");
    assert!(wait.is_some_and(|wait| (1..=10).contains(&wait.parse().unwrap())));
    assert_eq!(ask("192.0.2.1", &known).await.0, 200);
    assert_eq!(ask("192.0.2.2", &unknown).await.0, 200);
    assert_eq!(
        ask("192.0.2.1", &unknown).await.0,
        200,
        "it is known by now"
    );
}

#[tokio::test]
async fn a_reload_takes_over_what_is_said_of_an_issuer() {
    let signer = Signer::new("k");
    let service = Upstream::start([ok("fine")]).await;
    let published = publisher(&[&signer]).await;
    let issuers = [("a", by_keys("a", &published))];
    let edge = edge(&service, &issuers, "require: {}").await;
    let token = signer.sign(&claims("a"));
    assert_eq!(show(&edge, "/a/x", &token).await.status, 200);
    edge.running
        .apply(&edge.compile(&config(&service, &issuers, "require: { roles: [payer] }")));
    assert_eq!(show(&edge, "/a/x", &token).await.status, 200);
    assert_eq!(
        published.heard().len(),
        1,
        "what is known of the issuer is kept"
    );

    let stricter = [("a", by_keys("a", &published).replace("[pay]", "[bank]"))];
    edge.running
        .apply(&edge.compile(&config(&service, &stricter, "require: {}")));
    assert_eq!(show(&edge, "/a/x", &token).await.status, 401);
    let gone = [("b", by_keys("b", &published))];
    edge.running
        .apply(&edge.compile(&config(&service, &gone, "require: {}")));
    assert_eq!(show(&edge, "/a/x", &token).await.status, 404);
    let (_, metrics) = edge.admin("/metrics").await;
    assert!(!metrics.contains("issuer=\"a\""), "{metrics}");
    assert!(
        metrics.contains("tollgate_issuer_max_age_seconds{issuer=\"b\"} 60"),
        "{metrics}"
    );
}

fn secret_in(folder: &tempfile::TempDir) -> std::path::PathBuf {
    let path = folder.path().join("secret");
    std::fs::write(&path, "s3cr3t\n").unwrap();
    path
}
