//! What services, clients, logs and operators are told of a caller.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idp_token::digest::{Tid, TokenDigest};

use super::provider::{session, subject};
use super::town::{LONG, Town};
use crate::client::Client;
use crate::upstream::{Step, Upstream};

#[tokio::test]
async fn a_service_is_told_who_asks_in_no_words_but_the_gateways() {
    let town = Town::start(LONG).await;
    let token = town.provider.issue(1);
    let fields = format!(
        "Authorization: Bearer {token}\r\nTollgate-Subject: forged\r\ntollgate_subject: forged\r\n\
         Tollgate.Scope: forged\r\nAuthorization_: x\r\n"
    );
    assert_eq!(town.ask("GET", "/told", &fields).await.status, 200);
    let heard = town.service.last();
    assert!(
        !heard.contains("forged") && !heard.contains(&token),
        "{heard}"
    );
    for (name, value) in [
        ("tollgate-subject", subject(1)),
        ("tollgate-client", "shop".to_owned()),
        ("tollgate-scope", "read write".to_owned()),
        ("tollgate-session", session(1).id.to_string()),
    ] {
        assert!(
            heard.contains(&format!("\r\n{name}: {value}\r\n")),
            "{name} in {heard}"
        );
    }
    let count = heard
        .to_lowercase()
        .matches("\r\nauthorization: bearer ")
        .count();
    assert_eq!(count, 1);

    assert_eq!(town.get("/read", &token).await.status, 200);
    assert!(!town.service.last().contains("tollgate-"));
    assert_eq!(town.get("/open", &token).await.status, 200);
    assert!(
        !town.service.last().contains(&token),
        "{}",
        town.service.last()
    );
}

#[tokio::test]
async fn a_client_is_told_how_long_it_took_where_the_route_says_so() {
    let town = Town::start(LONG).await;
    let token = town.provider.issue(1);
    let answer = town.get("/told", &token).await;
    let timing = answer.field("server-timing").unwrap();
    let millis: f64 = timing.strip_prefix("auth;dur=").unwrap().parse().unwrap();
    assert!((0.0..10_000.0).contains(&millis), "{timing}");
    assert_eq!(town.get("/read", &token).await.field("server-timing"), None);
}

#[tokio::test]
async fn a_line_says_who_told_of_the_caller_and_never_the_token() {
    let town = Town::start(LONG).await;
    let token = town.provider.issue(1);
    for path in ["/read", "/read", "/admin"] {
        town.get(path, &token).await;
    }
    town.get("/read", "tg_at_short").await;
    town.ask("GET", "/read", "").await;
    town.get("/open", "abc").await;
    let cached = town
        .metric("tollgate_identity_callers_total{layer=\"cache\"}")
        .await;
    let told = town
        .metric("tollgate_identity_callers_total{layer=\"provider\"}")
        .await;
    assert!(cached >= 2.0 && told >= 1.0, "{cached} {told}");
    assert!(town.metric("tollgate_identity_cache_bytes").await > 0.0);

    let digest = TokenDigest::of(token.as_bytes());
    let tid = Tid::of(&digest).to_string();
    let lines = town.edge.stop_and_read_log().await;
    let [.., first, second, third, bad, none, open] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let found = [first, second, third, bad, none].map(|line| line["auth"].as_str().unwrap());
    assert_eq!(
        found,
        ["provider", "cache", "forbidden", "refused", "refused"]
    );
    for line in [first, second, third] {
        assert_eq!(line["tid"], tid.as_str(), "{line}");
        assert!(line["auth_us"].is_u64(), "{line}");
    }
    assert!(bad["tid"].is_null() && none["tid"].is_null());
    assert!(open["auth"].is_null() && open["auth_us"].is_null());
    assert!(
        !lines
            .iter()
            .any(|line| line.to_string().contains(&token[6..20]))
    );
}

#[tokio::test]
async fn an_operator_who_has_a_token_is_told_what_would_become_of_it() {
    let town = Town::start(LONG).await;
    let token = town.provider.issue(1);
    let digest = TokenDigest::of(token.as_bytes());
    let digest = URL_SAFE_NO_PAD.encode(digest.as_bytes());
    let inspect = async |digest: &str| {
        let request = format!(
            "POST /identity/inspect HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{digest}",
            digest.len()
        );
        let admin = town.edge.running.addresses().admin;
        Client::connect(admin).await.ask(request).await
    };
    let told = async || {
        let answer = inspect(&digest).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()
    };
    let before = told().await;
    assert_eq!(before["would"], "look it up: nothing is remembered");
    assert_eq!(before["remembered"], false);

    assert_eq!(town.get("/read", &token).await.status, 200);
    let known = told().await;
    assert_eq!(
        (&known["would"], &known["remembered"]),
        (&"serve it".into(), &true.into())
    );
    assert_eq!(
        (&known["client"], &known["scope"]),
        (&"shop".into(), &"read write".into())
    );
    assert_eq!(known["subject"], subject(1));
    assert!(!known.to_string().contains(&token[6..20]), "{known}");

    town.provider.end(1);
    town.until("it is refused", async |town| {
        town.get("/read", &token).await.status == 401
    })
    .await;
    assert_eq!(told().await["would"], "refuse it: the session was ended");
    assert_eq!(town.provider.asked(), 1, "nobody was asked for this");
    for bad in ["", "abc", &token] {
        assert_eq!(inspect(bad).await.status, 400, "{bad}");
    }
}

/// A service that is asked without a credential may call its records public, and knows nothing of the route.
#[tokio::test]
async fn what_is_composed_for_a_caller_is_for_no_cache_of_others() {
    let mut town = Town::start(LONG).await;
    let public = "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    let kept = Upstream::start([Step::Say(public.to_owned())]).await;
    town.restart_composing(kept).await;
    let token = town.provider.issue(1);
    town.until("it is answered", async |town| {
        town.get("/kept", &token).await.status == 200
    })
    .await;
    let answer = town.get("/kept", &token).await;
    let told = answer.field("cache-control").unwrap();
    assert!(told.starts_with("private, max-age="), "{told}");
    assert_eq!(answer.text(), "{\"kept\":1}");
}
