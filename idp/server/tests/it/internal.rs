//! What gateways ask and report, and who may.

use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, StatusCode};
use idp_core::record::Record;
use idp_core::store::{Key, Store as _};
use idp_server::store::{EmbeddedStore, KeySource};
use idp_token::ask::keys::ToldKeys;
use idp_token::ask::resolve::{Answer, Purpose, QUESTIONS_MAX, Question, write_questions};
use idp_token::reference::ReferenceToken;
use idp_token::time::UnixSeconds;
use idp_token::value::{Expectations, KeySet, LIFETIME_MAX, Verifier};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::gateway::{Reader, START, seal_key};
use crate::server::Server;
use crate::world::OPTIONS;

#[tokio::test]
async fn only_a_gateway_is_told_anything() {
    let server = Server::start().await;
    let (gateway, admin) = (server.secret("gateway.key"), server.secret("admin.key"));
    let cut = &gateway[..gateway.len() - 1];
    let token = server.token().await;
    for (method, path) in [
        (Method::GET, "/internal/log?after=0"),
        (Method::GET, "/internal/filter-keys"),
        (Method::POST, "/internal/resolve"),
        (Method::POST, "/internal/uses"),
        (Method::POST, "/internal/receipts"),
    ] {
        for credential in [
            None,
            Some(admin.as_str()),
            Some(cut),
            Some(""),
            Some(&token),
        ] {
            let reply = server.inside(method.clone(), path, credential, "{}").await;
            assert_eq!(
                reply.status,
                StatusCode::UNAUTHORIZED,
                "{path} {credential:?}"
            );
            assert_eq!(reply.text_of("code"), "unauthorized");
            assert!(reply.field("www-authenticate").is_some());
        }
        let reply = server.inside(method, path, Some(&gateway), "{}").await;
        assert_ne!(reply.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let reply = server
        .inside(Method::GET, "/admin/tenants", Some(&gateway), "")
        .await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
}

/// A page in the browser of an operator asks under its own name, whatever address that was lent.
#[tokio::test]
async fn how_the_process_is_is_shown_under_no_name_that_is_not_of_this_machine() {
    let server = Server::start().await;
    for path in ["/livez", "/readyz", "/metrics"] {
        for (host, is_shown) in [
            ("evil.example", false),
            ("127.0.0.1.evil.example:8082", false),
            ("gateway", false),
            ("", false),
            ("LocalHost:8082", true),
            ("127.0.0.1", true),
            ("[::1]:8082", true),
        ] {
            let fields = [("host", host)];
            let reply = server.send_inside(Method::GET, path, &fields, "").await;
            let is_refused = reply.status == StatusCode::MISDIRECTED_REQUEST;
            assert_eq!(!is_refused, is_shown, "{path} {host}");
        }
    }
}

#[tokio::test]
async fn a_good_token_is_told_with_a_value_token_that_services_believe() {
    let server = Server::start().await;
    let token = server.token().await;
    let answers = server
        .resolve(&[&token, "tg_at_unknown"], Purpose::Use)
        .await;
    let [Answer::Active(active), Answer::Inactive] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    let record = &active.record;
    assert_eq!(
        (record.subject.as_str(), record.tenant.as_str()),
        ("robot", "default")
    );
    let stored = record.value_token.as_ref().unwrap();
    let value_token = seal_key(&token).open(&stored.sealed).unwrap();
    let jwks = server.get("/jwks", &[]).await;
    let keys = KeySet::parse(&jwks.body).unwrap();
    let expected = Expectations {
        issuer: "http://127.0.0.1:8081".to_owned(),
        audience: "pay".to_owned(),
        leeway: Duration::ZERO,
        lifetime_max: LIFETIME_MAX,
    };
    let claims = Verifier::new(expected, keys)
        .verify(&value_token, stored.renews_at)
        .unwrap();
    assert_eq!(claims.session, Some(record.id.to_string()));
    assert!(claims.expires_at <= active.expires_at);

    let checked = server.resolve(&[&token], Purpose::Check).await;
    assert!(matches!(&checked[0], Answer::Active(it) if it.record.value_token.is_none()));
}

#[tokio::test]
async fn a_value_token_is_good_for_as_long_as_its_session() {
    let server = Server::start().await;
    let token = server.token().await;
    let record = server.record(&token).await;
    let sealed = &record.value_token.as_ref().unwrap().sealed;
    let value_token = seal_key(&token).open(sealed).unwrap();
    let Answer::Active(active) = server.resolve_value(&value_token).await else {
        panic!("inactive");
    };
    let told = &active.record;
    assert_eq!(
        (told.id, &told.subject, &told.scope, &told.tenant),
        (record.id, &record.subject, &record.scope, &record.tenant)
    );
    assert_eq!(told.value_token, None);
    assert!(active.expires_at <= record.ends_at);

    let mut forged = value_token.to_string();
    let at = forged.len() - 9;
    let other = if forged[at..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    forged.replace_range(at..=at, other);
    for bad in [forged.as_str(), token.as_str(), "a.b.c", "", "\u{1}"] {
        assert_eq!(server.resolve_value(bad).await, Answer::Inactive, "{bad}");
    }
    server.revoke(&token).await;
    assert_eq!(server.resolve_value(&value_token).await, Answer::Inactive);
}

#[tokio::test]
async fn a_gateway_is_told_the_keys_of_all_tags_that_are_taken() {
    let server = Server::start().await;
    let now = UnixSeconds(0);
    let token = server.token().await;
    let reply = server.filter_keys().await;
    assert!(reply.is_private());
    assert_eq!(reply.field("content-type"), Some("application/json"));
    let keys = ToldKeys::read(&reply.body).unwrap();
    ReferenceToken::parse(token.as_bytes(), &keys.filter_keys(), now).unwrap();

    // One that was announced is told long before it tags.
    let stepped = server
        .admin(Method::POST, "/admin/keys/rotate-filter", Value::Null)
        .await;
    assert_eq!(stepped.status, StatusCode::OK);
    let after = server.filter_keys().await;
    let spelled = String::from_utf8(after.body.to_vec()).unwrap();
    assert_eq!(spelled.matches("\"id\"").count(), 2, "one more key is told");
    let told = ToldKeys::read(&after.body).unwrap();
    assert_eq!(
        told.filter_keys().tagging_id(),
        keys.filter_keys().tagging_id()
    );
    ReferenceToken::parse(token.as_bytes(), &told.filter_keys(), now).unwrap();
    // And so it is after a restart.
    let server = server.restart().await;
    assert_eq!(server.filter_keys().await.body, after.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_end_was_acknowledged_is_never_told_to_be_good() {
    let server = Arc::new(Server::start().await);
    let mut rounds = JoinSet::new();
    for _ in 0..32 {
        let server = Arc::clone(&server);
        rounds.spawn(async move {
            for _ in 0..8 {
                let token = server.token().await;
                let before = server.resolve(&[&token], Purpose::Check).await;
                assert!(matches!(before[0], Answer::Active(_)));
                server.revoke(&token).await;
                let after = server.resolve(&[&token], Purpose::Use).await;
                assert_eq!(after, [Answer::Inactive]);
            }
        });
    }
    rounds.join_all().await;
}

#[tokio::test]
async fn a_record_says_as_of_which_change_it_holds() {
    let server = Server::start().await;
    let token = server.token().await;
    assert_eq!(server.record(&token).await.written_seq.0, 0);
    let other = server.token().await;
    server.revoke(&other).await;
    Reader::new(START).read_until_seq(&server, 1).await;
    let answers = server.resolve(&[&token], Purpose::Use).await;
    let Answer::Active(active) = &answers[0] else {
        panic!("{answers:?}");
    };
    assert_eq!(active.record.written_seq.0, 1);
    assert!(active.epochs.admit(active.record.written_seq));
}

#[tokio::test]
async fn as_many_questions_as_a_message_may_hold_are_answered_and_one_more_is_refused() {
    let server = Server::start().await;
    let good = server.token().await;
    let mut tokens: Vec<_> = (1..QUESTIONS_MAX)
        .map(|it| format!("unknown-{it}"))
        .collect();
    tokens.insert(100, good);
    let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
    let answers = server.resolve(&tokens, Purpose::Use).await;
    assert_eq!(answers.len(), QUESTIONS_MAX);
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(matches!(answer, Answer::Active(_)), at == 100, "{at}");
    }

    let question = |token: &&str| Question {
        key: seal_key(token),
        purpose: Purpose::Check,
    };
    let many: Vec<_> = tokens.iter().chain(&["one more"]).map(question).collect();
    for (body, status, code) in [
        (
            write_questions(&many).to_string(),
            StatusCode::BAD_REQUEST,
            "message",
        ),
        (
            write_questions(&[]).to_string(),
            StatusCode::BAD_REQUEST,
            "message",
        ),
        ("{}".to_owned(), StatusCode::BAD_REQUEST, "message"),
        (
            " ".repeat(70_000),
            StatusCode::PAYLOAD_TOO_LARGE,
            "message_too_long",
        ),
    ] {
        let reply = server.tell("/internal/resolve", &body).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.text_of("code"), code);
        assert!(!String::from_utf8_lossy(&reply.body).contains("unknown-1"));
    }
    let reply = server.tell("/internal/resolve", &" ".repeat(200_000)).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn of_many_reports_of_uses_the_latest_use_counts() {
    let server = Server::start().await;
    let token = server.token().await;
    let session = server.record(&token).await;
    let (id, began_at) = (session.id, session.began_at);
    for age in [200, 50, 600] {
        server.report_uses(&[(id, age)]).await;
    }
    let stranger = idp_token::session::SessionId([9; 16]);
    let whole_age = u64::MAX;
    server
        .report_uses(&[(stranger, 0), (id, 900), (id, whole_age)])
        .await;
    let record = server.record(&server.token().await).await;
    assert_eq!(server.metric("uses_total").await, 6.0);

    let folder = server.stop().await;
    let key = KeySource::File(folder.path().join("idp.key"));
    let store = EmbeddedStore::open(&folder.path().join("idp.redb"), &key, OPTIONS).unwrap();
    let keys = [Key::LastUse(id), Key::LastUse(stranger)];
    let mut found = store.read(&keys).await.unwrap();
    assert!(found.pop().unwrap().is_none());
    let last = found.pop().unwrap().unwrap().record;
    let Record::LastUse(last) = last else {
        panic!("{last:?}");
    };
    // By the clock of the server, while this ran.
    let ran = began_at.0..=record.began_at.0;
    assert!(ran.contains(&(last.at.0 + 50)), "{last:?} {ran:?}");
}
