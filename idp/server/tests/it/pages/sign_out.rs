use hyper::StatusCode;
use idp_token::value::jws::verify_as;
use idp_token::value::{KeySet, Statement};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::seeds::BYE;
use crate::server::{Server, Wishes};
use crate::visitor::{Answer, Visitor, form, request};

struct Held {
    access: String,
    id_token: String,
}

async fn tokens(visitor: &mut Visitor, landed: &Answer) -> Held {
    let told = visitor
        .redeem("till", &landed.landed()["code"])
        .await
        .json();
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    Held {
        access: text("access_token"),
        id_token: text("id_token"),
    }
}

async fn is_live(visitor: &mut Visitor, held: &Held) -> bool {
    let bearer = format!("Bearer {}", held.access);
    let told = visitor
        .send(
            hyper::Method::GET,
            "/userinfo",
            &[("authorization", &bearer)],
            "",
        )
        .await;
    told.status == StatusCode::OK
}

fn link(fields: &[(&str, &str)]) -> String {
    format!("/end-session?{}", form(fields))
}

#[tokio::test]
async fn a_link_alone_signs_nobody_out_and_the_person_is_asked() {
    let server = Server::start().await;
    let (mut visitor, landed) = server.guest().await;
    let held = tokens(&mut visitor, &landed).await;
    let page = visitor.get("/end-session").await;
    assert!(page.has("<h1>Sign out?</h1>"), "{}", page.text);
    assert!(is_live(&mut visitor, &held).await);

    let still = visitor.press(&page, &[("answer", "deny")]).await;
    assert!(still.has("You are still signed in") && !still.has("<form"));
    assert!(is_live(&mut visitor, &held).await);

    let out = visitor.press(&page, &[("answer", "allow")]).await;
    assert!(out.has("You are signed out") && !out.has("<form"));
    let cookie = out.set_cookies().concat();
    assert_eq!(
        cookie,
        "tollgate-login=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    );
    assert!(!is_live(&mut visitor, &held).await);
    assert!(visitor.get(&request("till", &[])).await.is_sign_in());
}

#[tokio::test]
async fn a_login_that_was_signed_out_of_is_over_wherever_its_cookie_is() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let cookies = visitor.cookies.clone();
    let page = visitor.get("/end-session").await;
    visitor.press(&page, &[("answer", "allow")]).await;
    visitor.cookies = cookies;
    assert!(visitor.get(&request("till", &[])).await.is_sign_in());
}

#[tokio::test]
async fn a_form_that_was_not_shown_here_signs_nobody_out() {
    let server = Server::start().await;
    let (mut visitor, landed) = server.guest().await;
    let held = tokens(&mut visitor, &landed).await;
    let (mut other, _) = server.guest().await;
    let foreign = other.get("/end-session").await.proof();
    let consent = visitor.get(&request("shop", &[])).await.proof();
    for wrong in ["x", &foreign, &consent] {
        let fields = form(&[("csrf", wrong), ("answer", "allow")]);
        let again = visitor.post("/end-session", &fields, &[]).await;
        assert!(again.has("<h1>Sign out?</h1>") && again.has("Nothing was done"));
    }
    let bare = visitor.post("/end-session", "answer=allow", &[]).await;
    assert_eq!(
        bare.status,
        StatusCode::SEE_OTHER,
        "a request of a client, sent as a form"
    );
    assert!(is_live(&mut visitor, &held).await);
}

#[tokio::test]
async fn a_client_that_shows_its_id_token_signs_out_and_gets_its_person_back() {
    let server = Server::start().await;
    let (mut visitor, landed) = server.guest().await;
    let held = tokens(&mut visitor, &landed).await;
    let asked = link(&[
        ("id_token_hint", &held.id_token),
        ("post_logout_redirect_uri", BYE),
        ("state", "a&b"),
        ("client_id", "till"),
    ]);
    let out = visitor.get(&asked).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert_eq!(
        out.field("location"),
        Some(format!("{BYE}?state=a%26b").as_str())
    );
    assert_eq!(out.field("referrer-policy"), Some("no-referrer"));
    assert!(!visitor.cookies.contains_key("tollgate-login"));
    assert!(!is_live(&mut visitor, &held).await);
}

