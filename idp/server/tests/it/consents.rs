//! May people take back what they allowed, and operators in their place?

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::gateway::{Reader, START};
use crate::server::Server;
use crate::visitor::{Answer, Visitor, form, request};

/// Alice allows `shop` something; what she allowed, and a token of it.
async fn allow(visitor: &mut Visitor, client: &str) -> String {
    let consent = visitor.get(&request(client, &[])).await;
    assert!(consent.is_consent(), "{}", consent.text);
    let landed = visitor.press(&consent, &[("answer", "allow")]).await;
    redeem(visitor, client, &landed).await
}

async fn redeem(visitor: &mut Visitor, client: &str, landed: &Answer) -> String {
    let told = visitor.redeem(client, &landed.landed()["code"]).await;
    told.json()["access_token"].as_str().unwrap().to_owned()
}

async fn is_good(server: &Server, token: &str) -> bool {
    let form = format!("token={token}");
    let reply = server.post("/introspect", Some("service"), &form).await;
    reply.json()["active"] == true
}

async fn alice(server: &Server) -> String {
    let found = server
        .admin(Method::GET, "/admin/users?name=alice", Value::Null)
        .await;
    found.json()["items"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn somebody_sees_what_they_allowed_and_takes_back_one_of_it() {
    let server = Server::start().await;
    let (mut visitor, landed) = server.guest().await;
    let own = redeem(&mut visitor, "till", &landed).await;
    let empty = visitor.get("/applications").await;
    assert!(
        empty.has("No application may act for you"),
        "{}",
        empty.text
    );
    let shop = allow(&mut visitor, "shop").await;
    let web = allow(&mut visitor, "web").await;
    let page = visitor.get("/applications").await;
    assert!(page.has("<strong>alice</strong>") && page.has("See your money"));
    assert!(page.has("value=\"shop\"") && page.has("value=\"web\""));
    assert!(!page.has("till"), "nobody was asked about it");

    let after = visitor.press(&page, &[("client", "shop")]).await;
    assert!(after.has("It is taken back"), "{}", after.text);
    assert!(!after.has("value=\"shop\"") && after.has("value=\"web\""));
    assert!(!is_good(&server, &shop).await);
    assert!(is_good(&server, &web).await && is_good(&server, &own).await);
    assert!(visitor.get(&request("shop", &[])).await.is_consent());
    let written = server.audited("consent_withdrawn", 1).await;
    assert_eq!(written[0]["client"], "shop");
    assert_eq!(written[0].get("actor"), None, "she did it herself");
    // Gateways hear of it like of any other end.
    Reader::new(START).read_until_seq(&server, 1).await;
}

#[tokio::test]
async fn nothing_is_taken_back_but_by_a_form_that_was_shown_to_whoever_is_signed_in() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let shop = allow(&mut visitor, "shop").await;
    let page = visitor.get("/applications").await;
    let mut stranger = server.visitor();
    let nobody = stranger.get("/applications").await;
    assert!(nobody.has("not signed in") && !nobody.has("<form") && !nobody.has("shop"));
    let (mut other, _) = server.guest().await;
    let foreign = other.get("/applications").await.proof();
    let sign_out = visitor.get("/end-session").await.proof();
    for wrong in ["x", &foreign, &sign_out] {
        let fields = form(&[("csrf", wrong), ("client", "shop")]);
        let again = visitor.post("/applications", &fields, &[]).await;
        assert!(again.has("Nothing was done"), "{}", again.text);
    }
    for (fields, status) in [
        (vec![], StatusCode::BAD_REQUEST),
        (vec![("client", "a b")], StatusCode::BAD_REQUEST),
        (
            vec![("client", "shop"), ("client", "web")],
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let refused = visitor.press(&page, &fields).await;
        assert_eq!(refused.status, status, "{fields:?}");
    }
    let from = [("origin", "https://evil.example")];
    let refused = visitor
        .press_from(&page, &[("client", "shop")], &from)
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let bare = visitor.post("/applications", "client=shop", &[]).await;
    assert_eq!(bare.status, StatusCode::BAD_REQUEST);
    assert!(is_good(&server, &shop).await);
    // Whoever signed out meanwhile does nothing with a page that is still open.
    let cookies = visitor.cookies.clone();
    let out = visitor.get("/end-session").await;
    visitor.press(&out, &[("answer", "allow")]).await;
    visitor.cookies = cookies;
    let late = visitor.press(&page, &[("client", "shop")]).await;
    assert!(late.has("not signed in"), "{}", late.text);
    let user = alice(&server).await;
    let kept = format!("/admin/users/{user}/consents");
    let kept = server.admin(Method::GET, &kept, Value::Null).await.json();
    assert_eq!(kept["items"][0]["client"], "shop");
}

#[tokio::test]
async fn an_operator_lists_consents_and_takes_back_one_or_all() {
    let server = Server::start().await;
    let (mut visitor, landed) = server.guest().await;
    let own = redeem(&mut visitor, "till", &landed).await;
    let shop = allow(&mut visitor, "shop").await;
    let web = allow(&mut visitor, "web").await;
    let path = format!("/admin/users/{}/consents", alice(&server).await);
    let list = async |query: &str| {
        let path = format!("{path}{query}");
        server.admin(Method::GET, &path, Value::Null).await.json()
    };
    let first = list("?limit=1").await;
    assert_eq!(first["next"], "shop");
    assert_eq!(first["items"][0]["scope"], "money.read openid");
    assert!(first["items"][0]["given_at"].is_u64());
    let second = list("?limit=1&after=shop").await;
    assert_eq!(
        (&second["items"][0]["client"], second.get("next")),
        (&json!("web"), None)
    );

    let withdraw = async |path: &str| {
        let reply = server.admin(Method::DELETE, path, Value::Null).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{path}");
    };
    withdraw(&format!("{path}/shop")).await;
    withdraw(&format!("{path}/shop")).await;
    assert!(!is_good(&server, &shop).await && is_good(&server, &web).await);
    let again = allow(&mut visitor, "shop").await;
    withdraw(&path).await;
    for token in [&again, &web] {
        assert!(!is_good(&server, token).await);
    }
    assert!(
        is_good(&server, &own).await,
        "that was never allowed by her"
    );
    assert_eq!(list("").await, json!({ "items": [] }));
    // One for each that was there.
    let written = server.audited("consent_withdrawn", 3).await;
    assert!(written.iter().all(|line| line["actor"] == "olga"));

    for (path, status) in [
        (format!("/admin/users/{}/consents", "0".repeat(32)), 404),
        (
            format!("/admin/users/{}/consents/shop", "0".repeat(32)),
            404,
        ),
        ("/admin/users/x/consents".to_owned(), 400),
        (format!("{path}/a%20b"), 400),
    ] {
        let refused = server.admin(Method::DELETE, &path, Value::Null).await;
        assert_eq!(refused.status.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn whoever_is_renamed_stays_signed_in_and_signs_in_by_the_new_name() {
    let server = Server::start().await;
    let (mut visitor, landed) = server.guest().await;
    let token = redeem(&mut visitor, "till", &landed).await;
    let path = format!("/admin/users/{}", alice(&server).await);
    let rename = async |wanted: Value| {
        let path = format!("{path}/name");
        server.admin(Method::PUT, &path, wanted).await
    };
    let done = rename(json!({"name": "alicia"})).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT);
    assert!(is_good(&server, &token).await);
    let mut again = server.visitor();
    let page = again.get(&request("till", &[])).await;
    let refused = again.sign_in(&page, "alice", &server.password()).await;
    assert!(refused.is_sign_in());
    let landed = again.sign_in(&refused, "alicia", &server.password()).await;
    assert!(landed.landed().contains_key("code"));

    let taken = json!({"name": "bob"});
    let created = server
        .admin(Method::POST, "/admin/users", taken.clone())
        .await;
    assert_eq!(created.status, StatusCode::CREATED);
    for (wanted, status, code) in [
        (taken, 409, "taken"),
        (json!({"name": "a b"}), 400, "spelling"),
        (json!({"name": ""}), 400, "spelling"),
        (json!({"name": "a".repeat(129)}), 400, "spelling"),
        (json!({"name": "x", "more": 1}), 400, "body"),
    ] {
        let refused = rename(wanted.clone()).await;
        assert_eq!(refused.status.as_u16(), status, "{wanted}");
        assert_eq!(refused.text_of("code"), code, "{wanted}");
    }
    let written = server.audited("admin_user_renamed", 1).await;
    assert_eq!(written[0]["actor"], "olga");
}

#[tokio::test]
async fn whoever_is_deleted_is_nobody_everywhere_and_their_name_is_free() {
    let server = Server::start().await;
    let (mut visitor, landed) = server.guest().await;
    let own = redeem(&mut visitor, "till", &landed).await;
    let shop = allow(&mut visitor, "shop").await;
    let id = alice(&server).await;
    let path = format!("/admin/users/{id}");
    let deleted = server.admin(Method::DELETE, &path, Value::Null).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    for token in [&own, &shop] {
        assert!(!is_good(&server, token).await);
    }
    assert!(visitor.get(&request("till", &[])).await.is_sign_in());
    assert!(visitor.get("/applications").await.has("not signed in"));
    for method in [Method::GET, Method::DELETE] {
        let gone = server.admin(method, &path, Value::Null).await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND);
    }
    let consents = format!("{path}/consents");
    let consents = server.admin(Method::GET, &consents, Value::Null).await;
    assert_eq!(consents.json(), json!({ "items": [] }));
    let page = server.visitor().get(&request("till", &[])).await;
    let mut again = server.visitor();
    let page = again.get(&page.path).await;
    assert!(
        again
            .sign_in(&page, "alice", &server.password())
            .await
            .is_sign_in()
    );
    let written = server.audited("admin_user_deleted", 1).await;
    assert_eq!(written[0]["user"], id.as_str());

    let anew = json!({"name": "alice"});
    let created = server.admin(Method::POST, "/admin/users", anew).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_ne!(created.text_of("id"), id);
    Reader::new(START).read_until_seq(&server, 1).await;
}