#[tokio::test]
async fn a_hint_leads_only_to_where_its_own_client_registered() {
    let server = Server::start().await;
    let (mut visitor, landed) = server.guest().await;
    let held = tokens(&mut visitor, &landed).await;
    let hint = ("id_token_hint", held.id_token.as_str());
    let mismatch = visitor.get(&link(&[hint, ("client_id", "shop")])).await;
    assert_eq!(mismatch.status, StatusCode::BAD_REQUEST);
    assert!(is_live(&mut visitor, &held).await);

    let evil = ("post_logout_redirect_uri", "https://evil.example/");
    let out = visitor.get(&link(&[hint, evil])).await;
    assert_eq!(out.status, StatusCode::OK);
    assert!(out.has("You are signed out") && !out.has("evil"));
}

#[tokio::test]
async fn a_hint_that_is_not_good_is_no_hint() {
    let server = Server::start().await;
    let (mut visitor, landed) = server.guest().await;
    let held = tokens(&mut visitor, &landed).await;
    let (mut other, landed) = server.guest().await;
    let of_another = tokens(&mut other, &landed).await;
    let (rest, signature) = held.id_token.rsplit_once('.').unwrap();
    let forged = format!("{rest}.{}{signature}", "A");
    for hint in [forged.as_str(), &of_another.id_token, &held.access, "x"] {
        let back = ("post_logout_redirect_uri", BYE);
        let page = visitor.get(&link(&[("id_token_hint", hint), back])).await;
        assert!(page.has("<h1>Sign out?</h1>"), "{}", page.text);
    }
    assert!(is_live(&mut visitor, &held).await);
    assert!(is_live(&mut other, &of_another).await);
}

#[tokio::test]
async fn whoever_is_asked_with_a_good_hint_goes_on_to_its_client() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let (mut other, landed) = server.guest().await;
    let of_another = tokens(&mut other, &landed).await;
    let back = ("post_logout_redirect_uri", BYE);
    let page = visitor
        .get(&link(&[("id_token_hint", &of_another.id_token), back]))
        .await;
    let policy = page.field("content-security-policy").unwrap();
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:1;"),
        "{policy}"
    );
    let out = visitor.press(&page, &[("answer", "allow")]).await;
    assert_eq!(out.field("location"), Some(BYE));
}

#[tokio::test]
async fn whoever_is_signed_in_nowhere_is_told_so() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let out = visitor.get("/end-session").await;
    assert!(out.has("You are signed out"), "{}", out.text);
    let twice = visitor.get("/end-session?state=a&state=b").await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
}

fn is_whole(heard: &str) -> bool {
    let Some((head, body)) = heard.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.split("\r\n").next().unwrap();
    body.len() == length.parse::<usize>().unwrap()
}

/// What one client is sent, which answers with this status.
async fn hear(listener: &TcpListener, status: &str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut heard = Vec::new();
    while !is_whole(&String::from_utf8_lossy(&heard)) {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
    }
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn a_client_is_told_that_somebody_signed_out_and_once_more_if_it_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let server = Server::start_with(Wishes {
        told_at: Some(format!("http://{at}/signed-out?a=b")),
        ..Wishes::default()
    })
    .await;
    let (mut visitor, landed) = server.guest().await;
    tokens(&mut visitor, &landed).await;
    let keys = KeySet::parse(visitor.get("/jwks").await.text.as_bytes()).unwrap();

    let page = visitor.get("/end-session").await;
    let out = visitor.press(&page, &[("answer", "allow")]).await;
    assert!(out.has("You are signed out"), "nobody waits for the client");
    let mut ids = Vec::new();
    for status in ["503 Busy", "204 No Content"] {
        let heard = hear(&listener, status).await;
        assert!(
            heard.starts_with("POST /signed-out?a=b HTTP/1.1\r\n"),
            "{heard}"
        );
        let (_, token) = heard.split_once("\r\n\r\nlogout_token=").unwrap();
        let said = verify_as(token, Statement::LogoutToken, &keys).unwrap();
        let said: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(said["aud"], "till");
        assert!(said.get("nonce").is_none() && said["sid"].is_string());
        ids.push(said["jti"].as_str().unwrap().to_owned());
    }
    assert_ne!(ids[0], ids[1], "no token is sent twice");
}
